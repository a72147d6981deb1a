package pipeline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"latent/app/library"
	"latent/assets"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/vae"
)

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
	beside

	tiny     *vae.Tiny // nil: none is open
	tinyPath string
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
	return generate(ctx, m, &w.beside, req, progress)
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
	w.nets.close()
	if w.model != nil {
		w.model.Close()
		w.model = nil
	}
}

// closeAll leaves the whole memory to others.
func (w *worker) closeAll() {
	w.closeModel()
	w.scaler.close()
	w.closeTiny()
	w.dev.Trim()
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
