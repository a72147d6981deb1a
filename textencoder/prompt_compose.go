package textencoder

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Subprompt is one of the prompts that AND joins, and how much it counts.
type Subprompt struct {
	Text   string
	Weight float64
}

const andWord = "AND"

// Compose splits a prompt at the words AND, as AUTOMATIC1111's web UI does. A part
// that ends with a colon and a number counts so many times, others once, a prompt
// without AND too: "a castle AND moss :0.5". Brackets do not hold an AND back. With
// guidance g the parts cᵢ of weights wᵢ give
//
//	ε = ε(∅) + g·Σ wᵢ·(ε(cᵢ) − ε(∅))  (Liu et al. 2022, eq. 11)
//
// The prompt is one without networks; each part has a schedule of its own. Negative
// prompts are not composed.
func Compose(prompt string) []Subprompt {
	var out []Subprompt
	for _, part := range compose(trace(prompt)) {
		out = append(out, Subprompt{part.text.text, part.weight})
	}
	return out
}

type tracedSubprompt struct {
	text   traced
	weight float64
}

var plainNumber = regexp.MustCompile(`^[-+]?([0-9]+\.?|[0-9]*\.[0-9]+)$`)

func compose(prompt traced) (out []tracedSubprompt) {
	for i, t := range splitWord(prompt, andWord) {
		if i%2 == 1 {
			continue
		}
		t = t.slice(0, len(strings.TrimRightFunc(t.text, isSpace)))
		weight := 1.0
		if i := strings.LastIndexByte(t.text, ':'); i >= 0 {
			if number := strings.TrimLeftFunc(t.text[i+1:], isSpace); plainNumber.MatchString(number) {
				v, _ := strconv.ParseFloat(number, 64) // ±Inf out of range
				weight = min(max(v, -maxWeight), maxWeight)
				t = t.slice(0, len(strings.TrimRightFunc(t.text[:i], isSpace)))
			}
		}
		out = append(out, tracedSubprompt{t, weight})
	}
	return out
}

// splitWord splits at a word that stands alone; letters, digits and _ on either
// side make another word of it. The word itself is every second part.
func splitWord(t traced, word string) (out []traced) {
	start := 0
	for i := 0; ; {
		j := strings.Index(t.text[i:], word)
		if j < 0 {
			return append(out, t.slice(start, len(t.text)))
		}
		from := i + j
		i = from + len(word)
		before, _ := utf8.DecodeLastRuneInString(t.text[:from])
		after, _ := utf8.DecodeRuneInString(t.text[i:])
		if !isWord(before) && !isWord(after) {
			out = append(out, t.slice(start, from), t.slice(from, i))
			start = i
		}
	}
}
