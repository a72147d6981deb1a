package textencoder

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
)

// promptEncoders loads the small encoders of testdata/prompts by their letters.
func promptEncoders(t *testing.T, dev *gpu.Device, dtype gpu.DType, letters string) Encoders {
	t.Helper()
	var models []*Model
	var tokenizers []*Tokenizer
	for _, letter := range strings.Split(letters, "") {
		cfg, err := ParseConfig(golden.Read(t, "testdata", "prompts", letter, "config.json"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := nn.Load(m, dev, dtype, nn.Renamed(golden.Open(t, "testdata", "prompts", letter, "model.safetensors"), Rename)); err != nil {
			t.Fatal(err)
		}
		tok := load(t, map[string]string{"l": "sd1", "h": "sd2", "g": "sd2"}[letter])
		tok.MaxLength = cfg.MaxPositionEmbeddings
		models, tokenizers = append(models, m), append(tokenizers, tok)
	}
	switch letters {
	case "l":
		return ForSD1(models[0], tokenizers[0])
	case "h":
		return ForSD2(models[0], tokenizers[0])
	}
	return ForSDXL(models[0], tokenizers[0], models[1], tokenizers[1])
}

// learnedSource shows the embedding called name in encoded.safetensors as a file of
// its own, for the encoders of letters.
type learnedSource struct {
	*golden.File
	name, letters string
}

func (s learnedSource) Names() []string {
	if s.letters == "l" {
		return []string{"embedding." + s.name + ".clip_l"}
	}
	return []string{"clip_g", "clip_l"}
}

func (s learnedSource) Get(key string) (v view, ok bool) {
	if strings.HasPrefix(key, "clip_") {
		key = "embedding." + s.name + "." + key
	}
	return s.File.Get(key)
}

type encodedCase struct {
	Models   string
	Prompts  []string
	Emphasis Emphasis
	Learned  bool
}

func encodedCases(t *testing.T) map[string]encodedCase {
	t.Helper()
	var cases map[string]encodedCase
	if err := json.Unmarshal(golden.Read(t, "testdata", "prompts", "encoded.json"), &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 17 {
		t.Fatalf("%d cases", len(cases))
	}
	return cases
}

func (c encodedCase) options(t *testing.T, f *golden.File, name string) Options {
	t.Helper()
	opts := Options{Emphasis: c.Emphasis}
	if rest, ok := strings.CutPrefix(name, "sd1_skip"); ok {
		opts.ClipSkip = int(rest[0] - '0')
	}
	for _, e := range []string{"banana", "red anchor"} {
		if !c.Learned {
			break
		}
		learned, err := ReadEmbedding(e, learnedSource{f, e, c.Models})
		if err != nil {
			t.Fatal(err)
		}
		opts.Embeddings = append(opts.Embeddings, learned)
	}
	return opts
}

// Against transformers' models with the rules written out in rules.py, and against
// diffusers where it has them.
func TestEncodeEqualsTransformers(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		f := golden.Open(t, "testdata", "prompts", "encoded.safetensors")
		for name, c := range encodedCases(t) {
			t.Run(name, func(t *testing.T) {
				encoders := promptEncoders(t, dev, gpu.Float32, c.Models)
				opts := c.options(t, f, name)
				cond, err := encoders.Encode(c.Prompts, opts)
				if err != nil {
					t.Fatal(err)
				}
				_, shape := f.Float32s(name)
				if !slices.Equal(cond.Context.Shape(), shape) {
					t.Fatalf("shape %v, want %v", cond.Context.Shape(), shape)
				}
				f.Close(name, cond.Context, 1e-5)
				if f.Has(name+".pooled") != (cond.Pooled != nil) {
					t.Fatal("pooled vectors where there are none, or none where there are")
				}
				if cond.Pooled != nil {
					f.Close(name+".pooled", cond.Pooled, 1e-5)
				}
				if c.Models != "l" { // clip skip is for SD 1.x
					opts.ClipSkip = 3
					if cond, err = encoders.Encode(c.Prompts, opts); err != nil {
						t.Fatal(err)
					}
					f.Close(name, cond.Context, 1e-5)
				}
			})
		}
	})
}

// A prompt's rows do not depend on what stands beside it in the batch, but for
// the chunks of an empty prompt behind it.
func TestEncodeBatches(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		e := promptEncoders(t, dev, gpu.Float32, "lg")
		long := "a photo of a cat, highly (detailed:1.2), sitting on the red sofa, they'll"
		both, err := e.Encode([]string{"red", long}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		short, err := e.Encode([]string{"red"}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		empty, err := e.Encode([]string{""}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		l, k := short.Context.Dim(1), both.Context.Dim(1)/short.Context.Dim(1)
		if k < 2 {
			t.Fatal("the long prompt is short")
		}
		got := gpu.Reshape(both.Context, 2*k, l, both.Context.Dim(2))
		near(t, gpu.Rows(got, 0, 1), short.Context, 1e-5)
		for i := 1; i < k; i++ {
			near(t, gpu.Rows(got, i, i+1), empty.Context, 1e-5)
		}
		near(t, gpu.Rows(both.Pooled, 0, 1), short.Pooled, 1e-5)

		zero := both.Zero(0)
		for _, x := range []*gpu.Tensor{zero.Context, zero.Pooled} {
			if slices.ContainsFunc(gpu.Rows(x, 0, 1).Float32s(), func(v float32) bool { return v != 0 }) {
				t.Error("the prompt is not zero")
			}
		}
		near(t, gpu.Rows(zero.Context, 1, 2), gpu.Rows(both.Context, 1, 2), 0)
		near(t, both.Zero(1).Pooled, gpu.Stack(short.Pooled, gpu.Scale(0, short.Pooled)), 1e-5)
	})
}

// In bf16 the weights act on float32, so that Original restores the mean as well
// as the result's own rounding lets it.
func TestEncodeBF16(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		f := golden.Open(t, "testdata", "prompts", "encoded.safetensors")
		cond, err := promptEncoders(t, dev, gpu.BFloat16, "lg").Encode(encodedCases(t)["sdxl_nonorm"].Prompts, Options{Emphasis: EmphasisNoNorm})
		if err != nil {
			t.Fatal(err)
		}
		if cond.Context.DType() != gpu.BFloat16 || cond.Pooled.DType() != gpu.BFloat16 {
			t.Errorf("%v, %v", cond.Context, cond.Pooled)
		}
		f.Close("sdxl_nonorm", cond.Context, 0.03) // 8 bits, rounded after each of the layers
		f.Close("sdxl_nonorm.pooled", cond.Pooled, 0.03)
	})
}

