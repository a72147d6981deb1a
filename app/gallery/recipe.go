package gallery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// A Recipe is all that made a picture. As text it is AUTOMATIC1111's infotext:
//
//	a red cat, sleeping
//	Negative prompt: blurry
//	Steps: 20, Sampler: DDIM, CFG scale: 7.5, Seed: 42, Size: 512x512, Model: name
type Recipe struct {
	Prompt, Negative string
	Steps            int
	Sampler          string // "DDIM", "Euler a", …
	ScheduleType     string // "Karras", …; empty is not written
	CFGScale         float64
	Seed             int64
	Width, Height    int // pixels
	ModelHash, Model string
	RNG              string  // "cpu", "nv"; where it is missing, other programs mean "gpu"
	Eta              float64 // 0 is not written
	Extra            []Pair  // whatever else stands in the last line, in its order
}

// A Pair is one more key and value of a Recipe's last line. A key is two or more
// letters, digits, spaces, - or /, beginning with a letter or digit.
type Pair struct{ Key, Value string }

const (
	negativePrefix = "Negative prompt:"
	// The lines of a prompt lose their outer spaces, and a line may look like the
	// beginning of the negative prompt. Prompts that would not come back as they
	// were are given once more, quoted, under these keys.
	exactPrompt   = "Exact prompt"
	exactNegative = "Exact negative prompt"
)

var (
	// pairs is AUTOMATIC1111's own pattern, with Python's \w spelt out.
	pairs = regexp.MustCompile(`\s*([\p{L}\p{N}_][\p{L}\p{N}_ \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)`)
	key   = regexp.MustCompile(`^[\p{L}\p{N}_][\p{L}\p{N}_ \-/]+$`)
)

// minPairs is how many pairs make a line the last one.
const minPairs = 3

// String returns the recipe as infotext. ParseRecipe gives back the same recipe,
// if its texts are UTF-8.
func (r Recipe) String() string {
	text := r.infotext(nil)
	var exact []Pair
	back := ParseRecipe(text)
	if back.Prompt != r.Prompt {
		exact = append(exact, Pair{exactPrompt, r.Prompt})
	}
	if back.Negative != r.Negative {
		exact = append(exact, Pair{exactNegative, r.Negative})
	}
	if exact == nil {
		return text
	}
	return r.infotext(exact)
}

func (r Recipe) infotext(exact []Pair) string {
	number := func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
	line := []Pair{{"Steps", strconv.Itoa(r.Steps)}, {"Sampler", r.Sampler}}
	optional := func(key, value string) {
		if value != "" {
			line = append(line, Pair{key, value})
		}
	}
	optional("Schedule type", r.ScheduleType)
	line = append(line,
		Pair{"CFG scale", number(r.CFGScale)},
		Pair{"Seed", strconv.FormatInt(r.Seed, 10)},
		Pair{"Size", fmt.Sprintf("%dx%d", r.Width, r.Height)})
	optional("Model hash", r.ModelHash)
	optional("Model", r.Model)
	if r.Eta != 0 {
		name := "Eta"
		if strings.HasPrefix(r.Sampler, "DDIM") { // which has a setting of its own there
			name = "Eta DDIM"
		}
		optional(name, number(r.Eta))
	}
	optional("RNG", strings.ToUpper(r.RNG))

	var b strings.Builder
	// A NUL would end the PNG's text chunk.
	clean := func(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", " ") }
	b.WriteString(clean(r.Prompt))
	if r.Negative != "" {
		b.WriteString("\n" + negativePrefix + " " + clean(r.Negative))
	}
	b.WriteString("\n")
	for i, p := range append(append(line, r.Extra...), exact...) {
		if !key.MatchString(p.Key) {
			continue // it could not be read back, nor what follows it
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Key + ": " + quote(p.Value))
	}
	return b.String()
}

// quote writes a value that would not come back as it stands as a JSON string.
func quote(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	plain := !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || strings.ContainsRune(`,:"`, r) })
	if plain && s == strings.TrimSpace(s) {
		return s
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(s) // a string into memory: it cannot fail
	return strings.TrimSuffix(b.String(), "\n")
}

func unquote(s string) string {
	var text string
	if strings.HasPrefix(s, `"`) && json.Unmarshal([]byte(s), &text) == nil {
		return text
	}
	return s
}

// ParseRecipe reads infotext as AUTOMATIC1111 does. Any text is a recipe: without
// a last line of at least three pairs, all of it is the prompt.
func ParseRecipe(text string) Recipe {
	var r Recipe
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(text, "\ufffd")), "\n")
	last := pairs.FindAllStringSubmatch(lines[len(lines)-1], -1)
	if len(last) < minPairs {
		last = nil
	} else {
		lines = lines[:len(lines)-1]
	}
	to := &r.Prompt
	for _, line := range lines {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, negativePrefix); ok {
			to, line = &r.Negative, strings.TrimSpace(rest)
		}
		if *to != "" {
			*to += "\n"
		}
		*to += line
	}
	for _, m := range last {
		r.set(m[1], unquote(m[2]))
	}
	return r
}

// set takes over one pair of the last line. A number that is none counts as absent.
func (r *Recipe) set(key, value string) {
	number := func(to *float64) {
		if f, err := strconv.ParseFloat(value, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
			*to = f
		}
	}
	switch key {
	case exactPrompt:
		r.Prompt = value
	case exactNegative:
		r.Negative = value
	case "Steps":
		r.Steps, _ = strconv.Atoi(value)
	case "Sampler":
		r.Sampler = value
	case "Schedule type":
		r.ScheduleType = value
	case "CFG scale":
		number(&r.CFGScale)
	case "Seed":
		r.Seed, _ = strconv.ParseInt(value, 10, 64)
	case "Size":
		w, h, _ := strings.Cut(value, "x")
		r.Width, _ = strconv.Atoi(w)
		r.Height, _ = strconv.Atoi(h)
	case "Model hash":
		r.ModelHash = value
	case "Model":
		r.Model = value
	case "Eta", "Eta DDIM":
		number(&r.Eta)
	case "RNG":
		r.RNG = strings.ToLower(value)
	default:
		for i := range r.Extra {
			if r.Extra[i].Key == key {
				r.Extra[i].Value = value
				return
			}
		}
		r.Extra = append(r.Extra, Pair{key, value})
	}
}
