//go:build !headless

package ui

import (
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"latent/app/gallery"
)

// The pages, in the order of the rail.
const (
	pageCreate = iota
	pageQueue
	pageGallery
	pageTrain
	pageModels
	pageSettings
)

// Window is Latent's window.
type Window struct {
	fyne.Window
	engine Engine
	post   poster
	keys   keys

	models   []Model
	extras   Extras
	settings Settings
	places   places
	keeper   *keeper
	jobs     *jobs
	measures measures

	create  *createPage
	queue   *queuePage
	gallery *galleryPage
	train   *trainPage
	library *modelsPage
	prefs   *settingsPage
	rail    []*navItem
	pages   []fyne.CanvasObject
	page    int

	quitting bool // as soon as the training has stopped
	gone     bool
}

// New builds the window over an engine; Show brings it up. Settings, queue and
// thumbnails are kept in the desktop's folders for such things.
func New(app fyne.App, e Engine) (*Window, error) {
	places, err := userPlaces()
	if err != nil {
		return nil, err
	}
	return newWindow(app, e, places, postToWindow), nil
}

func newWindow(app fyne.App, e Engine, at places, post poster) *Window {
	w := &Window{engine: e, post: post, places: at}
	var messages [2]string
	w.settings, messages[0] = loadSettings(at.settings)
	app.Settings().SetTheme(newLook(w.settings.Theme))
	w.models = e.Models(w.settings.Models)
	w.Window = app.NewWindow("Latent")
	w.keys.escape = w.escape
	dot := canvas.NewRectangle(color.Transparent)
	w.keys.repaint = dot.Refresh
	hand := post
	post = func(f func()) { hand(func() { f(); w.keys.shown() }) }
	w.post = post
	w.keeper = newKeeper(func(path string, err error) {
		w.post(func() {
			at := w.create.notice
			if path == w.places.settings {
				at = w.prefs.notice
			}
			at.fail(fmt.Sprintf("%s could not be kept: %v", path, plainReason(err)))
		})
	})
	w.jobs, messages[1] = newJobs(e, post, w.keeper, filepath.Join(at.state, "queue"))
	w.jobs.output = func() string { return w.settings.Output }

	if data, err := os.ReadFile(w.measuresPath()); err == nil {
		w.measures.kind = parseMeasures(data)
	}
	w.create = newCreatePage(w)
	w.queue = newQueuePage(w)
	w.gallery = newGalleryPage(w)
	w.train = newTrainPage(w)
	w.library = newModelsPage(w)
	w.prefs = newSettingsPage(w)
	if m := messages[0]; m != "" {
		w.prefs.notice.tell(m)
	}
	if m := joinNotes(messages[0], messages[1], strings.TrimSuffix(w.create.notice.message.Text, ".")); m != "" {
		w.create.notice.tell(m)
	}
	w.jobs.changed = w.queueChanged
	w.jobs.progress = func(j *Job, p Progress) { w.create.progress(j, p); w.queue.progress(j, p) }
	w.jobs.finished = func(_ *Job, r *result) { w.create.finished(r); w.gallery.changed() }
	w.jobs.failed = func(_ *Job, message string) { w.create.notice.fail(message) }
	w.jobs.measured = func(r Request, work Work) {
		w.measures.add(r, work)
		w.keeper.put(w.measuresPath(), w.measures.encode())
		w.create.formChanged()
	}
	w.pages = []fyne.CanvasObject{w.create.content, w.queue.content, w.gallery.content, w.train.content, w.library.content, w.prefs.content}
	for i, n := range []struct {
		name string
		icon fyne.Resource
	}{{"Create", icon("create")}, {"Queue", icon("queue")}, {"Gallery", icon("gallery")}, {"Train", icon("train")}, {"Models", icon("models")}, {"Settings", theme.SettingsIcon()}} {
		w.rail = append(w.rail, newNavItem(&w.keys, n.name, n.icon, func() { w.show(i) }))
	}
	rail := container.New(railLayout{})
	for _, n := range w.rail {
		rail.Add(n)
	}
	w.SetContent(padded(tight, edges(nil, nil, container.New(&insets{right: tight}, rail), nil, container.NewStack(append(w.pages, container.NewWithoutLayout(dot))...))))
	w.SetMainMenu(w.menu())
	w.SetPadded(false)
	w.Resize(fyne.NewSize(1100, 700))
	w.Canvas().SetOnTypedKey(func(e *fyne.KeyEvent) { w.keys.took(e) })
	w.SetOnDropped(func(_ fyne.Position, uris []fyne.URI) { w.dropped(uris) })
	w.SetCloseIntercept(w.close)
	w.queueChanged()
	w.show(pageCreate)
	return w
}

// queueChanged shows what the queue holds and does wherever it is shown.
func (w *Window) queueChanged() {
	w.create.refresh()
	w.queue.refresh()
	w.rail[pageQueue].count(len(w.jobs.list))
	w.keys.shown()
}

func (w *Window) measuresPath() string { return filepath.Join(w.places.state, "measures.toml") }

// modelName is what a person calls a model.
func (w *Window) modelName(id string) string {
	for _, m := range w.models {
		if m.ID == id {
			return m.Name
		}
	}
	return filepath.Base(id)
}

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

