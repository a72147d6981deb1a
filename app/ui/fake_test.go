package ui

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"latent/app/gallery"
	"latent/textencoder"
)

// fakeEngine works without a model: it paints a sky that clears from noise, and
// learns nothing.
type fakeEngine struct {
	delay     time.Duration // of each step
	err       error         // if set, every work ends with it at its first step
	steps     atomic.Int64  // begun so far
	resumable bool
	busy      bool         // as with somebody else's work
	resumed   atomic.Int64 // step that the last picture went on from
	seen      atomic.Pointer[Request]
	extras    atomic.Pointer[Extras]
	stopped   atomic.Pointer[[]TrainRequest]
	trained   atomic.Pointer[TrainRequest]
	notes     []TrainProgress // told before the first step
	wanted    atomic.Bool     // weights
	left      atomic.Pointer[[]Checkpoint]
	losses    []Loss // of the training that can go on
}

const fakeSize = 64

func (e *fakeEngine) Models(string) []Model {
	return []Model{
		{ID: "sky", Name: "Sky", Size: fakeSize, Unit: 8, Steps: 20, Guidance: 4},
		{ID: "large-sky", Name: "Large sky", Size: 512, Unit: 8, Steps: 30, Guidance: 7.5},
	}
}
func (e *fakeEngine) Library(f Folders) []ModelFile {
	out := []ModelFile{{ID: "sky", Name: "Sky", What: "built in"}}
	entries, _ := os.ReadDir(f.Models)
	for _, d := range entries {
		if !strings.HasPrefix(d.Name(), ".") {
			out = append(out, ModelFile{Path: filepath.Join(f.Models, d.Name()), Name: d.Name(), What: "a file", Size: 3e9})
		}
	}
	return out
}
func (e *fakeEngine) Devices() []string { return []string{"auto", "host", "reference"} }
func (e *fakeEngine) Samplers() []Sampler {
	return []Sampler{{"DDIM", []string{"Automatic", "Uniform"}}, {"DDPM", nil}, {"Euler", []string{"Automatic", "Karras"}}}
}
func (e *fakeEngine) Features() Features { return Features{true, true, true, true, true, true} }
func (e *fakeEngine) Tokens(r Request) (prompt, negative textencoder.Usage, err error) {
	measure := func(s string) (u textencoder.Usage) {
		for rest := s; ; { // ten words a chunk
			words := strings.Fields(rest)
			u.Tokens, u.Room = u.Tokens+min(10, len(words)), u.Room+10
			if len(words) <= 10 {
				u.Ends = append(u.Ends, len(s))
				return u
			}
			rest = strings.Join(words[10:], " ")
			u.Ends = append(u.Ends, len(s)-len(rest))
		}
	}
	return measure(r.Prompt), measure(r.Negative), nil
}
func (e *fakeEngine) Extras(Folders) Extras { return *cmp.Or(e.extras.Load(), &Extras{}) }
func (e *fakeEngine) Examples() []string {
	return []string{"a red sun over hills at dusk", "a pale moon over the sea at night"}
}
func (e *fakeEngine) Stopped(Folders) []TrainRequest {
	return *cmp.Or(e.stopped.Load(), &[]TrainRequest{})
}
func (e *fakeEngine) Resumable(dir string) bool { return e.resumable }

// wait is one step's work.
func (e *fakeEngine) wait(ctx context.Context, step int) error {
	e.steps.Add(1)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(e.delay):
	}
	if step == 1 {
		return e.err
	}
	return nil
}

func (e *fakeEngine) Generate(ctx context.Context, r Request, progress func(Progress)) (Picture, error) {
	if e.busy {
		return Picture{}, ErrBusy
	}
	var img *image.NRGBA
	e.seen.Store(&r)
	if r.Upscale != "" {
		if err := e.wait(ctx, 1); err != nil {
			return Picture{}, err
		}
		recipe, err := gallery.Read(r.Init)
		recipe.Extra = append(recipe.Extra, gallery.Pair{Key: gallery.KeyUpscaler, Value: stemOf(r.Upscale)})
		return Picture{Image: paint(r.Prompt, r.Seed, 2*r.Width, 2*r.Height, 0), Recipe: recipe}, err
	}
	first := 1
	if data, err := os.ReadFile(r.State); err == nil {
		n, _ := strconv.Atoi(string(data))
		first = n + 1
	}
	first = min(first, r.Steps)
	e.resumed.Store(int64(first - 1))
	for s := first; s <= r.Steps; s++ {
		if err := e.wait(ctx, s); err != nil {
			return Picture{}, err
		}
		if err := os.WriteFile(r.State, fmt.Append(nil, s), 0o644); err != nil {
			return Picture{}, err
		}
		img = paint(r.Prompt, r.Seed, r.Width, r.Height, 1-float64(s)/float64(r.Steps))
		p := Progress{Step: s, Steps: r.Steps, Preview: img}
		if s == r.Steps {
			p.Preview = nil
		}
		progress(p)
	}
	return Picture{Image: img, Recipe: gallery.Recipe{
		Prompt: r.Prompt, Negative: r.Negative, Steps: r.Steps, Sampler: r.Sampler, CFGScale: r.Guidance,
		Seed: r.Seed, Width: r.Width, Height: r.Height, Model: "Sky", ScheduleType: r.Schedule, RNG: "cpu",
	}, Memory: 3e8}, nil
}

