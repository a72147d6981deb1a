package cli

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"latent/app/pipeline"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/unet"
)

func TestBench(t *testing.T) {
	engine, err := pipeline.Start("reference", "f32")
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	r := &benchReport{Peak: map[string]rate{}, Bandwidth: 10}
	err = engine.Do(t.Context(), func(dev *gpu.Device) error {
		b := &bencher{ctx: t.Context(), dev: dev, report: r, note: t.Logf, budget: time.Millisecond}
		peak, err := b.measure(linear(64, 64, 64), gpu.Float32)
		if err != nil {
			return err
		}
		r.Peak["f32"] = peak.Rate
		ops := []benchOp{conv(1, 8, 8, 16), linear(16, 8, 8), attention(8, 4, 16), groupNorm(1, 4, 32), layerNorm(4, 8), softmax(4, 8)}
		if err := b.ops(ops); err != nil {
			return err
		}
		return b.training(os.DirFS("../trainer/testdata/skeleton"), 2)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Ops) != 6 || len(r.Training) != 1 {
		t.Fatalf("%d operations, %d trainings", len(r.Ops), len(r.Training))
	}
	for _, o := range r.Ops {
		if o.Millis <= 0 || o.Bandwidth <= 0 || o.Share <= 0 || o.DType != "f32" {
			t.Errorf("%+v", o)
		}
	}
	if c := r.Ops[0]; !near(float64(c.Rate)*c.Millis*1e6, 2*9*64*8*16) {
		t.Errorf("the convolution's operations are counted as %g", float64(c.Rate)*c.Millis*1e6)
	}
	if tr := r.Training[0]; !near(tr.Rate*tr.Millis/1000, 2) {
		t.Errorf("%g samples a step, want 2", tr.Rate*tr.Millis/1000)
	}
	if peakMemory() == 0 {
		t.Skip("this system does not tell the peak memory")
	}
	if mb := peakMemory(); mb < 1 || mb > 1e5 {
		t.Errorf("peak memory of %g MB", mb)
	}
}

func near(a, b float64) bool { return a > 0.999*b && a < 1.001*b }

func TestBenchStops(t *testing.T) {
	engine, err := pipeline.Start("reference", "f32")
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	err = engine.Do(t.Context(), func(dev *gpu.Device) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		b := &bencher{ctx: ctx, dev: dev, report: &benchReport{}, note: t.Logf, budget: time.Hour}
		return b.ops([]benchOp{softmax(4, 8)})
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// smallArch is a model of sd15's form.
func smallArch() arch {
	a := archs()["sd15"]
	a.pixels = 64
	a.unet.BlockOutChannels, a.unet.NormNumGroups, a.unet.CrossAttentionDim = []int{8, 8, 8, 8}, 4, unet.Ints{8}
	a.vae.BlockOutChannels, a.vae.NormNumGroups = []int{8, 8, 8, 8}, 4
	a.unet.AttentionHeadDim = unet.Ints{2}
	return a
}

// Training steps of a LoRA, which leaves the U-Net alone, and of all of it; every
// tensor is given back.
func TestBenchTraining(t *testing.T) {
	engine, err := pipeline.Start("reference", "f32")
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	err = engine.Do(t.Context(), func(dev *gpu.Device) error {
		for _, lora := range []bool{true, false} {
			b := &bencher{ctx: t.Context(), dev: dev, report: &benchReport{}, note: t.Logf, budget: time.Millisecond}
			took, err := b.archStep("small", smallArch(), lora, 64, 64, 1, lora)
			if err != nil || took <= 0 || b.report.Memory.Peak <= 0 {
				t.Errorf("LoRA %v: %v, %v, memory %+v", lora, took, err, b.report.Memory)
			}
			if n := dev.Memory().InUse; n != 0 {
				t.Errorf("LoRA %v: %d bytes are kept", lora, n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A device beside the host is measured there: its bandwidth, and steps replayed.
func TestBenchOnCUDA(t *testing.T) {
	engine, err := pipeline.Start("cuda", "auto")
	if err != nil {
		t.Skip(err)
	}
	defer engine.Close()
	err = engine.Do(t.Context(), func(dev *gpu.Device) error {
		b := &bencher{ctx: t.Context(), dev: dev, report: &benchReport{Peak: map[string]rate{"bf16": 10}}, note: t.Logf, budget: time.Millisecond}
		var err error
		if b.report.Bandwidth, err = b.deviceBandwidth(1 << 20); err != nil || !(b.report.Bandwidth > 0) {
			t.Errorf("bandwidth %v, %v", b.report.Bandwidth, err)
		}
		m, err := newBenchModel("small", smallArch(), dev, gpu.BFloat16)
		if err != nil {
			return err
		}
		defer m.free()
		r, err := b.model(m, gpu.BFloat16, true)
		if err == nil && (r.Step.Replay <= 0 || b.report.Memory.Peak <= 0) {
			t.Errorf("a step takes %v ms replayed, memory %+v", r.Step.Replay, b.report.Memory)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestBenchModel(t *testing.T) {
	engine, err := pipeline.Start("reference", "f32")
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	err = engine.Do(t.Context(), func(dev *gpu.Device) error {
		a := smallArch()
		m, err := newBenchModel("small", a, dev, gpu.Float32)
		if err != nil {
			return err
		}
		defer m.free()
		b := &bencher{ctx: t.Context(), dev: dev, report: &benchReport{Peak: map[string]rate{"f32": 10}, Bandwidth: 10}, note: t.Logf, budget: time.Millisecond}
		r, err := b.model(m, gpu.Float32, true)
		if err != nil {
			return err
		}
		for name, p := range map[string]partResult{"step": r.Step, "decode": r.Decode} {
			var blocks, kinds float64
			for _, row := range p.Blocks {
				blocks += row.GFLOP
			}
			for _, row := range p.Kinds {
				kinds += row.GFLOP
			}
			if !near(blocks, p.GFLOP) || !near(kinds, p.GFLOP) || p.GFLOP == 0 || p.Share <= 0 {
				t.Errorf("%s: %g GFLOP by block, %g by kind, %g in all, share %g", name, blocks, kinds, p.GFLOP, p.Share)
			}
		}
		for _, want := range []string{"conv_in", "down_blocks.0.resnets.0", "down_blocks.0.attentions.1", "mid_block.attentions.0", "up_blocks.3.attentions.2", "conv_out"} {
			if !slices.ContainsFunc(r.Step.Blocks, func(row profileRow) bool { return row.Name == want }) {
				t.Errorf("no block %s", want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The parameters of Stable Diffusion's U-Nets and decoders are as many as published.
func TestArchs(t *testing.T) {
	for name, want := range map[string]int{"sd15": 859_520_964, "sd21": 865_910_724, "sdxl": 2_567_463_684} {
		m, err := unet.New(archs()[name].unet)
		if err != nil {
			t.Fatal(err)
		}
		if n := nn.Count(m); n != want {
			t.Errorf("%s has %d parameters, want %d", name, n, want)
		}
	}
}
