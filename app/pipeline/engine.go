package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"latent/app/library"
	"latent/app/library/lora"
	"latent/gpu"
	_ "latent/gpu/cuda"
	_ "latent/gpu/host"
	_ "latent/gpu/reference"
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
			w.closeAll()
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
	return e.Share(ctx, func(dev *gpu.Device, _ func()) error { return f(dev) })
}

// Share is Do for work that takes hours: whenever f calls yield, jobs that wait have
// the device, with the memory that f leaves of it. What they have opened is closed
// before yield returns, and what f has on the device stays as it is.
func (e *Engine) Share(ctx context.Context, f func(dev *gpu.Device, yield func()) error) error {
	return e.submit(ctx, func(w *worker) error {
		w.closeAll()
		defer w.dev.Trim()
		return f(w.dev, func() { e.yield(w) })
	})
}

// yieldFor is how long the work that yields waits for another job: a queue hands in its
// next one soon after the last, for which the model would have to be opened again.
const yieldFor = 200 * time.Millisecond

func (e *Engine) yield(w *worker) {
	select {
	case j := <-e.jobs:
		j.done <- w.do(j.run)
	default:
		return
	}
	defer w.closeAll()
	for {
		select {
		case j := <-e.jobs:
			j.done <- w.do(j.run)
		case <-time.After(yieldFor):
			return
		}
	}
}
