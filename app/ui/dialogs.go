//go:build !headless

package ui

import (
	"image"
	"latent/app/pictures"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/widget"
)

// confirm asks before something is destroyed.
func (w *Window) confirm(title, text, verb string, do func()) {
	d := dialog.NewConfirm(title, text, func(yes bool) {
		if yes {
			do()
		}
	}, w)
	d.SetConfirmText(verb)
	d.SetConfirmImportance(widget.DangerImportance)
	d.Show()
}

// askPicture lets a person choose a picture file.
func (w *Window) askPicture(chosen func(path string)) {
	w.askFile(storage.NewExtensionFileFilter(pictures.Suffixes), w.settings.Output, chosen)
}

// askModel lets a person choose a model file.
func (w *Window) askModel(chosen func(path string)) { w.askFile(modelFilter{}, "", chosen) }

// askFile lets a person choose a file of those that pass filter, from folder on.
func (w *Window) askFile(filter storage.FileFilter, folder string, chosen func(path string)) {
	d := dialog.NewFileOpen(func(f fyne.URIReadCloser, err error) {
		if err == nil && f != nil {
			f.Close()
			chosen(f.URI().Path())
		}
	}, w)
	d.SetFilter(filter)
	w.showDialog(d, folder)
}

func (w *Window) askRestore() { w.askPicture(w.restore) }

// askFolder lets a person choose a folder.
func (w *Window) askFolder(chosen func(path string)) {
	d := dialog.NewFolderOpen(func(f fyne.ListableURI, err error) {
		if err == nil && f != nil {
			chosen(f.Path())
		}
	}, w)
	w.showDialog(d, "")
}

// askSave lets a person choose where a picture goes.
func (w *Window) askSave(name string, chosen func(path string)) {
	d := dialog.NewFileSave(func(f fyne.URIWriteCloser, err error) {
		if err == nil && f != nil {
			path := f.URI().Path()
			f.Close()
			chosen(path)
		}
	}, w)
	d.SetFileName(name)
	w.showDialog(d, "")
}

func (w *Window) showDialog(d *dialog.FileDialog, folder string) {
	if folder != "" {
		if at, err := storage.ListerForURI(storage.NewFileURI(folder)); err == nil {
			d.SetLocation(at)
		}
	}
	d.Resize(fyne.NewSize(820, 560))
	d.Show()
}

// enlarge shows a picture over the window, until it is tapped.
func (w *Window) enlarge(img image.Image) {
	v := newView(w.post)
	d := dialog.NewCustom("", "Close", fixedSize(480, 480, v), w)
	v.show(img)
	d.Show()
}
