// Package trainer turns a folder of pictures, or the endless postcard
// generator, into the weights of a latent diffusion model.
//
//	picture ──VAE encode──▶ x₀;  ε ~ N(0,1);  x_t = √ᾱ_t·x₀ + √(1−ᾱ_t)·ε
//	loss = mean (target − U-Net(x_t, t, cond))²  ──▶ gradients ──▶ AdamW
//
// All randomness of a step is a function of the recipe's seed and the step's
// number, and checkpoints hold the optimiser's whole state: a run that was
// killed continues with the same losses, to the last bit, as one that was not.
package trainer

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"latent/app/library"
	"latent/app/pipeline"
	"latent/assets"
	"latent/gpu"
	"latent/gpu/atomicfile"
	"latent/gpu/nn"
	"latent/noise"
	"latent/textencoder"
)

// Progress is reported after each step.
type Progress struct {
	Stage      string // "pictures", "autoencoder", "decoder", "latents", "denoiser"
	Step, Of   int
	Loss       float64
	GradNorm   float64
	LR         float64
	Rate       float64       // samples per second
	Left       time.Duration // of this stage
	Checkpoint string        // set when one was just written
	Weights    string        // set when weights to try were just written: their path
	Samples    []image.Image // set when sample pictures were just made

	// Note is one line about what a person should know of and what does not end the
	// training. Nothing else is set then, but LeftOut if it is about a picture that is
	// left out.
	Note    string
	LeftOut string // inside the folder of pictures
}

// State is the folder inside the output that holds what a resumed run needs.
const State = ".train"

// Training is a recipe to run, and a way to reach it while it does.
type Training struct {
	Config
	// Resume continues from the output folder's checkpoints; without it, an output
	// folder that has some is an error.
	Resume   bool
	Progress func(Progress) // may be nil
	// Between is called between two steps, on the goroutine that trains; it may use
	// the device. May be nil.
	Between func()

	wanted atomic.Bool
}

// WriteWeights asks a training under way for what it has learned up to now, to be
// tried: it writes its weights after the present step and reports their path. It may
// be called from any goroutine.
func (t *Training) WriteWeights() { t.wanted.Store(true) }

// Train runs a recipe on dev; see Training.
func Train(ctx context.Context, dev *gpu.Device, c Config, resume bool, progress func(Progress)) error {
	t := Training{Config: c, Resume: resume, Progress: progress}
	return t.Run(ctx, dev)
}

// run is one training run in progress.
type run struct {
	*Training
	ctx   context.Context
	dev   *gpu.Device
	dtype gpu.DType
	model *library.Model
	data  dataset
}

func (r *run) progress(p Progress) {
	if r.Progress != nil {
		r.Progress(p)
	}
}

func (r *run) note(format string, a ...any) { r.progress(Progress{Note: fmt.Sprintf(format, a...)}) }

func (r *run) between() {
	if r.Between != nil {
		r.Between()
	}
}

// Run trains on dev. It returns ctx.Err() if stopped; the state up to then is saved
// first.
func (t *Training) Run(ctx context.Context, dev *gpu.Device) (err error) {
	defer gpu.Catch(&err)
	r := &run{Training: t, ctx: ctx, dev: dev}
	if r.dtype, err = pipeline.Precision(r.Precision, dev); err != nil {
		return err
	}
	state := filepath.Join(r.Output, State)
	if _, err := os.Stat(state); err == nil && !r.Resume {
		return fmt.Errorf("%s holds an unfinished training: continue it with --resume, or remove that folder", state)
	}
	if _, err := os.Stat(r.Result()); err == nil && r.LoRA != nil && !r.Resume {
		return fmt.Errorf("%s is there already: choose another name or output", r.Result())
	}
	if info, err := os.Stat(r.Output); err == nil && !info.IsDir() {
		return fmt.Errorf("output %s: it is a file: name a folder", r.Output)
	}
	if err := r.openData(); err != nil {
		return err
	}
	if r.Skeleton != "" {
		if err := r.survey(); err != nil {
			return err
		}
	}
	if err := r.openModel(); err != nil {
		return err
	}
	defer r.model.Close()
	if err := r.tryInit(); err != nil {
		return err
	}
	if err := os.MkdirAll(state, 0o755); err != nil {
		return fmt.Errorf("output %s: %w", r.Output, atomicfile.Reason(err))
	}
	if r.Skeleton != "" {
		if err := r.keepRoll(); err != nil {
			return err
		}
		if err := r.trainAutoencoder(); err != nil {
			return err
		}
	}
	cache, err := r.cacheLatents()
	if err != nil {
		return err
	}
	if err := r.trainDenoiser(cache); err != nil {
		return err
	}
	if err := os.RemoveAll(state); err != nil {
		return fmt.Errorf("%s: %w", state, atomicfile.Reason(err))
	}
	return nil
}

// openModel loads the base model, or builds the skeleton with fresh weights.
func (r *run) openModel() (err error) {
	switch {
	case r.Base == Builtin:
		r.model, err = library.OpenFS(assets.Model(), Builtin, r.dev, r.dtype)
		return err
	case r.Base != "":
		if r.model, err = library.Open(r.Base, r.dev, r.dtype); err != nil {
			return err
		}
		return r.trainable()
	}
	folder := os.DirFS(r.Skeleton)
	var vocab textencoder.Vocabulary
	if _, err := fs.Stat(folder, "tokenizer"); errors.Is(err, fs.ErrNotExist) {
		length, err := library.TextLength(folder)
		if err != nil {
			return fmt.Errorf("skeleton %s: %w", r.Skeleton, err)
		}
		if vocab, err = textencoder.BuildVocabulary(r.data.Words(), length); err != nil {
			return err
		}
	}
	if r.model, err = library.Skeleton(folder, r.dev, r.dtype, vocab); err != nil {
		return fmt.Errorf("skeleton %s: %w", r.Skeleton, err)
	}
	r.model.Name = r.Name
	for i, part := range []any{r.model.Text, r.model.UNet, r.model.VAE} {
		if err := nn.Init(part, r.dev, r.dtype, noise.NewRand(r.Seed+uint64(i))); err != nil {
			return err
		}
	}
	return nil
}

// trainable says which models cannot be trained: their U-Nets want what pictures
// and captions do not give.
func (r *run) trainable() error {
	c := r.model.UNet.Config
	what := ""
	switch {
	case r.model.Inpaints():
		what = "inpaints"
	case c.ClassEmbedType != "":
		what = "is told a class"
	case c.TimeCondProjDim > 0:
		what = "is a consistency model, made from another by distillation"
	case r.Data.Buckets, r.Data.Resolution%r.model.VAE.Config.Factor() == 0:
		return nil
	default:
		return fmt.Errorf("data.resolution %d must be a multiple of %d for this model", r.Data.Resolution, r.model.VAE.Config.Factor())
	}
	defer r.model.Close()
	return fmt.Errorf("model %s cannot be trained here: it %s", r.Base, what)
}

func (c *Config) statePath(name string) string { return filepath.Join(c.Output, State, name) }

// rand is the generator of one step: its numbers depend on nothing else.
func (r *run) rand(stage string, step, micro int) *noise.Rand {
	h := r.Seed
	for _, v := range []uint64{uint64(len(stage)), uint64(step), uint64(micro)} {
		h = (h ^ v) * 0x9E3779B97F4A7C15
		h ^= h >> 29
	}
	return noise.NewRand(h)
}
