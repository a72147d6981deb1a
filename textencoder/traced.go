package textencoder

import "strings"

// traced is a text made of pieces of another, the source; it knows where there
// each of its bytes comes from.
type traced struct {
	text string
	at   []int // per byte of text
}

func trace(source string) traced {
	at := make([]int, len(source))
	for i := range at {
		at[i] = i
	}
	return traced{source, at}
}

func (t traced) slice(from, to int) traced { return traced{t.text[from:to], t.at[from:to]} }

// end is the place in the source where a text that is not empty ends.
func (t traced) end() int { return t.at[len(t.at)-1] + 1 }

// become is another text in the same place.
func (t traced) become(text string) traced {
	if len(text) == len(t.text) {
		return traced{text, t.at}
	}
	at := make([]int, len(text))
	for i := range at {
		at[i] = t.at[min(i, len(t.at)-1)]
	}
	at[len(at)-1] = t.at[len(t.at)-1]
	return traced{text, at}
}

func join(texts ...traced) traced {
	size := 0
	for _, t := range texts {
		size += len(t.text)
	}
	var b strings.Builder
	b.Grow(size)
	at := make([]int, 0, size)
	for _, t := range texts {
		b.WriteString(t.text)
		at = append(at, t.at...)
	}
	return traced{b.String(), at}
}