// show brings up a page.
func (w *Window) show(page int) {
	w.page = page
	for i, p := range w.pages {
		w.rail[i].choose(i == page)
		if i == page {
			p.Show()
		} else {
			p.Hide()
		}
	}
	w.keys.shown()
	w.gallery.shown(page == pageGallery)
	switch page {
	case pageCreate:
		w.readExtras()
	case pageTrain:
		w.train.findStopped()
	case pageModels:
		w.library.read()
	}
	// What was typed on must not go to a page that is hidden.
	w.Canvas().Focus([]fyne.Focusable{w.create.form.prompt, w.queue.list, w.gallery.search, w.train.folder, w.library.list, w.prefs.first}[page])
}

func (w *Window) menu() *fyne.MainMenu {
	item := func(label string, key fyne.KeyName, do func()) *fyne.MenuItem {
		m := fyne.NewMenuItem(label, do)
		if key != "" {
			// On the menu, shortcuts work while a field has the keyboard.
			m.Shortcut = &desktop.CustomShortcut{KeyName: key, Modifier: fyne.KeyModifierShortcutDefault}
		}
		return m
	}
	quit := item("Quit", fyne.KeyQ, w.close)
	quit.IsQuit = true
	return fyne.NewMainMenu(
		fyne.NewMenu("File",
			item("Save PNG…", fyne.KeyS, w.create.savePNG),
			item("Restore settings from a PNG…", fyne.KeyO, w.askRestore),
			fyne.NewMenuItemSeparator(), quit),
		fyne.NewMenu("Picture",
			item("Generate", fyne.KeyReturn, func() { w.show(pageCreate); w.create.start() }),
			item("Cancel (Esc)", "", w.create.abort),
			item("Skip this picture", fyne.KeyK, w.jobs.skip),
			item("Pause the queue, or go on", fyne.KeyP, func() { w.jobs.pause(!w.jobs.paused) }),
			fyne.NewMenuItemSeparator(),
			item("Another idea", fyne.KeyI, func() { w.show(pageCreate); w.create.form.nextExample() }),
			item("Use the picture's settings", fyne.KeyR, w.create.reuseSettings)),
		fyne.NewMenu("View",
			item("Create", fyne.Key1, func() { w.show(pageCreate) }),
			item("Queue", fyne.Key2, func() { w.show(pageQueue) }),
			item("Gallery", fyne.Key3, func() { w.show(pageGallery) }),
			item("Train", fyne.Key4, func() { w.show(pageTrain) }),
			item("Models", fyne.Key5, func() { w.show(pageModels) }),
			item("Settings", fyne.Key6, func() { w.show(pageSettings) })))
}

// escape stops what the page in view is doing.
func (w *Window) escape() {
	if o := w.Canvas().Overlays().Top(); o != nil {
		w.Canvas().Overlays().Remove(o)
		return
	}
	switch {
	case w.page == pageGallery:
		if w.gallery.lightbox.Visible() {
			w.gallery.closeLightbox()
		}
	case w.page == pageCreate && w.create.closeAside():
	default:
		w.create.abort()
	}
}

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
		switch strings.ToLower(filepath.Ext(path)) {
		case ".png", ".jpg", ".jpeg", ".webp":
			w.restore(path)
			return
		}
		if isModelName(path) {
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
		w.extras = r.extras
		w.create.form.setVAEs(r.extras.VAEs)
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
			w.create.notice.fail(fmt.Sprintf("%s: %v", name, withoutPath(err, path)))
		}
	})
}

// askPicture lets a person choose a picture file.
func (w *Window) askPicture(chosen func(path string)) {
	d := dialog.NewFileOpen(func(f fyne.URIReadCloser, err error) {
		if err == nil && f != nil {
			f.Close()
			chosen(f.URI().Path())
		}
	}, w)
	d.SetFilter(storage.NewExtensionFileFilter([]string{".png", ".jpg", ".jpeg", ".webp"}))
	w.showDialog(d, w.settings.Output)
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

// readModels looks again for models, as after a training.
func (w *Window) readModels() { w.readModelsThen(func() {}) }

func (w *Window) readModelsThen(done func()) {
	folder := w.settings.Models
	inBackground(w.post, func() ([]Model, error) { return w.engine.Models(folder), nil }, func(models []Model, _ error) {
		w.models = models
		w.create.form.setModels(models)
		w.train.base.SetOptions(modelNames(models))
		if w.train.base.SelectedIndex() < 0 {
			w.train.base.SetSelectedIndex(0)
		}
		done()
	})
}

// readExtras looks again for LoRAs and autoencoders.
func (w *Window) readExtras() {
	folders := w.settings.folders()
	inBackground(w.post, func() (Extras, error) { return w.engine.Extras(folders), nil }, func(x Extras, _ error) {
		w.extras = x
		w.create.form.setVAEs(x.VAEs)
	})
}

func (w *Window) applyTheme() {
	fyne.CurrentApp().Settings().SetTheme(newLook(w.settings.Theme))
}

// close asks before it ends work that would be lost. The queue stays on the disk.
func (w *Window) close() {
	if w.train.cancel == nil {
		w.leave()
		return
	}
	w.confirm("A training is running", "Stop it and quit? What was learned up to now is kept.", "Stop and quit", func() {
		w.quitting = true
		w.train.abort()
	})
}

// leave ends the window once all is on the disk.
func (w *Window) leave() {
	if w.gone {
		return
	}
	w.gone = true
	w.create.keepDraft()
	w.train.album.keep()
	w.jobs.quit()
	w.keeper.flush()
	w.Close()
}
