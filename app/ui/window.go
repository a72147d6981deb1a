//go:build !headless

package ui

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"latent/gpu/atomicfile"
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
			switch {
			case path == w.places.settings:
				at = w.prefs.notice
			case w.train.album.holds(path):
				at = w.train.notice
			}
			at.fail(fmt.Sprintf("%s could not be kept: %v", path, atomicfile.Reason(err)))
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
	w.Resize(readWindowSize(at))
	w.Canvas().SetOnTypedKey(func(e *fyne.KeyEvent) { w.keys.took(e) })
	w.SetOnDropped(func(at fyne.Position, uris []fyne.URI) {
		if !w.create.controls.dropped(at, uris) {
			w.dropped(uris)
		}
	})
	w.SetCloseIntercept(w.close)
	w.queueChanged()
	w.show(pageCreate)
	w.create.recall()
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
	if i := indexModel(w.models, id); i >= 0 {
		return w.models[i].Name
	}
	return filepath.Base(id)
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

// readModels looks again for models, as after a training.
func (w *Window) readModels() { w.readModelsThen(func() {}) }

func (w *Window) readModelsThen(done func()) {
	folder := w.settings.Models
	inBackground(w.post, func() ([]Model, error) { return w.engine.Models(folder), nil }, func(models []Model, _ error) {
		w.setModels(models)
		done()
	})
}

func (w *Window) setModels(models []Model) {
	w.models = models
	w.create.form.setModels(models)
	w.train.base.SetOptions(modelNames(models))
	if w.train.base.SelectedIndex() < 0 {
		w.train.base.SetSelectedIndex(0)
	}
}

// readExtras looks again for LoRAs, autoencoders, ControlNets and upscalers.
func (w *Window) readExtras() {
	folders := w.settings.folders()
	inBackground(w.post, func() (Extras, error) { return w.engine.Extras(folders), nil }, func(x Extras, _ error) { w.setExtras(x) })
}

func (w *Window) setExtras(x Extras) {
	w.extras = x
	w.create.offer(x)
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
	w.keeper.put(windowSizePath(w.places), formatWindowSize(w.Canvas().Size()))
	w.jobs.quit()
	w.keeper.flush()
	w.Close()
}
