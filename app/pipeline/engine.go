package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"latent/app/library"
	"latent/app/library/lora"
	"latent/assets"
	"latent/gpu"
	_ "latent/gpu/cuda"
	_ "latent/gpu/host"
	"latent/gpu/nn"
	_ "latent/gpu/reference"
	"latent/vae"
)

// Builtin is the name of the model inside the program.
const Builtin = "builtin"

// ErrNoModel says that the program was built without a model of its own.
var ErrNoModel = errors.New("this build of latent has no built-in model: choose a model folder")

// ErrClosed is the answer of an engine after Close.
var ErrClosed = errors.New("the engine is closed")

// Engine owns a device: a goroutine that stays on its thread, as a Device wants,
// opens it and works off jobs one after another. The model used last stays open.
// An Engine's methods may be called from any goroutine.
type Engine struct {
	info gpu.Info

	jobs  chan job
	quit  chan struct{} // closed by Close
	ended chan struct{} // closed by the worker
	stop  sync.Once
}

type job struct {
	run  func(w *worker) error
	done chan error
}

// modelKey is what Generate was asked to open.
type modelKey struct {
	name    string
	options library.Options
}

// worker is what lives on the engine's thread.
type worker struct {
	dev   *gpu.Device
	dtype gpu.DType

	model               *library.Model // nil: none is open
	key                 modelKey
	changed, vaeChanged time.Time // of its files
	patches             patches   // LoRAs on it

	tiny     *vae.Tiny // nil: none is open
	tinyPath string
}

// Start opens the device called device ("auto", "host", …: see gpu.Open) to
// compute in precision "auto", "f32" or "bf16"; auto is the device's choice.
func Start(device, precision string) (*Engine, error) {
	e := &Engine{jobs: make(chan job), quit: make(chan struct{}), ended: make(chan struct{})}
	opened := make(chan error)
	go e.work(device, precision, opened)
	if err := <-opened; err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Engine) work(device, precision string, opened chan<- error) {
	// Never unlocked: the thread ends with the goroutine, and with it whatever
	// state libraries have tied to it.
	runtime.LockOSThread()
	defer close(e.ended)
	w := &worker{}
	var err error
	if w.dev, err = gpu.Open(device); err == nil {
		defer w.dev.Close()
		w.dtype, err = Precision(precision, w.dev)
	}
	if err != nil {
		opened <- err
		return
	}
	e.info = w.dev.Info()
	opened <- nil
	for {
		select {
		case <-e.quit:
			w.closeModel()
			w.closeTiny()
			return
		case j := <-e.jobs:
			j.done <- w.do(j.run)
		}
	}
}

// do runs a job and turns a failure of the device into an error.
func (w *worker) do(run func(*worker) error) (err error) {
	defer gpu.Catch(&err)
	return run(w)
}

// Precision is the type of activations and weights that name stands for on dev.
func Precision(name string, dev *gpu.Device) (gpu.DType, error) {
	switch name {
	case "", "auto":
		return dev.Info().Compute, nil
	case "f32":
		return gpu.Float32, nil
	case "bf16":
		return gpu.BFloat16, nil
	}
	return 0, fmt.Errorf("unknown precision %q: choose auto, f32 or bf16", name)
}

// Info describes the engine's device.
func (e *Engine) Info() gpu.Info { return e.info }

// Close ends the engine after the job under way and frees the device.
func (e *Engine) Close() {
	e.stop.Do(func() { close(e.quit) })
	<-e.ended
}

// submit hands run to the worker and waits for its end. It gives up waiting for
// its turn when ctx ends; once begun, run itself must look at ctx.
func (e *Engine) submit(ctx context.Context, run func(w *worker) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := job{run, make(chan error, 1)}
	select {
	case e.jobs <- j:
		return <-j.done
	case <-ctx.Done():
		return ctx.Err()
	case <-e.quit:
		return ErrClosed
	}
}

// Generate paints the pictures of req with a model: Builtin, or the path of a
// model folder. Without a size it takes that of Init, or the model's own. progress, if not nil,
// is called on the engine's goroutine and must not call the engine. What it
// returns is as Generate, the function, says.
func (e *Engine) Generate(ctx context.Context, model string, req Request, progress func(Progress)) (out []Picture, err error) {
	err = e.submit(ctx, func(w *worker) error {
		out, err = w.generate(ctx, model, req, progress)
		if errors.As(err, new(*lora.LostError)) { // before anything was painted
			w.closeModel()
			out, err = w.generate(ctx, model, req, progress)
		}
		return err
	})
	return out, err
}

