package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"latent/app/gallery"
	"latent/app/pipeline"
	"latent/assets"
	"latent/gpu"
)

// benchReport is what bench measures. Times are in milliseconds.
type benchReport struct {
	Device      string          `json:"device"`
	Detail      string          `json:"detail"`
	Peak        map[string]rate `json:"peak"`           // by number format: of a large matrix product
	Bandwidth   float64         `json:"bandwidth_gb_s"` // of a copy, read and written bytes
	Picture     *pictureResult  `json:"picture,omitempty"`
	Ops         []opResult      `json:"ops"`
	Training    []trainResult   `json:"training"`
	Memory      *deviceMemory   `json:"device_memory,omitempty"` // with --arch or --model
	Model       *modelResult    `json:"model,omitempty"`         // with --arch or --model
	PeakMemory  float64         `json:"peak_memory_mb"`          // of the process; 0 where the system does not tell
	GoMaxProcs  int             `json:"gomaxprocs"`
	CPUs        int             `json:"cpus"`
	Measurement string          `json:"measurement"`
}

// deviceMemory counts MB: the most that tensors held at once, and what was taken
// of the device for them. Its own workspaces are not in it.
type deviceMemory struct {
	Peak     float64 `json:"peak_mb"`
	Reserved float64 `json:"reserved_mb"`
}

func memoryOf(dev *gpu.Device) *deviceMemory {
	m := dev.Memory()
	return &deviceMemory{float64(m.Peak) / 1e6, float64(m.Reserved) / 1e6}
}

// rate is in GFLOP/s.
type rate float64

// pictureResult is a picture by the built-in model.
type pictureResult struct {
	Steps      int     `json:"steps"`
	Size       string  `json:"size"`
	OpenMillis float64 `json:"open_ms"`  // device and model
	Millis     float64 `json:"ms"`       // the first picture, as PNG in memory
	Again      float64 `json:"again_ms"` // the second one
	PeakMemory float64 `json:"peak_memory_mb"`
}

func bench(ctx context.Context, args []string) error {
	f := newFlags("bench")
	asJSON := f.Bool("json", false, "print the results as JSON")
	model := f.String("model", "", "measure a step and a decode of the model at `PATH` instead")
	arch := f.String("arch", "", "measure a model of this `NAME` and random weights instead: "+archNames())
	train := f.String("train", "", "with --arch: measure training steps of this `KIND` instead: lora (rank 16) or full")
	batch := f.Int("batch", 4, "pictures in a training step of --train")
	checkpoint := f.Bool("checkpoint", false, "with --train: compute blocks again in the backward pass instead of keeping what they made")
	device := f.device()
	size := f.String("size", "", "`WxH`: width and height in pixels for --model and --arch; without it the model's own")
	profile := f.Bool("profile", false, "with --model or --arch: where the time goes, by block and by kind of operation")
	_, done, err := f.parse(args)
	if done || err != nil {
		return err
	}
	whole := *model != "" || *arch != ""
	if *model != "" && *arch != "" {
		return badUsage("bench: --model and --arch exclude each other")
	}
	if !whole && (*profile || *size != "") {
		return badUsage("bench: --profile and --size want --model or --arch")
	}
	if *train != "" && (*arch == "" || *train != "lora" && *train != "full" || *batch < 1) {
		return badUsage("bench: --train is lora or full, of an --arch, with a --batch of 1 or more")
	}
	start := time.Now()
	engine, err := pipeline.Start(*device, "auto")
	if err != nil {
		return err
	}
	defer engine.Close()
	r := &benchReport{
		Device: engine.Info().Name, Detail: engine.Info().Detail, Peak: map[string]rate{},
		GoMaxProcs: runtime.GOMAXPROCS(0), CPUs: runtime.NumCPU(),
		Measurement: "best of several runs; share is that of the time the peak or the bandwidth allows; " +
			"flops are those of the plain sums: convolutions that need fewer (Winograd) pass 100 %",
	}
	note := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	switch {
	case *train != "":
		err = benchTraining(ctx, engine, r, note, *arch, *train, *size, *batch, *checkpoint)
	case whole:
		err = benchModelOnly(ctx, engine, r, note, *model, *arch, *size, *profile)
	default:
		err = benchAll(ctx, engine, r, note, start)
	}
	if err != nil {
		return err
	}
	r.PeakMemory = peakMemory()
	if *asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	r.print()
	return nil
}

