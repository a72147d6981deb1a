package gallery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const (
	negativePrefix = "Negative prompt:"
	// The lines of a prompt lose their outer spaces, and a line may look like the
	// beginning of the negative prompt. Prompts that would not come back as they
	// were are given once more, quoted, under these keys.
	exactPrompt   = "Exact prompt"
	exactNegative = "Exact negative prompt"

	hashesKey = "Hashes"
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
	var b strings.Builder
	// A NUL would end the PNG's text chunk.
	clean := func(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", " ") }
	b.WriteString(clean(r.Prompt))
	if r.Negative != "" {
		b.WriteString("\n" + negativePrefix + " " + clean(r.Negative))
	}
	var parts []string
	add := func(list []Pair) {
		for _, p := range list {
			if key.MatchString(p.Key) { // else it could not be read back, nor what follows it
				parts = append(parts, p.Key+": "+quote(p.Value))
			}
		}
	}
	add(r.line())
	if len(r.Hashes) > 0 {
		// Bare: Civitai looks for the object itself, up to its first closing brace.
		parts = append(parts, hashesKey+": "+hashesObject(r.Hashes))
	}
	add(exact)
	b.WriteString("\n" + strings.Join(parts, ", "))
	return b.String()
}

// ftoa writes as few digits as give f back.
func ftoa(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// line lists the pairs of the last line, in AUTOMATIC1111's order.
func (r Recipe) line() []Pair {
	number := func(f float64) string {
		if f == 0 {
			return ""
		}
		return ftoa(f)
	}
	whole := func(n int64) string {
		if n == 0 {
			return ""
		}
		return strconv.FormatInt(n, 10)
	}
	size := func(w, h int) string {
		if w == 0 && h == 0 {
			return ""
		}
		return fmt.Sprintf("%dx%d", w, h)
	}
	eta := "Eta"
	if strings.HasPrefix(r.Sampler, "DDIM") { // which has a setting of its own there
		eta = "Eta DDIM"
	}
	variation := whole(r.VariationSeed)
	if r.VariationStrength != 0 {
		variation = strconv.FormatInt(r.VariationSeed, 10)
	}
	out := []Pair{{"Steps", strconv.Itoa(r.Steps)}, {"Sampler", r.Sampler}}
	for _, p := range []Pair{
		{"Schedule type", r.ScheduleType},
		{"CFG scale", ftoa(r.CFGScale)},
		{"Seed", strconv.FormatInt(r.Seed, 10)},
		{"Size", fmt.Sprintf("%dx%d", r.Width, r.Height)},
		{"Model hash", r.ModelHash},
		{"Model", r.Model},
		{"VAE hash", r.VAEHash},
		{"VAE", r.VAE},
		{"Variation seed", variation},
		{"Variation seed strength", number(r.VariationStrength)},
		{"Denoising strength", number(r.Denoising)},
		{"Mask blur", number(r.MaskBlur)},
		{"Clip skip", whole(int64(r.clipSkip()))},
		{"ENSD", whole(r.ENSD)},
		{"Emphasis", r.Emphasis},
		{"Hires upscale", number(r.HiresUpscale)},
		{"Hires resize", size(r.HiresWidth, r.HiresHeight)},
		{"Hires steps", whole(int64(r.HiresSteps))},
		{"Hires upscaler", r.HiresUpscaler},
		{eta, number(r.Eta)},
		{"RNG", strings.ToUpper(r.RNG)},
		{"Lora hashes", joinHashes(r.LoraHashes)},
		{"TI hashes", joinHashes(r.TextualInversionHashes)},
	} {
		if p.Value != "" {
			out = append(out, p)
		}
	}
	out = append(out, r.Extra...)
	if r.Version != "" {
		out = append(out, Pair{"Version", r.Version})
	}
	return out
}

// clipSkip is 0 where the last hidden state counts, which is not written.
func (r Recipe) clipSkip() int {
	if r.ClipSkip <= 1 {
		return 0
	}
	return r.ClipSkip
}

// quote writes a value that would not come back as it stands as a JSON string.
func quote(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	plain := !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || strings.ContainsRune(`,:"`, r) })
	if plain && s == strings.TrimSpace(s) {
		return s
	}
	return toJSON(s)
}

// toJSON is s as a JSON string.
func toJSON(s string) string {
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

// joinHashes writes "name: hash, name: hash"; names lose what would divide them.
func joinHashes(list []Pair) string {
	var parts []string
	for _, p := range list {
		name := strings.Map(func(r rune) rune {
			if r == ':' || r == ',' {
				return -1
			}
			return r
		}, p.Key)
		parts = append(parts, name+": "+strings.ReplaceAll(p.Value, ",", ""))
	}
	return strings.Join(parts, ", ")
}

func splitHashes(s string) (list []Pair) {
	for part := range strings.SplitSeq(s, ",") {
		name, hash, _ := strings.Cut(part, ":")
		name, hash = strings.TrimSpace(name), strings.TrimSpace(hash)
		if name != "" || hash != "" {
			list = append(list, Pair{name, hash})
		}
	}
	return list
}

// hashesObject is a JSON object with its pairs in order.
func hashesObject(list []Pair) string {
	var parts []string
	for _, p := range list {
		s := toJSON(strings.ToValidUTF8(p.Key, "\ufffd")) + ": " + toJSON(strings.ToValidUTF8(p.Value, "\ufffd"))
		parts = append(parts, strings.NewReplacer("{", `\u007b`, "}", `\u007d`).Replace(s))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