func (w *worker) generate(ctx context.Context, model string, req Request, progress func(Progress)) ([]Picture, error) {
	m, err := w.open(modelKey{model, library.Options{VAE: req.VAE, Prediction: req.Prediction}})
	if err != nil {
		return nil, err
	}
	if req.Width == 0 && req.Height == 0 {
		req.Width, req.Height = defaultSize(m, req)
	}
	if req.Tiny == nil && req.Preview > 0 && req.PreviewDecoder != "" {
		if req.Tiny, err = w.openTiny(req.PreviewDecoder, m); err != nil {
			return nil, err
		}
	}
	return generate(ctx, m, &w.patches, req, progress)
}

// Open opens a model, so that the next Generate need not, and returns the size in
// pixels of the pictures that it was trained on.
func (e *Engine) Open(ctx context.Context, model string) (width, height int, err error) {
	err = e.submit(ctx, func(w *worker) error {
		m, err := w.open(modelKey{name: model})
		if err == nil {
			width, height = m.NativeSize()
		}
		return err
	})
	return width, height, err
}

// With runs f with an open model, without LoRAs, on the engine's goroutine.
func (e *Engine) With(ctx context.Context, model string, f func(m *library.Model) error) error {
	return e.submit(ctx, func(w *worker) error {
		m, err := w.open(modelKey{name: model})
		if err != nil {
			return err
		}
		if w.patches.clear() != nil {
			w.closeModel()
			if m, err = w.open(modelKey{name: model}); err != nil {
				return err
			}
		}
		return f(m)
	})
}

// Do runs f with the engine's device on its goroutine. The open model is closed
// first: f, a training for example, has the whole memory.
func (e *Engine) Do(ctx context.Context, f func(dev *gpu.Device) error) error {
	return e.submit(ctx, func(w *worker) error {
		w.closeModel()
		w.closeTiny()
		w.dev.Trim()
		defer w.dev.Trim()
		return f(w.dev)
	})
}

// open returns the model that is asked for: the one that is open if it is that and
// its files have not been written anew.
func (w *worker) open(key modelKey) (m *library.Model, err error) {
	var changed time.Time
	if key.name != Builtin {
		changed = modified(key.name)
	}
	vaeChanged := modified(key.options.VAE)
	if w.model != nil && w.key == key && w.changed.Equal(changed) && w.vaeChanged.Equal(vaeChanged) {
		return w.model, nil
	}
	w.closeModel()
	switch {
	case key.name != Builtin:
		m, err = key.options.Open(key.name, w.dev, w.dtype)
	case !assets.HasModel():
		err = ErrNoModel
	case key.options.VAE != "":
		err = errors.New("the built-in model has an autoencoder of its own: leave out the other one")
	case key.options.Prediction != "":
		err = errors.New("what the built-in model predicts is known: leave it out")
	default:
		m, err = library.OpenFS(assets.Model(), Builtin, w.dev, w.dtype)
	}
	if err != nil {
		return nil, err
	}
	w.model, w.key, w.changed, w.vaeChanged = m, key, changed, vaeChanged
	return m, nil
}

// modified is when a file, or the index of a folder, was last written; the zero
// time if it is not there.
func modified(path string) time.Time {
	// The index is what a finished training writes last.
	for _, p := range []string{filepath.Join(path, "model_index.json"), path} {
		if info, err := os.Stat(p); err == nil && path != "" {
			return info.ModTime()
		}
	}
	return time.Time{}
}

func (w *worker) closeModel() {
	w.patches.forget()
	if w.model != nil {
		w.model.Close()
		w.model = nil
	}
}

// openTiny returns the TAESD at path, or for m's family in the folder path; nil
// if there is none in it.
func (w *worker) openTiny(path string, m *library.Model) (*vae.Tiny, error) {
	if found := FindTiny(path, m.Family); found != "" {
		path = found
	} else if info, err := os.Stat(path); err == nil && info.IsDir() {
		if _, err := os.Stat(filepath.Join(path, vaeWeights)); err != nil {
			return nil, nil
		}
	}
	if w.tiny != nil && w.tinyPath == path {
		return w.tiny, nil
	}
	w.closeTiny()
	t, err := OpenTiny(path, w.dev, w.dtype)
	if err != nil {
		return nil, err
	}
	w.tiny, w.tinyPath = t, path
	return t, nil
}

func (w *worker) closeTiny() {
	if w.tiny != nil {
		nn.Free(w.tiny)
		w.tiny = nil
	}
}

// defaultSize is the size of a picture for which none was asked: that of the
// picture to begin at, in the steps that m paints in, or else m's own.
func defaultSize(m *library.Model, r Request) (width, height int) {
	if r.Init == nil || r.OnlyMasked {
		return m.NativeSize()
	}
	f := m.VAE.Config.Factor()
	whole := func(n int) int { return max(f, (n+f/2)/f*f) }
	return whole(r.Init.Bounds().Dx()), whole(r.Init.Bounds().Dy())
}
