package trainer

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"latent/app/library"
	"latent/app/library/lora"
	"latent/gpu"
)

// A training that begins with a LoRA begins with the model that the LoRA makes of
// the base, and its file is not needed any more once there is a checkpoint.
func TestInit(t *testing.T) {
	for _, name := range []string{"sd1", "sdxl"} {
		t.Run(name, func(t *testing.T) {
			first := loraConfig(t, basePath(name))
			if err := Train(context.Background(), open(t), first, false, nil); err != nil {
				t.Fatal(err)
			}
			dev := open(t)
			c := first
			c.Output, c.Init = filepath.Join(t.TempDir(), "ramp"), first.Result()
			r := &run{Training: &Training{Config: c}, dev: dev, dtype: gpu.Float32}
			if err := r.openModel(); err != nil {
				t.Fatal(err)
			}
			defer r.model.Close()
			before := outputs(r.model)
			a, err := r.adapt()
			if err != nil {
				t.Fatal(err)
			}
			if err := a.begin(); err != nil {
				t.Fatal(err)
			}
			got := outputs(r.model)
			a.remove()
			file, err := lora.Read(c.Init)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if _, err := library.LoRAs(r.model).Set([]lora.Use{{File: file, UNet: 1, Text: 1}}); err != nil {
				t.Fatal(err)
			}
			want := outputs(r.model)
			if d, moved := distance(got, want), distance(before, want); d > 1e-9 || moved < 1e-3 {
				t.Errorf("it begins %g away from the LoRA, which is %g away from the base", d, moved)
			}
		})
	}

	c := loraConfig(t, basePath("sd1"))
	if err := Train(context.Background(), open(t), c, false, nil); err != nil {
		t.Fatal(err)
	}
	plain := map[key]float64{}
	c.Init, c.Output = c.Result(), filepath.Join(t.TempDir(), "further")
	c.Name = "further"
	if err := losses(t, c, false, denoiserStage, 2, plain); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	c.Init += " which is gone"
	if err := losses(t, c, true, "", 0, plain); err != nil || len(plain) != c.Denoiser.Steps {
		t.Errorf("it went on to %v: %v", plain, err)
	}
}

// What cannot be begun with is told before anything is read or kept.
func TestInitThatDoesNotFit(t *testing.T) {
	base := loraConfig(t, basePath("sd1"))
	base.LoRA.Conv = false
	if err := Train(context.Background(), open(t), base, false, nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(c *Config)
		want  string
	}{
		"nothing there":     {func(c *Config) { c.Init += "x" }, "no such file"},
		"no LoRA":           {func(c *Config) { c.Init = filepath.Join(c.Data.Folder, "a.png") }, "init: LoRA "},
		"another rank":      {func(c *Config) { c.LoRA.Rank = 2 }, "has rank 3, not 2"},
		"text encoder":      {func(c *Config) { c.LoRA.TextEncoder = false }, "not among the layers that are trained"},
		"of another family": {func(c *Config) { c.Base = basePath("sd2") }, "does not fit"},
		"more layers":       {func(c *Config) { c.LoRA.Conv = true }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			x, own := base, *base.LoRA
			x.LoRA, x.Init, x.Output = &own, base.Result(), filepath.Join(t.TempDir(), "ramp")
			c.spoil(&x)
			err := Train(context.Background(), open(t), x, false, nil)
			if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("%v, want something of %q", err, c.want)
			}
			if exists(x.statePath("")) {
				t.Error("there is a state, but nothing was done")
			}
		})
	}
}
