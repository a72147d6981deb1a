package ui

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"

	"latent/gpu/atomicfile"
)

// A style is a named prompt and settings. In its prompt, {prompt} stands for the
// one that is in the form.
type style struct {
	Prompt   string  `toml:"prompt"`
	Negative string  `toml:"negative"`
	Model    string  `toml:"model,omitempty"`
	Sampler  string  `toml:"sampler,omitempty"`
	Schedule string  `toml:"schedule,omitempty"`
	Steps    int     `toml:"steps,omitempty"`
	Guidance float64 `toml:"guidance,omitempty"`
	Size     string  `toml:"size,omitempty"`
	Cache    int     `toml:"cache_interval,omitempty"`
	VAE      string  `toml:"vae,omitempty"`
	LoRAs    []LoRA  `toml:"lora,omitempty"`
}

const promptMark = "{prompt}"

// over returns the style's prompt around another one.
func (s style) over(prompt string) string {
	if strings.Contains(s.Prompt, promptMark) {
		return strings.ReplaceAll(s.Prompt, promptMark, strings.TrimSpace(prompt))
	}
	if s.Prompt == "" {
		return prompt
	}
	return s.Prompt
}

// readStyles reads the styles file, which is empty until there are some. A file
// that makes no sense is set aside; the message says so.
func readStyles(path string) (map[string]style, string) {
	all := map[string]style{}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, ""
	}
	if err != nil {
		return all, fmt.Sprintf("the styles in %s cannot be read: %v", path, atomicfile.Reason(err))
	}
	if _, err := toml.Decode(string(data), &all); err != nil {
		return map[string]style{}, setAside(path, "the styles file", reason(err))
	}
	return all, ""
}

func formatStyles(all map[string]style) []byte {
	var b bytes.Buffer
	enc := toml.NewEncoder(&b)
	enc.Indent = ""
	if err := enc.Encode(all); err != nil {
		panic(err) // plain numbers and strings
	}
	return append(b.Bytes(), '\n')
}

func styleNames(all map[string]style) []string {
	names := make([]string, 0, len(all))
	for n := range all {
		names = append(names, n)
	}
	sort.Slice(names, func(i, j int) bool { return strings.ToLower(names[i]) < strings.ToLower(names[j]) })
	return names
}
