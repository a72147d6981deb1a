package textencoder

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
)

// Emphasis says how the weights of a prompt act. The values are those that
// infotexts hold; the zero value is EmphasisOriginal.
type Emphasis string

const (
	EmphasisOriginal Emphasis = "Original" // multiply, then restore the chunk's mean
	EmphasisNoNorm   Emphasis = "No norm"  // multiply
	EmphasisIgnore   Emphasis = "Ignore"   // read the syntax, weigh nothing
	EmphasisNone     Emphasis = "None"     // brackets, backslashes and BREAK are text
)

// A Part is a run of a prompt under one weight.
type Part struct {
	Text   string
	Weight float64

	src traced // Text, with its places in the prompt
}

// IsBreak tells whether the part is a BREAK: what follows begins a new chunk.
func (p Part) IsBreak() bool { return p.Text == breakWord && p.Weight == breakWeight }

const (
	roundWeight  = 1.1 // what a pair of brackets multiplies a weight by
	squareWeight = 1 / roundWeight

	breakWord   = "BREAK"
	breakWeight = -1

	// maxWeight bounds a part's weight: far above any use, far below what makes
	// the arithmetic overflow.
	maxWeight = 1e6
)

// ParsePrompt splits a prompt where its weight changes, as AUTOMATIC1111's web UI
// does: (a) weighs 1.1, [a] 1/1.1, (a:1.3) 1.3, and nested brackets multiply. A
// backslash takes a bracket's or another backslash's meaning away, and is itself
// left out. Brackets that nothing closes act to the end; closing ones that
// nothing opened are text.
//
// The word BREAK is a part of its own (Part.IsBreak). Brackets around it multiply
// its weight, −1, too, and make a mere word of it: a quirk that pictures made
// with the web UI depend on.
func ParsePrompt(prompt string) []Part { return parsePrompt(trace(prompt)) }

func parsePrompt(p traced) []Part {
	var parts []Part
	add := func(text traced, weight float64) { parts = append(parts, Part{Weight: weight, src: text}) }
	var round, square []int // the first part inside each open bracket
	weigh := func(open *[]int, by float64) {
		last := len(*open) - 1
		for i := (*open)[last]; i < len(parts); i++ {
			parts[i].Weight = min(max(parts[i].Weight*by, -maxWeight), maxWeight)
		}
		*open = (*open)[:last]
	}
	for i, n := 0, 0; i < len(p.text); i += n {
		rest := p.text[i:]
		n = 1
		number, closing := closingWeight(rest)
		switch c := rest[0]; {
		case c == '\\':
			if len(rest) > 1 && strings.IndexByte(`\()[]`, rest[1]) >= 0 {
				n = 2
			}
			add(p.slice(i+1, i+n), 1)
		case c == '(':
			round = append(round, len(parts))
		case c == '[':
			square = append(square, len(parts))
		case closing > 0 && len(round) > 0:
			weigh(&round, number)
			n = closing
		case c == ')' && len(round) > 0:
			weigh(&round, roundWeight)
		case c == ']' && len(square) > 0:
			weigh(&square, squareWeight)
		default:
			switch end := strings.IndexAny(rest, `\()[]:`); {
			case closing > 0:
				n = closing
			case end > 0:
				n = end
			case end < 0:
				n = len(rest)
			}
			for k, text := range splitBreaks(p.slice(i, i+n)) {
				if k%2 == 1 {
					add(text, breakWeight)
				} else {
					add(text, 1)
				}
			}
		}
	}
	for len(round) > 0 {
		weigh(&round, roundWeight)
	}
	for len(square) > 0 {
		weigh(&square, squareWeight)
	}
	return joinEqual(parts)
}

// closingWeight reads the ":1.3)" that text begins with; size 0 means none.
func closingWeight(text string) (number float64, size int) {
	rest, ok := strings.CutPrefix(text, ":")
	if !ok {
		return 0, 0
	}
	rest = strings.TrimLeftFunc(rest, isSpace)
	after := strings.TrimLeft(rest, "+-.0123456789")
	number, err := strconv.ParseFloat(rest[:len(rest)-len(after)], 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, 0
	}
	rest = strings.TrimLeftFunc(after, isSpace)
	if !strings.HasPrefix(rest, ")") {
		return 0, 0
	}
	return min(max(number, -maxWeight), maxWeight), len(text) - len(rest) + 1
}

// splitBreaks splits at the words BREAK, every second part, and takes the white
// space around them.
func splitBreaks(t traced) []traced {
	out := splitWord(t, breakWord)
	for i, p := range out {
		if i%2 == 1 {
			continue
		}
		from, to := 0, len(p.text)
		if i > 0 {
			from = to - len(strings.TrimLeftFunc(p.text, isSpace))
		}
		if i < len(out)-1 {
			to = max(from, len(strings.TrimRightFunc(p.text, isSpace)))
		}
		out[i] = p.slice(from, to)
	}
	return out
}

func isWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
}

// isSpace is Python's idea of white space.
func isSpace(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }

// joinEqual makes one part of neighbours of one weight.
func joinEqual(parts []Part) []Part {
	if len(parts) == 0 {
		return []Part{{Weight: 1}}
	}
	var out []Part
	for i := 0; i < len(parts); {
		first := i
		var texts []traced
		for ; i < len(parts) && parts[i].Weight == parts[first].Weight; i++ {
			texts = append(texts, parts[i].src)
		}
		src := join(texts...)
		out = append(out, Part{src.text, parts[first].Weight, src})
	}
	return out
}
