package cli

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"sort"
	"time"

	"latent/app/library"
	"latent/app/pipeline"
	"latent/gpu"
	"latent/gpu/nn"
)

// modelResult is the speed of a whole model: a step is the U-Net with guidance,
// on two latents as one batch; a decode turns one latent into a picture.
type modelResult struct {
	Model      string     `json:"model"`
	Size       string     `json:"size"`
	DType      string     `json:"dtype"`
	Step       partResult `json:"step"`
	Decode     partResult `json:"decode"`
	PeakMemory float64    `json:"peak_memory_mb"` // of the process
}

// partResult is one part's speed, the best of some runs.
type partResult struct {
	Millis float64 `json:"ms"`
	GFLOP  float64 `json:"gflop"` // of its matrix products and convolutions
	Rate   rate    `json:"gflop_s"`
	Share  float64 `json:"share"` // of the measured peak
	// Captured as a graph and replayed, where the device can do so: the pipeline does.
	Replay float64 `json:"replay_ms,omitempty"`
	// With --profile: the same operations by block of the model and by kind. Each
	// operation's time is the best of some runs, so that they sum up to less.
	Blocks []profileRow `json:"blocks,omitempty"`
	Kinds  []profileRow `json:"kinds,omitempty"`
}

type profileRow struct {
	Name   string  `json:"name"`
	Calls  int     `json:"calls"`
	Millis float64 `json:"ms"`
	GFLOP  float64 `json:"gflop"`
	GB     float64 `json:"gb"` // the operands, each read or written once
	Rate   rate    `json:"gflop_s"`
	Share  float64 `json:"share"` // of the measured peak, or of the bandwidth
}

// benchModels measures whole models: one on disk, or one of a known architecture
// with random weights.
func benchModels(ctx context.Context, engine *pipeline.Engine, b *bencher, path, name, size string, profile bool) error {
	var width, height int
	var err error
	if size != "" {
		if width, height, err = parseSize(size); err != nil {
			return err
		}
	}
	measure := func(m *benchModel, dtype gpu.DType) error {
		if size != "" {
			m.width, m.height = width, height
		}
		r, err := b.model(m, dtype, profile)
		if err == nil {
			b.report.Model = r
		}
		return err
	}
	if path != "" {
		w, h, err := engine.Open(ctx, path)
		if err != nil {
			return err
		}
		return engine.With(ctx, path, func(m *library.Model) error {
			b.dev = m.Device
			return measure(&benchModel{name: path, unet: m.UNet, vae: m.VAE, width: w, height: h}, m.DType)
		})
	}
	a, err := archOf(name)
	if err != nil {
		return err
	}
	return engine.Do(ctx, func(dev *gpu.Device) error {
		b.dev = dev
		m, err := newBenchModel(name, a, dev, dev.Info().Compute)
		if err != nil {
			return err
		}
		defer m.free()
		return measure(m, dev.Info().Compute)
	})
}

// model measures a step and a decode.
func (b *bencher) model(m *benchModel, dtype gpu.DType, profile bool) (r *modelResult, err error) {
	defer gpu.Catch(&err)
	r = &modelResult{Model: m.name, Size: fmt.Sprintf("%dx%d", m.width, m.height), DType: dtype.String()}
	b.dev.ResetPeak()
	defer func() { b.report.Memory = memoryOf(b.dev) }()
	b.dev.Scope(func() []*gpu.Tensor {
		b.note("measuring a step of %s at %s in %s", m.name, r.Size, r.DType)
		step := m.step(b, dtype)
		if r.Step, err = b.part(step, m.unet, dtype, profile); err != nil {
			return nil
		}
		if r.Step.Replay, err = b.replay(step); err != nil {
			return nil
		}
		b.dev.Trim()
		b.note("measuring a decode")
		r.Decode, err = b.part(m.decode(b, dtype), m.vae, dtype, profile)
		return nil
	})
	r.PeakMemory = peakMemory()
	return r, err
}

// replay times f as a captured graph; 0 where the device cannot capture.
func (b *bencher) replay(f func() *gpu.Tensor) (ms float64, err error) {
	if !b.dev.Captures() {
		return 0, nil
	}
	g, err := b.dev.Capture(func() []*gpu.Tensor { return []*gpu.Tensor{f()} })
	if err != nil {
		return 0, err
	}
	defer g.Free()
	t, err := b.best(func() *gpu.Tensor {
		g.Replay()
		return nil
	})
	return millis(t), err
}