// benchAll measures a picture, the operations and training.
func benchAll(ctx context.Context, engine *pipeline.Engine, r *benchReport, note func(string, ...any), start time.Time) (err error) {
	// The picture comes first: its peak memory is the process's so far.
	if assets.HasModel() {
		note("painting with the built-in model")
		if r.Picture, err = benchPicture(ctx, engine, start); err != nil {
			return err
		}
	} else {
		note("no picture is measured: this build has no built-in model")
	}
	return engine.Do(ctx, func(dev *gpu.Device) error {
		b := &bencher{ctx: ctx, dev: dev, report: r, note: note, budget: 400 * time.Millisecond}
		if err := b.peaks(); err != nil {
			return err
		}
		if err := b.ops(stableDiffusionOps); err != nil {
			return err
		}
		return b.training(assets.Skeleton(), 32, 64)
	})
}

func benchPicture(ctx context.Context, engine *pipeline.Engine, start time.Time) (*pictureResult, error) {
	w, h, err := engine.Open(ctx, pipeline.Builtin)
	if err != nil {
		return nil, err
	}
	r := &pictureResult{Steps: 20, Size: fmt.Sprintf("%dx%d", w, h), OpenMillis: millis(time.Since(start))}
	req := pipeline.Request{Prompt: "a large fox on a blue background", Steps: r.Steps, Guidance: builtinGuidance, Seed: 1}
	for _, ms := range []*float64{&r.Millis, &r.Again} {
		start := time.Now()
		out, err := engine.Generate(ctx, pipeline.Builtin, req, nil)
		if err != nil {
			return nil, err
		}
		if _, err := gallery.Encode(out[0].Image, out[0].Recipe); err != nil {
			return nil, err
		}
		*ms = millis(time.Since(start))
	}
	r.PeakMemory = peakMemory()
	return r, nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// peakMemory is the most memory that the process has held, in MB; 0 where there
// is no /proc.
func peakMemory() float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			if err == nil {
				return kb * 1024 / 1e6
			}
		}
	}
	return 0
}

func (r *benchReport) print() {
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer tw.Flush()
	fmt.Fprintf(tw, "device\t%s: %s\n", r.Device, r.Detail)
	for _, dtype := range []string{"f32", "bf16"} {
		if peak, ok := r.Peak[dtype]; ok {
			fmt.Fprintf(tw, "peak %s\t%.0f GFLOP/s\n", dtype, peak)
		}
	}
	if r.Bandwidth > 0 {
		fmt.Fprintf(tw, "bandwidth\t%.1f GB/s\n", r.Bandwidth)
	}
	if m := r.Memory; m != nil {
		fmt.Fprintf(tw, "device memory\t%.0f MB in tensors at most, %.0f MB taken\n", m.Peak, m.Reserved)
	}
	if p := r.Picture; p != nil {
		fmt.Fprintf(tw, "picture %s, %d steps\t%.0f ms, again %.0f ms, open %.0f ms, peak memory %.0f MB\n",
			p.Size, p.Steps, p.Millis, p.Again, p.OpenMillis, p.PeakMemory)
	}
	for _, t := range r.Training {
		fmt.Fprintf(tw, "training %s%s, batch %d\t%.1f samples/s, %.1f ms a step\n", t.What, t.DType, t.Batch, t.Rate, t.Millis)
	}
	if r.Model != nil {
		r.Model.print(tw)
		return
	}
	fmt.Fprintf(tw, "peak memory\t%.0f MB\n", r.PeakMemory)
	if len(r.Ops) == 0 {
		return
	}
	fmt.Fprintf(tw, "\nop\tshape\tformat\tms\tGFLOP/s\tGB/s\tshare\n")
	for _, o := range r.Ops {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%.2f\t%.0f\t%.1f\t%.0f %%\n", o.Op, o.Shape, o.DType, o.Millis, o.Rate, o.Bandwidth, 100*o.Share)
	}
}
