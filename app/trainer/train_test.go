package trainer

import (
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"latent/app/library"
	"latent/gpu"
	_ "latent/gpu/reference"
)

// folderOfPictures writes n small pictures with captions.
func folderOfPictures(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		img := image.NewNRGBA(image.Rect(0, 0, 40, 36))
		for y := range 36 {
			for x := range 40 {
				img.Set(x, y, color.NRGBA{uint8(x * 6), uint8(y * 7), uint8(i * 40), 255})
			}
		}
		f, err := os.Create(filepath.Join(dir, string(rune('a'+i))+".png"))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, img); err != nil {
			t.Fatal(err)
		}
		f.Close()
		if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".txt"), []byte("a colour ramp"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func tiny(t *testing.T) Config {
	t.Helper()
	c := Config{
		Output: filepath.Join(t.TempDir(), "model"), Skeleton: "testdata/skeleton", Seed: 3, SaveFormat: "f32",
		Data:        Data{Folder: folderOfPictures(t, 5), Resolution: 32, Flip: true},
		Autoencoder: Stage{Steps: 4, Batch: 2, LR: 2e-3, EMA: 0.9, Checkpoint: 2, CropSteps: 2, Crop: 16, CropBatch: 3},
		Decoder:     Stage{Steps: 2, Batch: 2, LR: 1e-3, Checkpoint: 1},
		Denoiser:    Stage{Steps: 6, Batch: 4, LR: 2e-3, EMA: 0.9, Warmup: 2, Schedule: "cosine", Checkpoint: 2, CaptionDrop: 0.3, Accumulate: 2},
	}
	c.SetDefaults()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T) *gpu.Device {
	t.Helper()
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

type key struct {
	stage string
	step  int
}

// losses runs a recipe and collects every step's loss; stop ends it after that
// many steps of stage, 0 never.
func losses(t *testing.T, c Config, resume bool, stage string, stop int, into map[key]float64) error {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return Train(ctx, open(t), c, resume, func(p Progress) {
		if p.Loss != 0 {
			into[key{p.Stage, p.Step}] = p.Loss
		}
		if p.Stage == stage && p.Step == stop {
			cancel()
		}
	})
}

func TestResumedRunRepeatsTheLosses(t *testing.T) {
	c := tiny(t)
	want := map[key]float64{}
	if err := losses(t, c, false, "", 0, want); err != nil {
		t.Fatal(err)
	}
	if len(want) != c.Autoencoder.Steps+c.Decoder.Steps+c.Denoiser.Steps {
		t.Fatalf("%d losses reported", len(want))
	}
	wantUNet := weights(t, c.Output)

	for _, at := range []key{{"autoencoder", 3}, {"decoder", 1}, {"denoiser", 1}, {"denoiser", 5}} {
		c.Output = filepath.Join(t.TempDir(), "model")
		got := map[key]float64{}
		if err := losses(t, c, false, at.stage, at.step, got); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped run gave %v", err)
		}
		if err := losses(t, c, false, "", 0, got); err == nil {
			t.Fatal("a run over unfinished training must ask for resume")
		}
		if err := losses(t, c, true, "", 0, got); err != nil {
			t.Fatal(err)
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("stopped at %v: loss of %v is %v, uninterrupted %v", at, k, got[k], v)
			}
		}
		if string(weights(t, c.Output)) != string(wantUNet) {
			t.Errorf("stopped at %v: other weights", at)
		}
	}
}

func weights(t *testing.T, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "unet", "diffusion_pytorch_model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A killed run leaves the checkpoint of some earlier step: going on from it must
// give the same weights.
func TestRunContinuesFromAnOlderCheckpoint(t *testing.T) {
	c := tiny(t)
	var kept []byte
	err := Train(context.Background(), open(t), c, false, func(p Progress) {
		if p.Stage == "denoiser" && p.Step == 2 {
			var err error
			if kept, err = os.ReadFile(p.Checkpoint); err != nil {
				t.Error(err)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	want := weights(t, c.Output)

	c.Output = filepath.Join(t.TempDir(), "model")
	if err := losses(t, c, false, "denoiser", 5, map[key]float64{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.Output, State, "denoiser.safetensors"), kept, 0o644); err != nil {
		t.Fatal(err)
	}
	got := map[key]float64{}
	if err := losses(t, c, true, "", 0, got); err != nil {
		t.Fatal(err)
	}
	if _, ok := got[key{"denoiser", 2}]; ok || string(weights(t, c.Output)) != string(want) {
		t.Error("run did not continue from the older checkpoint to the same weights")
	}
}

func TestFineTuningMovesTheModel(t *testing.T) {
	c := tiny(t)
	if err := Train(context.Background(), open(t), c, false, nil); err != nil {
		t.Fatal(err)
	}
	base := c.Output
	c.Base, c.Skeleton, c.Output = base, "", filepath.Join(t.TempDir(), "tuned")
	if err := Train(context.Background(), open(t), c, false, nil); err != nil {
		t.Fatal(err)
	}
	if string(weights(t, base)) == string(weights(t, c.Output)) {
		t.Error("fine-tuning left the U-Net as it was")
	}
	m, err := library.Open(c.Output, open(t), gpu.Float32)
	if err != nil {
		t.Fatal(err)
	}
	m.Close()
}

func TestOtherRecipeDoesNotResume(t *testing.T) {
	c := tiny(t)
	if err := losses(t, c, false, "denoiser", 3, map[key]float64{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	c.Denoiser.LR *= 2
	if err := losses(t, c, true, "", 0, map[key]float64{}); err == nil {
		t.Error("a checkpoint of another recipe was continued")
	}
}
