package textencoder

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"latent/gpu/nn/golden"
)

// The examples that AUTOMATIC1111's parser documents itself with, and BREAK.
func TestParsePrompt(t *testing.T) {
	for _, c := range []struct {
		prompt string
		want   []Part
	}{
		{"normal text", []Part{{Text: "normal text", Weight: 1}}},
		{"an (important) word", []Part{{Text: "an ", Weight: 1}, {Text: "important", Weight: 1.1}, {Text: " word", Weight: 1}}},
		{"(unbalanced", []Part{{Text: "unbalanced", Weight: 1.1}}},
		{`\(literal\]`, []Part{{Text: "(literal]", Weight: 1}}},
		{"(unnecessary)(parens)", []Part{{Text: "unnecessaryparens", Weight: 1.1}}},
		{"a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).", []Part{
			{Text: "a ", Weight: 1}, {Text: "house", Weight: 1.5730000000000004}, {Text: " ", Weight: 1.1}, {Text: "on", Weight: 1},
			{Text: " a ", Weight: 1.1}, {Text: "hill", Weight: 0.55}, {Text: ", sun, ", Weight: 1.1},
			{Text: "sky", Weight: 1.4641000000000006}, {Text: ".", Weight: 1.1}}},
		{"", []Part{{Text: "", Weight: 1}}},
		{"a: b:1.2)", []Part{{Text: "a: b:1.2)", Weight: 1}}},
		{"(a: 1.2 )", []Part{{Text: "a", Weight: 1.2}}},
		{"(a:1.2.3)", []Part{{Text: "a:1.2.3", Weight: 1.1}}},
		{"a  BREAK\n b", []Part{{Text: "a", Weight: 1}, {Text: "BREAK", Weight: -1}, {Text: "b", Weight: 1}}},
		{"éBREAK BREAK_", []Part{{Text: "éBREAK BREAK_", Weight: 1}}},
		{"(a BREAK b)", []Part{{Text: "a", Weight: 1.1}, {Text: "BREAK", Weight: -1.1}, {Text: "b", Weight: 1.1}}},
		{"(a:" + strings.Repeat("9", 400) + ")", []Part{{Text: "a", Weight: maxWeight}}},
	} {
		got := ParsePrompt(c.prompt)
		for i := range got {
			got[i].src = traced{}
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q\n got %+v\nwant %+v", c.prompt, got, c.want)
		}
	}
}

