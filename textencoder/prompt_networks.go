package textencoder

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// A Network is what a prompt says of an extra network, such as <lora:name:0.8>.
type Network struct {
	Kind string // "lora" (also written lyco), "hypernet", or any other word
	Name string
	Text float64 // strength in the text encoder; 1 where the prompt says nothing
	UNet float64 // strength in the U-Net; that of Text where the prompt says nothing
	Rank int     // how many ranks of it to use; 0 is all
}

var networkPattern = regexp.MustCompile(`<([\pL\pN_]+):([^>]+)>`)

// ExtractNetworks takes the extra networks out of a prompt, in their order:
// <kind:name>, <kind:name:both>, <kind:name:text:unet:rank>, or with named values
// <kind:name:te=0.5:unet=0.7:dyn=8>. The rest of the prompt is left as it was.
func ExtractNetworks(prompt string) (clean string, nets []Network, err error) {
	for _, m := range networkPattern.FindAllStringSubmatch(prompt, -1) {
		n, err := parseNetwork(m[1], m[2])
		if err != nil {
			return "", nil, fmt.Errorf("prompt: %s: %w", m[0], err)
		}
		nets = append(nets, n)
	}
	return withoutNetworks(trace(prompt)).text, nets, nil
}

// withoutNetworks is the rest of a prompt.
func withoutNetworks(prompt traced) traced {
	var rest []traced
	start := 0
	for _, m := range networkPattern.FindAllStringIndex(prompt.text, -1) {
		rest = append(rest, prompt.slice(start, m[0]))
		start = m[1]
	}
	return join(append(rest, prompt.slice(start, len(prompt.text)))...)
}

func parseNetwork(kind, arguments string) (Network, error) {
	if kind == "lyco" {
		kind = "lora"
	}
	var positional []string
	named := make(map[string]string)
	for item := range strings.SplitSeq(arguments, ":") {
		if key, value, ok := strings.Cut(item, "="); ok && !strings.Contains(value, "=") {
			named[key] = value
		} else {
			positional = append(positional, item)
		}
	}
	n := Network{Kind: kind, Text: 1}
	if len(positional) == 0 || positional[0] == "" {
		return n, fmt.Errorf("no name is given")
	}
	n.Name = positional[0]
	value := func(at int, key string) (string, bool) {
		if v, ok := named[key]; ok {
			return v, true
		}
		if at < len(positional) {
			return positional[at], true
		}
		return "", false
	}
	strength := func(to *float64, at int, key string) error {
		s, ok := value(at, key)
		if !ok {
			return nil
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%q is no strength: write a number such as 0.8", s)
		}
		*to = v
		return nil
	}
	if err := strength(&n.Text, 1, "te"); err != nil {
		return n, err
	}
	n.UNet = n.Text
	if err := strength(&n.UNet, 2, "unet"); err != nil {
		return n, err
	}
	if s, ok := value(3, "dyn"); ok {
		rank, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || rank < 1 {
			return n, fmt.Errorf("%q is no rank: write a whole number such as 8", s)
		}
		n.Rank = rank
	}
	return n, nil
}