// part times run and counts its work.
func (b *bencher) part(run func() *gpu.Tensor, model any, dtype gpu.DType, profile bool) (r partResult, err error) {
	// The first run prepares kernels and weights; its profile counts the flops.
	timings := b.profile(run)
	t, err := b.best(run)
	if err != nil {
		return r, err
	}
	peak := float64(b.report.Peak[dtype.String()])
	for _, t := range timings {
		r.GFLOP += t.Flops / 1e9
	}
	r.Millis, r.Rate = millis(t), rate(r.GFLOP/t.Seconds())
	r.Share = float64(r.Rate) / peak
	if !profile {
		return r, nil
	}
	const runs = 3
	for i := range runs {
		if err := b.ctx.Err(); err != nil {
			return r, err
		}
		for k, again := range b.profile(run) {
			if i == 0 || again.Time < timings[k].Time {
				timings[k].Time = again.Time
			}
		}
	}
	r.Blocks, r.Kinds = byBlockAndKind(timings, model, peak, b.report.Bandwidth)
	return r, nil
}

func (b *bencher) profile(run func() *gpu.Tensor) []gpu.Timing {
	return b.dev.Profile(func() {
		b.dev.Scope(func() []*gpu.Tensor {
			run()
			return nil
		})
	})
}

// byBlockAndKind sums timings up by block, in the model's order, and by kind, the
// longest first. An operation without a parameter belongs to the block of the
// next one that has one: what it makes is made for that.
func byBlockAndKind(timings []gpu.Timing, model any, peak, bandwidth float64) (blocks, kinds []profileRow) {
	block := map[*gpu.Tensor]string{}
	for _, p := range nn.Params(model) {
		block[p.T] = blockOf(p.Key)
	}
	names := make([]string, len(timings))
	for i, next := len(timings)-1, "output"; i >= 0; i-- {
		if name, ok := block[timings[i].Param]; ok {
			next = name
		}
		names[i] = next
	}
	blocks = group(timings, peak, bandwidth, func(i int) string { return names[i] })
	kinds = group(timings, peak, bandwidth, func(i int) string { return timings[i].Op })
	sort.SliceStable(kinds, func(i, j int) bool { return kinds[i].Millis > kinds[j].Millis })
	return blocks, kinds
}

func group(timings []gpu.Timing, peak, bandwidth float64, name func(i int) string) []profileRow {
	at := map[string]int{}
	var rows []profileRow
	for i, t := range timings {
		k, ok := at[name(i)]
		if !ok {
			k = len(rows)
			at[name(i)] = k
			rows = append(rows, profileRow{Name: name(i)})
		}
		r := &rows[k]
		r.Calls++
		r.Millis += millis(t.Time)
		r.GFLOP += t.Flops / 1e9
		r.GB += t.Bytes / 1e9
	}
	for i := range rows {
		r := &rows[i]
		s := r.Millis / 1000
		r.Rate = rate(r.GFLOP / s)
		r.Share = float64(r.Rate) / peak
		if r.GFLOP == 0 {
			r.Share = r.GB / s / bandwidth
		}
	}
	return rows
}

func (r *modelResult) print(w io.Writer) {
	for _, p := range []struct {
		name string
		partResult
	}{{"step of two", r.Step}, {"decode", r.Decode}} {
		fmt.Fprintf(w, "%s %s %s, %s\t%.1f ms\t%.0f GFLOP\t%.0f GFLOP/s\t%.1f %% of the peak\n",
			r.Model, r.Size, r.DType, p.name, p.Millis, p.GFLOP, p.Rate, 100*p.Share)
		if p.Replay > 0 {
			fmt.Fprintf(w, "the same, replayed as a graph\t%.2f ms\t%.1f a second\n", p.Replay, 1000/p.Replay)
		}
	}
	fmt.Fprintf(w, "peak memory\t%.0f MB\n", r.PeakMemory)
	for _, p := range []partResult{r.Step, r.Decode} {
		for _, rows := range [][]profileRow{p.Blocks, p.Kinds} {
			total := 0.0
			for _, row := range rows {
				total += row.Millis
			}
			if len(rows) > 0 {
				fmt.Fprintf(w, "\n\tcalls\tms\tof all\tGFLOP\tGFLOP/s\tGB/s\tshare\n")
			}
			for _, row := range rows {
				fmt.Fprintf(w, "%s\t%d\t%.1f\t%.1f %%\t%.1f\t%.0f\t%.1f\t%.0f %%\n", row.Name, row.Calls, row.Millis,
					100*row.Millis/total, row.GFLOP, row.Rate, row.GB/row.Millis*1000, 100*row.Share)
			}
		}
	}
}

// benchModelOnly measures a model and what its shares are shares of, not the rest
// of bench.
func benchModelOnly(ctx context.Context, engine *pipeline.Engine, r *benchReport, note func(string, ...any), path, name, size string, profile bool) error {
	runtime.GC()
	b := &bencher{ctx: ctx, report: r, note: note, budget: 400 * time.Millisecond}
	if err := engine.Do(ctx, func(dev *gpu.Device) error {
		b.dev = dev
		return b.peaks()
	}); err != nil {
		return err
	}
	return benchModels(ctx, engine, b, path, name, size, profile)
}
