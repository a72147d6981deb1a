package trainer

import (
	"context"
	"math"
	"testing"

	"latent/gpu"
	"latent/noise"
	"latent/textencoder"
	"latent/unet"
)

// ready is a run of a recipe just before its first step.
func ready(t *testing.T, c Config) (*run, *denoising) {
	t.Helper()
	r := &run{Training: &Training{Config: c}, ctx: context.Background(), dev: open(t), dtype: gpu.Float32}
	if err := r.openData(); err != nil {
		t.Fatal(err)
	}
	if err := r.openModel(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.model.Close)
	cache := &cache{ids: make([][][]int32, len(r.model.Encoders()))}
	for _, e := range r.model.Encoders() {
		cache.empty = append(cache.empty, e.Tokenizer.Encode(""))
	}
	for i := range r.data.Len() {
		s, err := r.data.Sample(i)
		if err != nil {
			t.Fatal(err)
		}
		r.encode(cache, []sample{s})
	}
	d, err := r.denoising(cache, &texts{run: r, cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	d.loop = &loop{run: r, name: "denoiser", stage: c.Denoiser}
	return r, d
}

// The loss, put together once more from the papers' equations: ᾱ of the scaled
// linear β, x_t, the target of ε or v prediction, the text as painting encodes it,
// and what SDXL is told of each picture.
func TestLossIsThatOfThePapers(t *testing.T) {
	for _, name := range bases {
		c := loraConfig(t, basePath(name))
		c.Denoiser.CaptionDrop, c.Denoiser.MinSNR, c.Denoiser.NoiseOffset = 0, 0, 0
		c.Data.Folder = t.TempDir()
		drawPictures(t, c.Data.Folder, [][2]int{{40, 36}, {64, 40}, {32, 32}})
		c.Data.Prompt = "a b" // one chunk of few tokens
		r, d := ready(t, c)
		got := d.loss(2, 0).Item()

		pictures := d.batches.at(2)
		rng := r.rand("denoiser", 2, 0)
		n := len(d.cache.latents) / d.cache.len()
		side := int(d.cache.shapes[0][0])
		var x, target, times []float32
		var told [][]float32
		for _, i := range pictures {
			step := rng.IntN(1000)
			eps, x0 := make([]float32, n), make([]float32, n)
			rng.Normal(eps)
			rng.Float64() // whether the caption is dropped
			d.cache.latent(i, x0)
			alphaBar := 1.0
			for k := range step + 1 {
				root := math.Sqrt(0.00085) + float64(k)/999*(math.Sqrt(0.012)-math.Sqrt(0.00085))
				alphaBar *= 1 - root*root
			}
			a, s := float32(math.Sqrt(alphaBar)), float32(math.Sqrt(1-alphaBar))
			for k := range x0 {
				x = append(x, a*x0[k]+s*eps[k])
				if name == "sd2" {
					target = append(target, a*eps[k]-s*x0[k])
				} else {
					target = append(target, eps[k])
				}
			}
			times = append(times, float32(step))
			// 40×36 and 64×40 are scaled to a height of 32, and 3.6 and 19.2 of the width are cut off.
			told = append(told, [][]float32{{36, 40, 0, 2, 32, 32}, {40, 64, 0, 10, 32, 32}, {32, 32, 0, 0, 32, 32}}[i])
		}
		captions := []string{"a b", "a b"}
		cond, err := r.model.Encoders().Encode(captions, textencoder.Options{Emphasis: textencoder.EmphasisNone})
		if err != nil {
			t.Fatal(err)
		}
		y := r.model.UNet.Forward(r.dev.FromFloat32(x, gpu.Float32, 2, side, side, 4), times, cond.Context, &unet.Added{Pooled: cond.Pooled, TimeIDs: told}).Float32s()
		want := 0.0
		for k := range y {
			want += float64(y[k]-target[k]) * float64(y[k]-target[k]) / float64(len(y))
		}
		if math.Abs(float64(got)/want-1) > 1e-4 {
			t.Errorf("%s: loss %g, want %g", name, got, want)
		}
	}
}

// Pictures of the class count by their weight; a weight of nearly nothing is as if
// only the others were in the batch.
func TestPriorWeight(t *testing.T) {
	c := loraConfig(t, basePath("sd1"))
	c.Denoiser.MinSNR, c.Data.ClassFolder = 0, folderOfPictures(t, 5)
	loss := func(weight float64) float64 {
		c.Data.PriorWeight = weight
		_, d := ready(t, c)
		classes := 0
		for _, i := range d.batches.at(0) {
			if d.data.Weight(i) != 1 {
				classes++
			}
		}
		if weight != 1 && classes != 1 {
			t.Fatalf("the batch has %d pictures of the class: choose another seed", classes)
		}
		return float64(d.loss(0, 0).Item())
	}
	none, half, whole := loss(1e-9), loss(0.5), loss(1)
	if none <= 0 || none >= whole || math.Abs((none+whole)/2/half-1) > 1e-5 {
		t.Errorf("losses %g, %g, %g for weights 0, ½ and 1", none, half, whole)
	}
}

func TestNoiseOffset(t *testing.T) {
	const n, c = 1 << 14, 4
	eps := make([]float32, n*c)
	offset(eps, noise.NewRand(3), 0.1, c)
	var shift [c]float32
	noise.NewRand(3).Normal(shift[:])
	for i, v := range eps {
		if math.Abs(float64(v-0.1*shift[i%c])) > 1e-6 {
			t.Fatalf("element %d is %g, want %g", i, v, 0.1*shift[i%c])
		}
	}
}

// Sample pictures are drawn with the LoRA as it is.
func TestSamplesOfALoRA(t *testing.T) {
	c := loraConfig(t, basePath("sdxl"))
	c.Samples = Samples{Every: 3, Prompts: []string{"a ramp"}, Steps: 2, Guidance: 1}
	var steps []int
	var first, last []byte
	err := Train(context.Background(), open(t), c, false, func(p Progress) {
		for _, img := range p.Samples {
			steps = append(steps, p.Step)
			pix := make([]byte, 0, 32*32*3)
			for y := range img.Bounds().Dy() {
				for x := range img.Bounds().Dx() {
					r, g, b, _ := img.At(x, y).RGBA()
					pix = append(pix, byte(r>>8), byte(g>>8), byte(b>>8))
				}
			}
			if first == nil {
				first = pix
			}
			last = pix
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(steps) != 2 || steps[0] != 3 || steps[1] != 6 || string(first) == string(last) {
		t.Errorf("samples after steps %v; they are the same: %v", steps, string(first) == string(last))
	}
}