func near(t *testing.T, got, want *gpu.Tensor, tol float64) {
	t.Helper()
	a, b := got.Float32s(), want.Float32s()
	if len(a) != len(b) {
		t.Fatalf("%v, want %v", got, want)
	}
	for i := range a {
		if d := math.Abs(float64(a[i] - b[i])); !(d <= tol*(1+math.Abs(float64(b[i])))) {
			t.Fatalf("element %d is %v, want %v", i, a[i], b[i])
		}
	}
}

// The mean of a chunk is what it was; a mean of zero leaves the products alone.
func TestReweight(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		chunks := []Chunk{{Weights: []float32{1, 2}}, {Weights: []float32{1, 1}}, {Weights: []float32{1, -1}}}
		z := dev.FromFloat32([]float32{1, 2, 3, 4, 5, 6, 7, 8, 1, 3, 2, 2}, gpu.Float32, 3, 2, 2)
		for emphasis, want := range map[Emphasis][]float32{
			EmphasisNoNorm:   {1, 2, 6, 8, 5, 6, 7, 8, 1, 3, -2, -2},
			EmphasisOriginal: {10. / 17, 20. / 17, 60. / 17, 80. / 17, 5, 6, 7, 8, 1, 3, -2, -2},
		} {
			near(t, reweight(z, chunks, emphasis), dev.FromFloat32(want, gpu.Float32, 3, 2, 2), 1e-6)
		}
		if got := reweight(z, chunks[1:2], EmphasisOriginal); got != z {
			t.Error("a chunk without weights was copied")
		}
	})
}

func TestEncodeErrors(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		sd1, sdxl := promptEncoders(t, dev, gpu.Float32, "l"), promptEncoders(t, dev, gpu.Float32, "lg")
		single := &Embedding{Name: "x", Tokens: 1, Vectors: [][]float32{make([]float32, 8)}}
		wide := &Embedding{Name: "x", Tokens: 2, Vectors: [][]float32{make([]float32, 2*1024)}}
		for _, c := range []struct {
			encoders Encoders
			prompts  []string
			opts     Options
			want     string
		}{
			{sd1, nil, Options{}, "prompt: nothing to encode"},
			{nil, []string{""}, Options{}, "prompt: nothing to encode"},
			{sd1, []string{""}, Options{ClipSkip: 4}, "prompt: clip skip is 4, the text encoder has 3 layers"},
			{sd1, []string{"x"}, Options{Embeddings: []*Embedding{wide}}, `embedding "x" is made for text encoders 1024 wide (SD 2.x), this model's are 8 wide`},
			{sdxl, []string{"y", "x"}, Options{Embeddings: []*Embedding{single}}, `embedding "x" is made for text encoders 8 wide, this model's are 8 and 12 wide`},
		} {
			if _, err := c.encoders.Encode(c.prompts, c.opts); err == nil || err.Error() != c.want {
				t.Errorf("%q\ngot  %v\nwant %s", c.prompts, err, c.want)
			}
		}
		// Those that the prompts do not name do no harm.
		if _, err := sdxl.Encode([]string{"y"}, Options{Embeddings: []*Embedding{single, wide}}); err != nil {
			t.Error(err)
		}
	})
}

func TestInsertionsRefuseWhatDoesNotFit(t *testing.T) {
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		m := promptEncoders(t, dev, gpu.Float32, "l")[0].Model
		ids := [][]int32{{592, 1, 593}, {592, 2, 593}}
		vectors := func(n, d int) *gpu.Tensor { return dev.Full(1, gpu.Float32, n, d) }
		for _, c := range []struct {
			in   []Insertion
			want string
		}{
			{[]Insertion{{0, 0, vectors(3, 8)}, {1, 0, vectors(3, 8)}}, ""},
			{[]Insertion{{0, 1, vectors(1, 9)}}, "text encoder: vectors f32[1 9] in place of tokens 8 wide"},
			{[]Insertion{{0, 2, vectors(2, 8)}}, "text encoder: 2 vectors at 2 of row 0 do not fit"},
			{[]Insertion{{2, 0, vectors(1, 8)}}, "text encoder: 1 vectors at 0 of row 2 do not fit"},
			{[]Insertion{{0, 1, vectors(2, 8)}, {0, 2, vectors(1, 8)}}, "text encoder: 1 vectors at 2 of row 0 do not fit"},
		} {
			var err error
			func() {
				defer gpu.Catch(&err)
				m.ForwardWith(ids, c.in)
			}()
			if err == nil && c.want != "" || err != nil && err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		}
	})
}
