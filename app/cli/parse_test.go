package cli

import (
	"fmt"
	"testing"

	"latent/app/pipeline"
)

func TestParseLoRA(t *testing.T) {
	for s, want := range map[string]pipeline.LoRA{
		"fur":                  {Name: "fur", UNet: 1, Text: 1},
		"fur:0.5":              {Name: "fur", UNet: 0.5, Text: 0.5},
		"fur:0.5:-2":           {Name: "fur", UNet: -2, Text: 0.5},
		`C:\l\fur.safetensors`: {Name: `C:\l\fur.safetensors`, UNet: 1, Text: 1},
		"C:/fur:0.5":           {Name: "C:/fur", UNet: 0.5, Text: 0.5},
	} {
		if got, err := parseLoRA(s); got != want || err != nil {
			t.Errorf("%s is %+v, %v; want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{"", ":1", "fur:", "fur:x", "fur:1:2:3", "fur:NaN"} {
		if got, err := parseLoRA(s); err == nil {
			t.Errorf("%q is %+v", s, got)
		}
	}
}

func FuzzParseLoRA(f *testing.F) {
	for _, s := range []string{"fur:0.5:2", "C:/x:1", ":", "::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if l, err := parseLoRA(s); err == nil && l.Name == "" {
			t.Errorf("%q names nothing", s)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"512x768", "1X1", "0x0", "x", "-1x8", "99999999999999999999x8"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, h, err := parseSize(s)
		if err != nil {
			return
		}
		if w2, h2, err := parseSize(fmt.Sprintf("%dx%d", w, h)); w < 1 || h < 1 || w2 != w || h2 != h || err != nil {
			t.Errorf("%q is %d by %d", s, w, h)
		}
	})
}
