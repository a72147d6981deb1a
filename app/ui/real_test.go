package ui

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"latent/app/trainer"
	"latent/assets"
	"latent/scheduler"
)

func TestModels(t *testing.T) {
	dir := t.TempDir()
	for name, from := range map[string]fs.FS{"whole": os.DirFS("../library/testdata/sd1"), "no weights": assets.Skeleton()} {
		if err := os.CopyFS(filepath.Join(dir, name), from); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "note.txt"), "no model")
	write(t, filepath.Join(dir, "page.safetensors"), "<!doctype html><html>sign in</html>")
	e := NewEngine()
	list := e.Models(dir)
	if len(list) != 2 || list[1].Name != "whole" || list[1].ID != filepath.Join(dir, "whole") || list[1].Size <= 0 || list[1].Unit <= 0 {
		t.Errorf("models %+v, want the built-in one and whole", list)
	}
	problems := map[string]bool{}
	for _, f := range e.Library(Folders{Models: dir}) {
		problems[f.Name] = f.Problem != ""
	}
	want := map[string]bool{"Postcard (built in)": false, "whole": false, "no weights": true, "page": true}
	if !reflect.DeepEqual(problems, want) {
		t.Errorf("problems %v, want %v", problems, want)
	}
	if got := e.Models(filepath.Join(dir, "nowhere")); len(got) != 1 {
		t.Errorf("models %+v, want the built-in one alone", got)
	}
}

func TestDescribeBrokenModel(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"empty":  {},
		"no VAE": {"model_index.json": {}, "unet/config.json": {Data: []byte("{}")}},
		"junk":   {"model_index.json": {}, "unet/config.json": {Data: []byte("[")}},
	} {
		if m, err := describe(fs.FS(files)); err == nil {
			t.Errorf("%s was taken for %+v", name, m)
		}
	}
}

func TestSamplersAreTheSchedulers(t *testing.T) {
	list := NewEngine().Samplers()
	if list[0].Label != "DDIM" || len(list) != len(scheduler.Samplers()) {
		t.Errorf("samplers %v", list)
	}
}

// A training that was stopped goes on with the recipe that it began with.
func TestTrainConfig(t *testing.T) {
	out := filepath.Join(t.TempDir(), "models", "cats")
	r := TrainRequest{Compute: Compute{"auto", "auto"}, Base: "builtin", Folder: t.TempDir(), Output: out,
		Steps: 40, Batch: 4, LearningRate: 2e-4, Resolution: 128, SamplePrompt: "a cat", SampleEvery: 4}
	begun, err := trainConfig(r)
	if err != nil {
		t.Fatal(err)
	}
	e := NewEngine()
	if e.Resumable(out) {
		t.Error("nothing was trained yet")
	}
	if err := os.Mkdir(filepath.Join(out, trainer.State), 0o755); err != nil {
		t.Fatal(err)
	}
	if e.Resumable(out) {
		t.Error("it had not done anything")
	}
	if again, err := trainConfig(r); err != nil || !reflect.DeepEqual(again, begun) {
		t.Errorf("begun again: %+v, %v", again, err)
	}
	if err := os.MkdirAll(filepath.Join(out, trainer.State), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(out, trainer.State, "denoiser.safetensors"), "")
	if !e.Resumable(out) {
		t.Error("a stopped training must be resumable")
	}
	r.Resume, r.Steps, r.LearningRate = true, 99, 1
	again, err := trainConfig(r)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, begun) {
		t.Errorf("went on with\n%+v, began with\n%+v", again, begun)
	}
	want := r
	want.Compute, want.Steps, want.LearningRate = Compute{}, 40, 2e-4
	if got := e.Stopped(Folders{Models: filepath.Dir(out), LoRAs: "/nowhere"}); len(got) != 1 || got[0] != want {
		t.Errorf("stopped trainings %+v, want %+v", got, want)
	}
	r.Resume = false
	write(t, filepath.Join(out, "model_index.json"), "{}")
	if _, err := trainConfig(r); err == nil || !strings.Contains(err.Error(), "cats already") {
		t.Errorf("error %v must say that the name is taken", err)
	}

	r.Output, r.Rank, r.Text, r.Flip, r.Frugal = filepath.Join(filepath.Dir(out), "fur"), 8, true, true, true
	c, err := trainConfig(r)
	if err != nil {
		t.Fatal(err)
	}
	if c.LoRA == nil || c.LoRA.Rank != 8 || !c.LoRA.TextEncoder || !c.Data.Flip || !c.Denoiser.Checkpointed || c.Result() != filepath.Join(r.Output, "fur.safetensors") {
		t.Errorf("recipe of a LoRA %+v, %+v", c, c.LoRA)
	}
	write(t, c.Result(), "")
	if _, err := trainConfig(r); err == nil || !strings.Contains(err.Error(), "LoRA called fur already") {
		t.Errorf("error %v must say that the name is taken", err)
	}
}
