package ui

import (
	"fmt"
	"sort"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// sentence makes an error's text one: a capital first, a full stop at the end.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return s
	}
	// A file's name stays as it is written.
	if word, _, _ := strings.Cut(s, " "); !strings.ContainsAny(word, "./_") {
		s = sentenceStart(s)
	}
	if !strings.ContainsAny(s[len(s)-1:], ".!?…") {
		s += "."
	}
	return s
}

// sentenceStart makes the first letter a capital.
func sentenceStart(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(first)) + s[n:]
}

// left says how long something still takes, as exactly as anyone can know.
func left(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return span(d) + " left"
}

// span is a time as a person says it.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return "less than a second"
	case d < 90*time.Second:
		return fmt.Sprintf("%d s", int(d.Round(time.Second)/time.Second))
	case d < 90*time.Minute:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute)/time.Minute))
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h %d min", int(d/time.Hour), int(d%time.Hour/time.Minute))
}

// join puts " · " between what is not empty.
func join(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, "  ·  ")
}

// joinNotes makes one message of those that are not empty.
func joinNotes(notes ...string) string {
	return strings.ReplaceAll(join(notes...), "  ·  ", "; ")
}

// plural is "1 picture" or "3 pictures".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// indexFold is where list has s, whatever the case; -1 if nowhere.
func indexFold(list []string, s string) int {
	for i, v := range list {
		if strings.EqualFold(v, s) {
			return i
		}
	}
	return -1
}

// ellipsis is s, or as much of its beginning as fits with … behind it.
func ellipsis(s string, fits func(string) bool) string {
	if s == "" || fits(s) {
		return s
	}
	runes := []rune(s)
	n := sort.Search(len(runes), func(n int) bool { return !fits(string(runes[:n+1]) + "…") })
	return strings.TrimRight(string(runes[:n]), " ") + "…"
}

// ellipsisWithin is s with as much left out of its middle as it must be to fit: ends
// of names often tell more than what comes before.
func ellipsisWithin(s string, fits func(string) bool) string {
	if s == "" || fits(s) {
		return s
	}
	runes := []rune(s)
	keep := func(n int) string { return string(runes[:(n+1)/2]) + "…" + string(runes[len(runes)-n/2:]) }
	n := sort.Search(len(runes), func(n int) bool { return !fits(keep(n + 1)) })
	return keep(min(n, len(runes)-1))
}

// oneLine is s without line breaks.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
