package textencoder

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"latent/gpu/nn/golden"
)

// compose.json holds what testdata/prompts/rules.py makes of prompts.
func TestCompose(t *testing.T) {
	var cases []struct {
		Prompt string
		Parts  [][2]any
	}
	if err := json.Unmarshal(golden.Read(t, "testdata", "prompts", "compose.json"), &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 100 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		got := Compose(c.Prompt)
		if len(got) != len(c.Parts) {
			t.Errorf("%q: %+v, want %v", c.Prompt, got, c.Parts)
			continue
		}
		for i, want := range c.Parts {
			if got[i].Text != want[0] || got[i].Weight != want[1] {
				t.Errorf("%q: part %d is %+v, want %v", c.Prompt, i, got[i], want)
			}
		}
	}
	if got := Compose("a:" + strings.Repeat("9", 400)); got[0].Weight != maxWeight {
		t.Errorf("weight %g", got[0].Weight)
	}
}

// The longest of the parts counts, networks do not.
func TestMeasureComposed(t *testing.T) {
	tok := clipTokenizer(t, PadEOS)
	u, err := tok.Measure("a <lora:x:0.5> cat AND a big red dog :0.5 AND fox", 20, Options{})
	if err != nil || u.Tokens != 4 || len(u.Ends) != 1 {
		t.Errorf("%+v %v, want 4 tokens", u, err)
	}
}

// Parts are of the prompt, in its order, with weights that can be counted with.
func FuzzCompose(f *testing.F) {
	for _, s := range promptSeeds {
		f.Add(s + " AND b:2")
	}
	f.Fuzz(func(t *testing.T, prompt string) {
		rest := prompt
		for _, p := range Compose(prompt) {
			at := strings.Index(rest, p.Text)
			if at < 0 || math.IsNaN(p.Weight) || math.Abs(p.Weight) > maxWeight {
				t.Fatalf("%q: %+v", prompt, p)
			}
			rest = rest[at+len(p.Text):]
		}
	})
}

func ExampleCompose() {
	for _, p := range Compose("a castle AND (moss:1.2) :0.5") {
		fmt.Printf("%q %g\n", p.Text, p.Weight)
	}
	// Output:
	// "a castle" 1
	// " (moss:1.2)" 0.5
}