func (e *fakeEngine) Train(ctx context.Context, r TrainRequest, progress func(TrainProgress)) error {
	e.trained.Store(&r)
	start := time.Now()
	noise := rand.New(rand.NewPCG(1, 2))
	for _, n := range e.notes {
		progress(n)
	}
	first := 1
	if r.Resume {
		first += len(e.losses)
	}
	for s := first; s <= r.Steps; s++ {
		if err := e.wait(ctx, s); err != nil {
			return err
		}
		t := float64(s) / 200
		p := TrainProgress{Stage: "Training", Step: s, Steps: r.Steps, HasLoss: true,
			Loss: 0.06 + 0.6*math.Exp(-t) + 0.03*noise.NormFloat64()*math.Exp(-t/4)}
		spent := time.Since(start)
		p.Rate = float64(s*r.Batch) / spent.Seconds()
		p.Left = spent / time.Duration(s) * time.Duration(r.Steps-s)
		if r.SampleEvery > 0 && s%r.SampleEvery == 0 {
			p.Samples = []image.Image{paint(r.SamplePrompt, int64(s), fakeSize, fakeSize, math.Exp(-t)/2)}
			p.Checkpoint = r.Output
		}
		if e.wanted.CompareAndSwap(true, false) {
			p.Weights = fmt.Sprintf("%s-%06d", r.Output, s)
			if r.Rank > 0 {
				p.Weights = fmt.Sprintf("%s/%s-%06d.safetensors", r.Output, filepath.Base(r.Output), s)
			}
		}
		progress(p)
	}
	return nil
}

func (e *fakeEngine) WriteWeights() { e.wanted.Store(true) }

func (e *fakeEngine) stoppedIn(dir string) *TrainRequest {
	for _, r := range e.Stopped(Folders{}) {
		if r.Output == dir {
			return &r
		}
	}
	return nil
}

func (e *fakeEngine) Checkpoints(dir string) (TrainRequest, []Checkpoint) {
	r := *cmp.Or(e.stoppedIn(dir), e.trained.Load(), &TrainRequest{Base: "sky", Folder: "/pictures", Steps: 1000, Batch: 1, LearningRate: 1, Rank: 4})
	r.Output, r.Resume = dir, true
	return r, *cmp.Or(e.left.Load(), &[]Checkpoint{})
}

func (e *fakeEngine) Losses(string) []Loss { return e.losses }

func (e *fakeEngine) Export(_ context.Context, r TrainRequest) (string, error) {
	return r.Output + " so far", e.err
}

// paint draws a disc over hills; noise is how much of it is still unclear.
func paint(prompt string, seed int64, w, h int, noise float64) *image.NRGBA {
	r := rand.New(rand.NewPCG(uint64(seed), 7))
	night := strings.Contains(prompt, "night")
	top, low, disc, hill := color.NRGBA{38, 70, 120, 255}, color.NRGBA{240, 150, 90, 255}, color.NRGBA{250, 90, 60, 255}, color.NRGBA{40, 60, 58, 255}
	if night {
		top, low, disc, hill = color.NRGBA{10, 14, 40, 255}, color.NRGBA{40, 60, 110, 255}, color.NRGBA{245, 240, 215, 255}, color.NRGBA{12, 30, 52, 255}
	}
	cx, cy, rad := 0.3+0.4*r.Float64(), 0.3+0.2*r.Float64(), 0.12+0.08*r.Float64()
	phase := 6 * r.Float64()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			u, v := (float64(x)+0.5)/float64(w), (float64(y)+0.5)/float64(h)
			c := mix(top, low, v*1.3)
			d := math.Hypot(u-cx, (v-cy)*float64(h)/float64(w))
			c = mix(c, disc, (rad-d)*float64(w))
			edge := 0.68 + 0.07*math.Sin(5*u+phase) + 0.03*math.Sin(13*u)
			c = mix(c, hill, (v-edge)*float64(h))
			if noise > 0 {
				c = mix(c, color.NRGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255}, noise)
			}
			img.SetNRGBA(x, y, c)
		}
	}
	return img
}

// mix goes from a to b as t goes from 0 to 1.
func mix(a, b color.NRGBA, t float64) color.NRGBA {
	t = min(max(t, 0), 1)
	m := func(a, b uint8) uint8 { return uint8(float64(a) + t*(float64(b)-float64(a)) + 0.5) }
	return color.NRGBA{m(a.R, b.R), m(a.G, b.G), m(a.B, b.B), 255}
}
