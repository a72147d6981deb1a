package pipeline

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latent/app/library"
	"latent/assets"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/noise"
	"latent/textencoder"
)

// tinyModel writes a small model with random weights and returns its folder.
func tinyModel(t *testing.T, seed uint64) string {
	t.Helper()
	dir := t.TempDir()
	writeTinyModel(t, dir, seed)
	return dir
}

func writeTinyModel(t *testing.T, dir string, seed uint64) {
	t.Helper()
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	skeleton := os.DirFS("../trainer/testdata/skeleton")
	length, err := library.TextLength(skeleton)
	if err != nil {
		t.Fatal(err)
	}
	vocab, err := textencoder.BuildVocabulary([]string{"a", "red", "fox", "blue", "sky", ","}, length)
	if err != nil {
		t.Fatal(err)
	}
	m, err := library.Skeleton(skeleton, dev, gpu.Float32, vocab)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i, part := range []any{m.Text, m.UNet, m.VAE} {
		if err := nn.Init(part, dev, gpu.Float32, noise.NewRand(seed+uint64(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := library.Save(dir, m, "F32", nil); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T) *Engine {
	t.Helper()
	e, err := Start("reference", "f32")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func request() Request {
	return Request{Prompt: "a red fox", Negative: "blue sky", Steps: 3, Guidance: 4, Seed: 7, Width: 32, Height: 16, Count: 1}
}

// paint is Generate without an error.
func paint(t *testing.T, e *Engine, model string, req Request) []Picture {
	t.Helper()
	out, err := e.Generate(t.Context(), model, req, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSameRequestSameBytes(t *testing.T) {
	dir := tinyModel(t, 1)
	for _, sampler := range []string{"ddim", "ddpm"} {
		req := request()
		req.Sampler = sampler
		a, b := paint(t, start(t), dir, req), paint(t, start(t), dir, req)
		if diff := cmp.Diff(a, b); diff != "" {
			t.Errorf("%s: two runs differ: %s", sampler, diff)
		}
	}
}

// Each setting that decides a picture must change it.
func TestRequestDecidesThePicture(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	base := paint(t, e, dir, request())[0].Image.Pix
	for name, change := range map[string]func(*Request){
		"prompt":   func(r *Request) { r.Prompt = "blue" },
		"negative": func(r *Request) { r.Negative = "" },
		"steps":    func(r *Request) { r.Steps++ },
		"guidance": func(r *Request) { r.Guidance = 1 },
		"sampler":  func(r *Request) { r.Sampler = "ddpm" },
		"eta":      func(r *Request) { r.Eta = 1 },
		"seed":     func(r *Request) { r.Seed++ },
		"rng":      func(r *Request) { r.RNG = "nv" },
	} {
		req := request()
		change(&req)
		if cmp.Equal(base, paint(t, e, dir, req)[0].Image.Pix) {
			t.Errorf("another %s gives the same picture", name)
		}
	}
}

func TestBatchMembersEqualSingles(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	req := request()
	req.Count, req.Sampler = 3, "ddpm" // which draws noise at every step
	batch := paint(t, e, dir, req)
	if len(batch) != 3 {
		t.Fatalf("%d pictures, want 3", len(batch))
	}
	for k, p := range batch {
		single := req
		single.Count, single.Seed = 1, req.Seed+uint64(k)
		if diff := cmp.Diff(paint(t, e, dir, single)[0], p); diff != "" {
			t.Errorf("picture %d is not the one of its seed alone: %s", k, diff)
		}
	}
}

func TestRecipeAndProgress(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	req := request()
	req.Count, req.Preview = 2, 1
	var steps []string
	out, err := e.Generate(t.Context(), dir, req, func(p Progress) {
		steps = append(steps, fmt.Sprint(p.Image)+p.Stage+fmt.Sprint(p.Step))
		if wants := p.Stage == StageDenoise && p.Step < p.Steps; wants != (p.Preview != nil) {
			t.Errorf("step %d: preview %v, want one: %v", p.Step, p.Preview != nil, wants)
		}
		if p.Steps != 3 || p.Images != 2 {
			t.Errorf("progress speaks of %d steps of %d pictures", p.Steps, p.Images)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields("1encode0 1denoise1 1denoise2 1denoise3 1decode3 2denoise1 2denoise2 2denoise3 2decode3")
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Error(diff)
	}
	r := out[1].Recipe
	if r.Prompt != req.Prompt || r.Negative != req.Negative || r.Seed != 8 || r.Steps != 3 || r.CFGScale != 4 ||
		r.Width != 32 || r.Height != 16 || r.Sampler != "DDIM" || r.RNG != "cpu" || r.Model != filepath.Base(dir) ||
		r.Version != "Latent "+assets.Version {
		t.Errorf("recipe %+v", r)
	}
	if b := out[1].Image.Bounds(); b.Dx() != 32 || b.Dy() != 16 {
		t.Errorf("picture of %v", b)
	}
}

func TestCancelWithinAStep(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req := request()
	req.Steps, req.Count = 20, 2
	last := 0
	out, err := e.Generate(ctx, dir, req, func(p Progress) {
		last = (p.Image-1)*p.Steps + p.Step
		if last == 22 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || last != 22 || len(out) != 1 {
		t.Errorf("%v after step %d with %d pictures; want canceled after 22 with the first", err, last, len(out))
	}
	if _, err := e.Generate(ctx, dir, req, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a job begun too late: %v", err)
	}
	paint(t, e, dir, request()) // the engine lives on
}

func TestWaitingJobIsCanceled(t *testing.T) {
	e := start(t)
	busy, release := make(chan bool), make(chan bool)
	defer close(release)
	go e.Do(t.Context(), func(*gpu.Device) error { busy <- true; <-release; return nil })
	<-busy
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := e.Do(ctx, func(*gpu.Device) error { t.Error("ran"); return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting job: %v", err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	for _, test := range []struct {
		change func(*Request)
		want   string
	}{
		{func(r *Request) { r.Width = 30 }, "multiples of"},
		{func(r *Request) { r.Height = -16 }, "multiples of"},
		{func(r *Request) { r.Width, r.Height = 1<<20, 1<<20 }, "at most"},
		{func(r *Request) { r.Steps = 0 }, "at least 1"},
		{func(r *Request) { r.Steps = 5000 }, "steps"},
		{func(r *Request) { r.Count = -1 }, "count"},
		{func(r *Request) { r.Sampler = "magic" }, "ddim"},
		{func(r *Request) { r.RNG = "dice" }, "dice"},
		{func(r *Request) { r.Eta = 2 }, "eta"},
	} {
		req := request()
		test.change(&req)
		_, err := e.Generate(t.Context(), dir, req, func(Progress) { t.Errorf("%+v began", req) })
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: error %q, want one line with %q", req, err, test.want)
		}
	}
}

func TestEngineErrors(t *testing.T) {
	if _, err := Start("abacus", ""); err == nil || !strings.Contains(err.Error(), "reference") {
		t.Errorf("unknown device: %v", err)
	}
	if _, err := Start("reference", "f8"); err == nil || !strings.Contains(err.Error(), "bf16") {
		t.Errorf("unknown precision: %v", err)
	}
	e := start(t)
	if _, _, err := e.Open(t.Context(), filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing model opens")
	}
	if _, _, err := e.Open(t.Context(), Builtin); !assets.HasModel() && !errors.Is(err, ErrNoModel) {
		t.Errorf("no built-in model: %v", err)
	}
	// What the device panics with is an error to the caller.
	err := e.Do(t.Context(), func(dev *gpu.Device) error {
		gpu.Add(dev.Full(1, gpu.Float32, 2), dev.Full(1, gpu.Float32, 3))
		return nil
	})
	var failed *gpu.Error
	if !errors.As(err, &failed) {
		t.Errorf("a device's failure came out as %v", err)
	}
	e.Close()
	e.Close()
	if err := e.Do(t.Context(), func(*gpu.Device) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// Work that yields lets others paint, as they would alone, and finds its own tensors
// as they were.
func TestShare(t *testing.T) {
	e, model := start(t), tinyModel(t, 3)
	want := paint(t, e, model, request())[0].Image
	begun := make(chan struct{})
	pictures := make(chan image.Image, 2)
	go func() {
		defer close(pictures)
		<-begun
		for range 2 {
			out, err := e.Generate(t.Context(), model, request(), nil)
			if err != nil {
				t.Error(err)
				return
			}
			pictures <- out[0].Image
		}
	}()
	err := e.Share(t.Context(), func(dev *gpu.Device, yield func()) error {
		var x *gpu.Tensor
		dev.Permanent(func() { x = dev.Full(5, gpu.Float32, 100) })
		defer x.Free()
		before := dev.Memory().InUse
		yield() // nobody waits
		close(begun)
		for end := time.Now().Add(time.Minute); len(pictures) < 2 && time.Now().Before(end); time.Sleep(time.Millisecond) {
			yield()
		}
		if now := dev.Memory().InUse; now != before {
			t.Errorf("%d bytes are in use, before others had the device %d", now, before)
		}
		if v := x.Float32s(); v[0] != 5 || v[99] != 5 {
			t.Error("a tensor has changed")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for got := range pictures {
		if n++; !cmp.Equal(got, want) {
			t.Error("another picture than alone")
		}
	}
	if n != 2 {
		t.Errorf("%d pictures", n)
	}
}
