package gallery

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// parseHashes reads such an object at the beginning of s, and tells where it ends.
func parseHashes(s string) (list []Pair, end int, err error) {
	dec := json.NewDecoder(strings.NewReader(s))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, 0, errors.New("not an object")
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, 0, err
		}
		value, err := dec.Token()
		if err != nil {
			return nil, 0, err
		}
		text, ok := value.(string)
		if !ok {
			return nil, 0, errors.New("not a text")
		}
		list = append(list, Pair{name.(string), text})
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return nil, 0, err
	}
	return list, int(dec.InputOffset()), nil
}

// ParseRecipe reads infotext as AUTOMATIC1111 does. Any text is a recipe: without
// a last line of at least three pairs, all of it is the prompt.
func ParseRecipe(text string) Recipe {
	var r Recipe
	lines := strings.Split(strings.TrimSpace(strings.ToValidUTF8(text, "\ufffd")), "\n")
	last := lines[len(lines)-1]
	if len(pairs.FindAllStringIndex(last, minPairs)) < minPairs {
		last = ""
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
	r.parseLine(last)
	return r
}

func (r *Recipe) parseLine(line string) {
	for {
		m := pairs.FindStringSubmatchIndex(line)
		if m == nil {
			return
		}
		name, value, rest := line[m[2]:m[3]], line[m[4]:m[5]], line[m[1]:]
		text := unquote(value)
		if name == hashesKey {
			quoted := text != value
			if !quoted {
				text = line[m[4]:] // an object goes on after its commas
			}
			if list, end, err := parseHashes(text); err == nil {
				r.Hashes = list
				if !quoted {
					rest = strings.TrimPrefix(line[m[4]+end:], ",")
				}
				line = rest
				continue
			}
			text = unquote(value)
		}
		r.set(name, text)
		line = rest
	}
}

// set takes over one pair of the last line. A number that is none counts as absent.
func (r *Recipe) set(key, value string) {
	number := func(to *float64) { atof(value, to) }
	size := func(w, h *int) {
		a, b, _ := strings.Cut(value, "x")
		*w, *h = atoi(a), atoi(b)
	}
	switch key {
	case exactPrompt:
		r.Prompt = value
	case exactNegative:
		r.Negative = value
	case "Steps":
		r.Steps = atoi(value)
	case "Sampler":
		r.Sampler = value
	case "Schedule type":
		r.ScheduleType = value
	case "CFG scale":
		number(&r.CFGScale)
	case "Seed":
		r.Seed = parseSeed(value)
	case "Size":
		size(&r.Width, &r.Height)
	case "Model hash":
		r.ModelHash = value
	case "Model":
		r.Model = value
	case "VAE hash":
		r.VAEHash = value
	case "VAE":
		r.VAE = value
	case "Variation seed":
		r.VariationSeed = parseSeed(value)
	case "Variation seed strength":
		number(&r.VariationStrength)
	case "Denoising strength":
		number(&r.Denoising)
	case "Mask blur":
		number(&r.MaskBlur)
	case "Clip skip":
		r.ClipSkip = atoi(value)
		r.ClipSkip = r.clipSkip()
	case "ENSD":
		r.ENSD = parseSeed(value)
	case "Emphasis":
		r.Emphasis = value
	case "Hires upscale":
		number(&r.HiresUpscale)
	case "Hires resize":
		size(&r.HiresWidth, &r.HiresHeight)
	case "Hires steps":
		r.HiresSteps = atoi(value)
	case "Hires upscaler":
		r.HiresUpscaler = value
	case "Eta", "Eta DDIM":
		number(&r.Eta)
	case "RNG":
		r.RNG = strings.ToLower(value)
	case "Lora hashes":
		r.LoraHashes = splitHashes(value)
	case "TI hashes":
		r.TextualInversionHashes = splitHashes(value)
	case "Version":
		r.Version = value
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

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}

// atof leaves what it is to set as it was where s is no number.
func atof(s string, to *float64) {
	if f, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
		*to = f + 0 // no −0
	}
}

// parseSeed reads a seed of 64 bits; the upper half of them is negative here, as
// PyTorch has it.
func parseSeed(s string) int64 {
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return int64(n)
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}
