package textencoder

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Span says which prompt counts in a run of steps.
type Span struct {
	Until  int // the last step, counted from 1
	Prompt string
}

// Schedule resolves a prompt that changes in the course of the steps, as
// AUTOMATIC1111's web UI does:
//
//	[from:to:when]  is from until when, then to
//	[to:when]       is nothing until when, then to
//	[from::when]    is from until when, then nothing
//	[one|other|…]   takes its alternatives in turn, step by step
//
// A when with a point in it is a share of the steps, any other the number of a
// step. A prompt that the syntax does not fit, such as one with a | outside of
// square brackets, is the same in all steps. The spans follow one another to the
// last step.
func Schedule(prompt string, steps int) []Span {
	return spans(schedule(trace(prompt), clock{steps: steps}))
}

// ScheduleSecondPass is Schedule for the steps of a second pass, such as hires
// fix: its step numbers count on from the steps of the first, its shares from 1.
func ScheduleSecondPass(prompt string, first, steps int) []Span {
	return spans(schedule(trace(prompt), clock{steps, first, 1}))
}

func spans(all []tracedSpan) []Span {
	out := make([]Span, len(all))
	for i, s := range all {
		out[i] = Span{s.until, s.prompt.text}
	}
	return out
}

type tracedSpan struct {
	until  int
	prompt traced
}

func schedule(prompt traced, c clock) []tracedSpan {
	p := scheduleParser{text: prompt.text, clock: c, known: map[int]bracket{}, ends: map[int]bool{c.steps: true}}
	at, ok := p.whole()
	if !ok {
		return []tracedSpan{{c.steps, prompt}}
	}
	for i := 1; p.turns && i <= c.steps; i++ {
		p.ends[i] = true
	}
	var out []tracedSpan
	for _, until := range slices.Sorted(maps.Keys(p.ends)) {
		var texts []traced
		for _, r := range at(until, nil) {
			texts = append(texts, prompt.slice(r.from, r.to))
		}
		now := join(texts...)
		if last := len(out) - 1; last >= 0 && out[last].prompt.text == now.text {
			out[last].until = until
			continue
		}
		out = append(out, tracedSpan{until, now})
	}
	return out
}

// A clock reads the times of a schedule.
type clock struct {
	steps int
	// What a second pass takes off step numbers and shares.
	firstStep  int
	firstShare float64
}

var number = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$`)

// when is the last step before the time that a text gives.
func (c clock) when(text string) (step int, ok bool) {
	text = strings.TrimFunc(text, isSpace)
	if !number.MatchString(text) {
		return 0, false
	}
	v, _ := strconv.ParseFloat(text, 64) // ±Inf out of range
	if strings.Contains(text, ".") {
		v = (v - c.firstShare) * float64(c.steps)
	} else {
		v -= float64(c.firstStep)
	}
	return int(min(max(v, 0), float64(c.steps))), true
}

// A timed text appends the pieces of the prompt that make it up in a step.
type timed func(step int, out []textRange) []textRange

type textRange struct{ from, to int }

func inSequence(parts []timed) timed {
	return func(step int, out []textRange) []textRange {
		for _, part := range parts {
			out = part(step, out)
		}
		return out
	}
}

// scheduleParser reads the grammar
//
//	prompt  = { bracket | text }
//	bracket = "(" prompt [ ":" prompt ] ")"
//	        | "[" prompt "]"
//	        | "[" [ prompt ":" ] prompt ":" time "]"
//	        | "[" prompt "|" prompt { "|" prompt } "]"
//
// where text has no ( ) [ ] : | but behind a backslash. Outside of all brackets,
// ( ) [ ] and : that belong to none are text as well.
type scheduleParser struct {
	text string
	clock
	known map[int]bracket // by where they begin
	depth int

	ends  map[int]bool // steps after which the prompt may change
	turns bool         // there are alternatives
}

// A bracket ends before end; at is nil where none could be read.
type bracket struct {
	at  timed
	end int
}

// maxDepth bounds the brackets in one another; deeper ones are text.
const maxDepth = 500

// whole reads the whole prompt; false means that it does not fit the grammar.
func (p *scheduleParser) whole() (timed, bool) {
	var parts []timed
	for i := 0; ; {
		part, end := p.prompt(i)
		if parts = append(parts, part); end == len(p.text) {
			return inSequence(parts), true
		}
		if strings.IndexByte("()[]:", p.text[end]) < 0 {
			return nil, false
		}
		i = end + 1
		parts = append(parts, p.verbatim(end, i))
	}
}

func (p *scheduleParser) verbatim(from, to int) timed {
	return func(_ int, out []textRange) []textRange { return append(out, textRange{from, to}) }
}

// prompt reads as far as it can from i.
func (p *scheduleParser) prompt(i int) (timed, int) {
	var parts []timed
	for i < len(p.text) {
		start := i
		for i < len(p.text) && strings.IndexByte(`()[]:|`, p.text[i]) < 0 {
			if p.text[i] != '\\' {
				i++
				continue
			}
			_, size := utf8.DecodeRuneInString(p.text[i+1:])
			if size == 0 || p.text[i+1] == '\n' {
				break
			}
			i += 1 + size
		}
		if i > start {
			parts = append(parts, p.verbatim(start, i))
		}
		if i == len(p.text) || p.text[i] != '(' && p.text[i] != '[' {
			break
		}
		b := p.bracket(i)
		if b.at == nil {
			break
		}
		parts = append(parts, b.at)
		i = b.end
	}
	return inSequence(parts), i
}

func (p *scheduleParser) bracket(i int) bracket {
	b, ok := p.known[i]
	if !ok && p.depth < maxDepth {
		p.depth++
		b = p.readBracket(i)
		p.depth--
		p.known[i] = b
	}
	return b
}

func (p *scheduleParser) readBracket(open int) bracket {
	var prompts []timed
	var separators []byte
	last := 0 // where the last prompt begins
	end := open
	for {
		last = end + 1
		var at timed
		at, end = p.prompt(last)
		prompts = append(prompts, at)
		if end == len(p.text) || p.text[end] != ':' && p.text[end] != '|' {
			break
		}
		separators = append(separators, p.text[end])
	}
	if end == len(p.text) {
		return bracket{}
	}
	round := p.text[open] == '('
	if closing := p.text[end]; round && closing != ')' || !round && closing != ']' {
		return bracket{}
	}
	kind := string(separators)
	verbatim := inSequence(append([]timed{p.verbatim(open, open+1)}, append(prompts, p.verbatim(end, end+1))...))
	switch {
	case kind == "":
		return bracket{verbatim, end + 1}
	case round && kind == ":":
		colon := p.verbatim(last-1, last)
		verbatim = inSequence([]timed{p.verbatim(open, open+1), prompts[0], colon, prompts[1], p.verbatim(end, end+1)})
		return bracket{verbatim, end + 1}
	case !round && (kind == ":" || kind == "::"):
		when, ok := p.when(p.text[last:end])
		if !ok {
			return bracket{}
		}
		if when > 0 {
			p.ends[when] = true
		}
		before, after := inSequence(prompts[:len(prompts)-2]), prompts[len(prompts)-2]
		return bracket{func(step int, out []textRange) []textRange {
			if step <= when {
				return before(step, out)
			}
			return after(step, out)
		}, end + 1}
	case !round && strings.Trim(kind, "|") == "":
		p.turns = true
		return bracket{func(step int, out []textRange) []textRange {
			return prompts[(step-1)%len(prompts)](step, out)
		}, end + 1}
	}
	return bracket{}
}
