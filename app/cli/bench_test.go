package cli

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"latent/app/pipeline"
	"latent/gpu"
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
