package pipeline

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"latent/app/library"
	"latent/scheduler"
)

func TestModelsAreKeptAndReopened(t *testing.T) {
	e, dir, other := start(t), tinyModel(t, 1), tinyModel(t, 2)
	a := paint(t, e, dir, request())[0].Image.Pix
	if cmp.Equal(a, paint(t, e, other, request())[0].Image.Pix) {
		t.Error("two models give one picture")
	}
	if !cmp.Equal(a, paint(t, e, dir, request())[0].Image.Pix) {
		t.Error("a model opened again gives another picture")
	}
	// Training writes a folder anew while its old weights are open.
	writeTinyModel(t, dir, 2)
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "model_index.json"), later, later); err != nil {
		t.Fatal(err)
	}
	if cmp.Equal(a, paint(t, e, dir, request())[0].Image.Pix) {
		t.Error("a model written anew was not opened again")
	}
}

func TestAnotherAutoencoder(t *testing.T) {
	e, dir, other := start(t), tinyModel(t, 1), tinyModel(t, 2)
	plain := paint(t, e, dir, request())[0]
	req := request()
	req.VAE = filepath.Join(other, "vae")
	got := paint(t, e, dir, req)[0]
	if cmp.Equal(plain.Image.Pix, got.Image.Pix) {
		t.Error("another autoencoder paints the same picture")
	}
	if r := got.Recipe; r.VAE != "vae" || len(r.VAEHash) != 10 || len(r.ModelHash) != 10 || r.ModelHash != plain.Recipe.ModelHash || plain.Recipe.VAE != "" {
		t.Errorf("recipe %+v", r)
	}
	if !cmp.Equal(plain, paint(t, e, dir, request())[0]) {
		t.Error("the model's own autoencoder is not back")
	}
	req.VAE = filepath.Join(other, "none")
	if _, err := e.Generate(t.Context(), dir, req, nil); err == nil || !strings.Contains(err.Error(), "autoencoder") {
		t.Errorf("no autoencoder: %v", err)
	}
	req.VAE = other
	if _, err := e.Generate(t.Context(), Builtin, req, nil); err == nil {
		t.Error("the built-in model takes another autoencoder")
	}
}

// What the model's files say it predicts can be set right; it is another model then.
func TestPrediction(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	req := request()
	req.Schedule = scheduler.ScheduleDDIMUniform // the model is one of zero SNR, where ε says nothing
	plain := paint(t, e, dir, req)[0]
	req.Prediction = scheduler.PredictEpsilon
	got := paint(t, e, dir, req)[0]
	if cmp.Equal(plain.Image.Pix, got.Image.Pix) {
		t.Error("the prediction type changes nothing")
	}
	if !strings.Contains(got.Recipe.String(), "Prediction type: epsilon") || strings.Contains(plain.Recipe.String(), "Prediction type") {
		t.Errorf("recipes %q and %q", got.Recipe, plain.Recipe)
	}
	req.Prediction = ""
	if !cmp.Equal(plain, paint(t, e, dir, req)[0]) {
		t.Error("the model's own prediction type is not back")
	}
	for model, kind := range map[string]string{dir: "speed", Builtin: scheduler.PredictEpsilon} {
		req.Prediction = kind
		if _, err := e.Generate(t.Context(), model, req, nil); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s as a model of %s: %v", model, kind, err)
		}
	}
	err := e.With(t.Context(), dir, func(m *library.Model) error {
		req.Prediction = scheduler.PredictEpsilon
		if _, err := Generate(t.Context(), m, req, nil); err == nil {
			t.Error("an open model changes what it predicts")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNativeSize(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	w, h, err := e.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	req := request()
	req.Width, req.Height = 0, 0
	if b := paint(t, e, dir, req)[0].Image.Bounds(); w == 0 || b.Dx() != w || b.Dy() != h {
		t.Errorf("picture of %v, the model's own size is %dx%d", b, w, h)
	}
}
