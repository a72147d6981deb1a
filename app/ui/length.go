//go:build !headless

package ui

import (
	"fmt"
	"strings"

	"latent/textencoder"
)

// length says how long a prompt is, and where a chunk of it ends.
type length struct{ count, chunks *text }

func newLength() length {
	l := length{caption("").short(), caption("").short()}
	l.chunks.Hide()
	return l
}

func (l length) show(prompt string, u textencoder.Usage) {
	l.count.SetText("")
	if strings.TrimSpace(prompt) != "" && u.Room > 0 {
		l.count.SetText(fmt.Sprintf("%d / %d tokens", u.Tokens, u.Room))
	}
	l.chunks.SetText(chunkText(prompt, u.Ends))
	show(l.chunks, l.chunks.Text != "")
}

// chunkText names the words that each chunk but the first begins with.
func chunkText(prompt string, ends []int) string {
	prompt = strings.ToValidUTF8(prompt, "\uFFFD") // as ends counts
	var begins []string
	for _, end := range ends[:max(0, len(ends)-1)] {
		words := strings.Fields(strings.TrimLeft(prompt[min(end, len(prompt)):], " ,\n"))
		begins = append(begins, "“"+strings.TrimRight(strings.Join(words[:min(3, len(words))], " "), ",")+"”")
	}
	switch len(begins) {
	case 0:
		return ""
	case 1:
		return "Second chunk begins at " + begins[0]
	}
	return "Chunks begin at " + joinAnd(begins)
}