// chunks.json holds what testdata/prompts/rules.py makes of prompts.
func TestChunks(t *testing.T) {
	var file struct {
		Vectors map[string]int
		Cases   []struct {
			Prompt, Pad, Emphasis string
			Learned               bool
			Chunks                []struct {
				IDs     []int32
				Weights map[int]float32
			}
		}
	}
	if err := json.Unmarshal(golden.Read(t, "testdata", "prompts", "chunks.json"), &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 200 {
		t.Fatalf("%d cases", len(file.Cases))
	}
	// In the golden, learned vectors have these ids.
	ids := map[string]int32{"EasyNegative": -1, "bad-hands-5": -2, "red green": -3, "red green blue": -4}
	var embeddings []*Embedding
	for name, n := range file.Vectors {
		embeddings = append(embeddings, &Embedding{Name: name, Tokens: n, Vectors: [][]float32{make([]float32, n)}})
	}
	tokenizers := map[string]*Tokenizer{string(PadEOS): clipTokenizer(t, PadEOS), string(PadZero): clipTokenizer(t, PadZero)}
	for _, c := range file.Cases {
		opts := Options{Emphasis: Emphasis(c.Emphasis)}
		if c.Learned {
			opts.Embeddings = embeddings
		}
		got, err := tokenizers[c.Pad].Chunks(c.Prompt, opts)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(c.Chunks) {
			t.Errorf("%.90q (%s): %d chunks, want %d", c.Prompt, c.Emphasis, len(got), len(c.Chunks))
			continue
		}
		for i, want := range c.Chunks {
			for len(want.IDs) < 77 { // what repeats at the end is written once
				want.IDs = append(want.IDs, want.IDs[len(want.IDs)-1])
			}
			for _, l := range got[i].Learned {
				for k := range l.Embedding.Tokens {
					got[i].IDs[l.At+1+k] = ids[l.Embedding.Name]
				}
			}
			if !slices.Equal(got[i].IDs, want.IDs) {
				t.Errorf("%.90q (%s): chunk %d\n got %v\nwant %v", c.Prompt, c.Emphasis, i, got[i].IDs, want.IDs)
			}
			for j, w := range got[i].Weights {
				if x, ok := want.Weights[j]; ok && x != w || !ok && w != 1 {
					t.Errorf("%.90q (%s): chunk %d: weight %d is %v, want %v", c.Prompt, c.Emphasis, i, j, w, x)
				}
			}
		}
	}
}

func TestMeasure(t *testing.T) {
	tok := clipTokenizer(t, PadEOS)
	seventy := strings.TrimSpace(strings.Repeat("red ", 70))
	for _, c := range []struct {
		prompt string
		tokens int
		ends   []int
	}{
		{"", 0, []int{0}},
		{"a cat", 2, []int{5}},
		{"(a:1.3) cat", 2, []int{11}},
		{seventy + ", blue blue blue blue blue", 75 + 5, []int{280, 305}},
		{"(" + seventy + "), blue blue (blue:1.2) blue blue blue blue", 75 + 7, []int{282, 323}},
		{"a BREAK b", 75 + 1, []int{1, 9}},
		{"a BREAK", 75, []int{7}},
		{"<lora:x:0.5>a cat<lora:y>", 2, []int{25}},
		{"a [cat:big dog:5]", 3, []int{17}},
	} {
		u, err := tok.Measure(c.prompt, 20, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if u.Tokens != c.tokens || !slices.Equal(u.Ends, c.ends) {
			t.Errorf("%.60q: %d tokens, ends %v; want %d, %v", c.prompt, u.Tokens, u.Ends, c.tokens, c.ends)
		}
		if u.Room != 75*len(u.Ends) {
			t.Errorf("%.60q: room for %d in %d chunks", c.prompt, u.Room, len(u.Ends))
		}
	}
	// Where a chunk ends, so do the tokens of the text before: with the comma that
	// the next chunk's text follows.
	prompt := strings.Repeat("red ", 65) + "Café, 猫 " + strings.Repeat("🎨 ", 9)
	u, err := tok.Measure(prompt, 20, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Index(prompt, ",") + 1; u.Ends[0] != want {
		t.Errorf("the first chunk ends at %d, want %d", u.Ends[0], want)
	}
}

func ExampleTokenizer_Measure() {
	v, _ := BuildVocabulary([]string{"a", "red", "cat", "on", "blue", "sofa"}, 8)
	tok, _ := v.Tokenizer()
	u, _ := tok.Measure("a (red:1.2) cat on a blue sofa", 20, Options{})
	fmt.Printf("%d/%d %v\n", u.Tokens, u.Room, u.Ends)
	// Output: 7/12 [25 30]
}

func TestNetworks(t *testing.T) {
	for _, c := range []struct {
		prompt, clean string
		nets          []Network
	}{
		{"a cat", "a cat", nil},
		{"a <lora:cat> b", "a  b", []Network{{"lora", "cat", 1, 1, 0}}},
		{"<lora:my cat_v1.0:0.8>", "", []Network{{"lora", "my cat_v1.0", 0.8, 0.8, 0}}},
		{"<lora:a:.5:1><lyco:b:1:2:64>,<hypernet:c:-1>", ",", []Network{{"lora", "a", 0.5, 1, 0}, {"lora", "b", 1, 2, 64}, {"hypernet", "c", -1, -1, 0}}},
		{"<lora:a:unet=0.3:te=0.6:dyn=8>", "", []Network{{"lora", "a", 0.6, 0.3, 8}}},
		{"<lora:a:0.5:te=1>", "", []Network{{"lora", "a", 1, 1, 0}}},
		{"<lora> <:a> < lora:a> <猫:犬>", "<lora> <:a> < lora:a> ", []Network{{"猫", "犬", 1, 1, 0}}},
		{"a <b [c:d:5]> <lora:e", "a <b [c:d:5]> <lora:e", nil},
	} {
		clean, nets, err := ExtractNetworks(c.prompt)
		if err != nil || clean != c.clean || !slices.Equal(nets, c.nets) {
			t.Errorf("%q: %q %+v %v", c.prompt, clean, nets, err)
		}
	}
	for prompt, want := range map[string]string{
		"a <lora:b:x>":       `prompt: <lora:b:x>: "x" is no strength: write a number such as 0.8`,
		"<lora:b:NaN>":       `prompt: <lora:b:NaN>: "NaN" is no strength: write a number such as 0.8`,
		"<lora:b:1:1e999>":   `prompt: <lora:b:1:1e999>: "1e999" is no strength: write a number such as 0.8`,
		"<lora:b:1:1:0>":     `prompt: <lora:b:1:1:0>: "0" is no rank: write a whole number such as 8`,
		"<lora::1>":          `prompt: <lora::1>: no name is given`,
		"<lora:te=1:unet=1>": `prompt: <lora:te=1:unet=1>: no name is given`,
	} {
		if _, _, err := ExtractNetworks(prompt); err == nil || err.Error() != want {
			t.Errorf("%q\n got %v\nwant %s", prompt, err, want)
		}
	}
}

var promptSeeds = []string{
	"", "a (cat:1.3), [dog] \\(x\\)", "((((a) BREAK b:.5)", "[a:b:3] [c|d|] [e::.5]", "<lora:a:0.5> x", "(a:1e9)(b:-0)", ":1.2)]])", "\\", "[[[|:|]:3]",
	"İ é (\xff:2)", "<|endoftext|> !", "banana, banana (banana:2)", "(:99999999999999999999999999999999999999)",
}

// Any prompt gives chunks of the right size with finite weights, whose ends go
// forward to the prompt's end.
func FuzzPrompt(f *testing.F) {
	for _, s := range promptSeeds {
		f.Add(s, uint8(0))
	}
	tok := load(f, "sd2")
	embeddings := []*Embedding{{Name: "banana", Tokens: 3}, {Name: "banana an", Tokens: 1}, {Name: ",", Tokens: 2}}
	f.Fuzz(func(t *testing.T, prompt string, length uint8) {
		tok := *tok
		tok.MaxLength = 5 + int(length)%73
		for _, e := range []Emphasis{EmphasisOriginal, EmphasisNone} {
			opts := Options{Emphasis: e, Embeddings: embeddings}
			chunks, err := tok.Chunks(prompt, opts)
			if err != nil {
				t.Fatal(err)
			}
			at := 0
			for _, c := range chunks {
				if len(c.IDs) != tok.MaxLength || len(c.Weights) != tok.MaxLength || c.IDs[0] != tok.BOS || !slices.Contains(c.IDs, tok.EOS) || c.End < at {
					t.Fatalf("%q: %+v", prompt, c)
				}
				at = c.End
				for _, w := range c.Weights {
					if math.Abs(float64(w)) > maxWeight {
						t.Fatalf("%q: weight %v", prompt, w)
					}
				}
				for _, l := range c.Learned {
					if l.At < 0 || l.At+l.Embedding.Tokens > tok.MaxLength-2 || c.IDs[l.At+1] != 0 {
						t.Fatalf("%q: %+v", prompt, c)
					}
				}
			}
			if want := len(valid(prompt)); at != want {
				t.Fatalf("%q: the last chunk ends at %d, want %d", prompt, at, want)
			}
			u, err := tok.Measure(prompt, 3, opts)
			if err != nil || u.Tokens > u.Room || !slices.IsSorted(u.Ends) || u.Ends[len(u.Ends)-1] != at {
				t.Fatalf("%q: %+v %v", prompt, u, err)
			}
			for _, end := range u.Ends {
				if end < len(prompt) && utf8.ValidString(prompt) && !utf8.RuneStart(prompt[end]) {
					t.Fatalf("%q: %v", prompt, u.Ends)
				}
			}
		}
	})
}

func FuzzNetworks(f *testing.F) {
	for _, s := range promptSeeds {
		f.Add(s)
	}
	f.Add("<lora:a:te=1:unet=2:dyn=3><x:y=z=w>")
	f.Fuzz(func(t *testing.T, prompt string) {
		clean, nets, err := ExtractNetworks(prompt)
		if err != nil {
			return
		}
		if len(nets) == 0 && clean != prompt {
			t.Fatalf("%q became %q", prompt, clean)
		}
		for _, n := range nets {
			if n.Name == "" || n.Kind == "" || n.Text-n.Text != 0 || n.UNet-n.UNet != 0 || n.Rank < 0 {
				t.Fatalf("%q: %+v", prompt, n)
			}
		}
	})
}

func TestChunksErrors(t *testing.T) {
	tok := load(t, "sd1")
	small := *tok
	small.MaxLength = 4
	if _, err := small.Chunks("a banana", Options{Embeddings: []*Embedding{{Name: "banana", Tokens: 3}}}); err == nil ||
		err.Error() != `prompt: embedding "banana" takes 3 tokens, a chunk has room for 2` {
		t.Error(err)
	}
	small.MaxLength = 2
	if _, err := small.Chunks("a", Options{}); err == nil || err.Error() != "prompt: the tokenizer reads 2 tokens, too few for any text" {
		t.Error(err)
	}
}
