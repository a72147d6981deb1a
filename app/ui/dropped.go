//go:build !headless

package ui

import (
	"fmt"
	"os"
	"path/filepath"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/storage"

	"latent/app/gallery"
	"latent/app/pictures"
	"latent/gpu/atomicfile"
)

// dropped takes what a person let fall on the window: a folder to train on, or a
// picture, whose settings are used again or which is to be begun from.
func (w *Window) dropped(uris []fyne.URI) {
	for _, u := range uris {
		path := u.Path()
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			if _, err := os.Stat(filepath.Join(path, "model_index.json")); err == nil {
				w.show(pageModels)
				w.library.add(path)
				return
			}
			w.train.folder.SetText(path)
			w.show(pageTrain)
			return
		}
		switch {
		case pictures.Named(path):
			w.restore(path)
			return
		case isModelName(path):
			w.show(pageModels)
			w.library.add(path)
			return
		}
	}
	if len(uris) > 0 {
		w.create.notice.fail("drop a picture here to use its settings or to begin from it, a folder of pictures to train on, or a model")
		w.show(pageCreate)
	}
}

// Open takes files and folders as if they were dropped on the window.
func (w *Window) Open(paths []string) {
	var uris []fyne.URI
	for _, p := range paths {
		uris = append(uris, storage.NewFileURI(p))
	}
	w.dropped(uris)
}

// restore uses the settings that a picture carries. One that carries none is a
// picture to begin from.
func (w *Window) restore(path string) {
	begin := w.engine.Features().Init
	type reading struct {
		gallery.Recipe
		source    string
		unmatched []string
		extras    Extras
	}
	folders := w.settings.folders()
	inBackground(w.post, func() (r reading, err error) {
		r.Recipe, r.source, r.unmatched, err = gallery.ReadRecipe(path)
		r.extras = w.engine.Extras(folders)
		return r, err
	}, func(r reading, err error) {
		w.setExtras(r.extras)
		w.show(pageCreate)
		name := filepath.Base(path)
		switch {
		case err == nil:
			w.create.restore(r.Recipe, r.unmatched...)
			if begin && !w.create.notice.Visible() {
				w.create.notice.offer("the settings of "+name+" are in the form", "Begin from it", func() { w.create.initial.load(path) })
			}
		case begin:
			w.create.initial.load(path)
		default:
			w.create.notice.fail(fmt.Sprintf("%s: %v", name, atomicfile.ReasonOf(err, path)))
		}
	})
}
