//go:build !headless

package main

import (
	"context"
	"image"
	"math/rand/v2"
	"time"

	"latent/app/gallery"
	"latent/app/ui"
)

// fakeEngine paints noise at once, or a step each tenth of a second if many are
// asked for.
type fakeEngine struct{ frames []*image.NRGBA }

const fakeSide = 512

func newFakeEngine() *fakeEngine {
	e := &fakeEngine{}
	r := rand.New(rand.NewPCG(1, 2))
	for range 10 {
		img := image.NewNRGBA(image.Rect(0, 0, fakeSide, fakeSide))
		for i := range img.Pix {
			img.Pix[i] = uint8(r.Uint32())
			if i%4 == 3 {
				img.Pix[i] = 255
			}
		}
		e.frames = append(e.frames, img)
	}
	return e
}

func (e *fakeEngine) Models(string) []ui.Model {
	return []ui.Model{{ID: "fake", Name: "Fake", Size: fakeSide, Unit: 8, Steps: 1, Guidance: 4}}
}
func (e *fakeEngine) Library(ui.Folders) []ui.ModelFile { return nil }
func (e *fakeEngine) Extras(ui.Folders) ui.Extras       { return ui.Extras{} }
func (e *fakeEngine) Devices() []string                 { return []string{"auto"} }
func (e *fakeEngine) Samplers() []ui.Sampler            { return []ui.Sampler{{Label: "DDIM"}} }
func (e *fakeEngine) Examples() []string                { return []string{"noise"} }
func (e *fakeEngine) Features() ui.Features             { return ui.Features{} }
func (e *fakeEngine) Resumable(string) bool             { return false }
func (e *fakeEngine) Stopped(ui.Folders) []ui.TrainRequest {
	return nil
}
func (e *fakeEngine) Train(context.Context, ui.TrainRequest, func(ui.TrainProgress)) error {
	return nil
}
func (e *fakeEngine) WriteWeights() {}
func (e *fakeEngine) Checkpoints(string) (ui.TrainRequest, []ui.Checkpoint) {
	return ui.TrainRequest{}, nil
}
func (e *fakeEngine) Losses(string) []ui.Loss                                 { return nil }
func (e *fakeEngine) Export(context.Context, ui.TrainRequest) (string, error) { return "", nil }

func (e *fakeEngine) Generate(ctx context.Context, r ui.Request, progress func(ui.Progress)) (ui.Picture, error) {
	for s := 1; s < r.Steps; s++ {
		select {
		case <-ctx.Done():
			return ui.Picture{}, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
		progress(ui.Progress{Step: s, Steps: r.Steps, Preview: e.frames[s%len(e.frames)]})
	}
	// A picture of its own: the window may hold on to it.
	img := image.NewNRGBA(image.Rect(0, 0, r.Width, r.Height))
	copy(img.Pix, e.frames[int(uint64(r.Seed)%uint64(len(e.frames)))].Pix)
	return ui.Picture{Image: img, Recipe: gallery.Recipe{Prompt: r.Prompt, Steps: r.Steps, Sampler: r.Sampler, CFGScale: r.Guidance, Seed: r.Seed, Width: r.Width, Height: r.Height}}, nil
}
