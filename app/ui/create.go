//go:build !headless

package ui

import (
	"context"
	"errors"
	"fmt"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"latent/app/gallery"
	"latent/app/pictures"
)

// createPage turns a prompt into pictures.
type createPage struct {
	content fyne.CanvasObject
	win     *Window
	form    *form
	view    *view
	empty   fyne.CanvasObject // shown while there is no picture
	strip   *strip[*result]
	notice  *notice
	status  *text
	bar     *bar

	generate, stop, save, reuse *button

	cancel context.CancelFunc // set while pictures are being made
	shown  *result            // the finished picture in the view
	steps  coalesce[Progress]
}

// footHeight is that of the line below the picture, whether or not it holds
// buttons: the picture must not jump.
const footHeight = 34

// result is a finished picture of this session.
type result struct {
	Picture
	path string // where the gallery keeps it; empty until then
}

func newCreatePage(w *Window) *createPage {
	k := &w.keys
	p := &createPage{win: w, form: newForm(k, w.engine, w.models), view: newView(w.post), notice: newNotice(k), bar: newBar()}
	p.steps = coalesce[Progress]{post: w.post, show: p.progress, merge: func(older, newer Progress) Progress {
		if newer.Preview == nil {
			newer.Preview = older.Preview
		}
		return newer
	}}
	p.status = newText("", colorMuted, theme.SizeNameCaptionText)
	p.generate = newButton(k, "Generate", theme.NewColoredResource(icon("create"), theme.ColorNameForegroundOnPrimary), p.start).primary()
	p.stop = newButton(k, "Cancel", theme.MediaStopIcon(), p.abort)
	p.stop.Hide()
	p.save = newButton(k, "Save PNG…", theme.DocumentSaveIcon(), p.savePNG)
	p.reuse = newButton(k, "Use its settings", theme.ContentUndoIcon(), p.reuseSettings)
	p.strip = newStrip(p.pick)
	p.empty = emptyState(icon("create"), "Your picture appears here", "Ctrl+Enter makes one from the prompt, Esc stops")

	act := fixedSize(0, 42, beside(nil, container.NewStack(p.generate, p.stop), fixedSize(72, 0, p.form.count)))
	controls := container.NewBorder(nil, stack(tight, p.notice, act), nil, nil, scrolled(p.form.content))
	foot := fixedSize(0, footHeight, beside(nil, middle(stack(tight, p.status, p.bar)), row(tight, p.reuse, p.save)))
	right := container.NewBorder(nil, stack(tight, foot, p.strip.content), nil, nil,
		newPanel(colorStage, gap, container.NewStack(p.empty, p.view)))
	p.content = sidebar(controls, right)
	p.offer()
	return p
}

// start makes the pictures that the form asks for.
func (p *createPage) start() {
	if p.cancel != nil {
		return
	}
	p.notice.clear()
	if !p.form.locked {
		p.form.setSeed(newSeed())
	}
	r, err := p.form.request()
	if err != nil {
		p.notice.fail(err.Error())
		return
	}
	r.Compute = p.win.settings.compute()
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.generate.Hide()
	p.stop.Show()
	p.bar.set(0, 1)
	p.status.SetText("Starting …")
	folder := p.win.settings.Output
	go func() {
		err := p.win.engine.Generate(ctx, r, func(pr Progress) {
			p.steps.put(pr)
			if pr.Picture != nil {
				p.keep(*pr.Picture, folder)
			}
		})
		p.win.post(func() { p.finished(err) })
	}()
}

// keep shows a finished picture and saves it into the gallery's folder. It runs
// on the engine's goroutine.
func (p *createPage) keep(pic Picture, folder string) {
	r := &result{Picture: pic}
	thumb := pictures.Fit(asRGBA(pic.Image), thumbPixels, thumbPixels)
	p.win.post(func() {
		p.strip.add(thumb, r)
		p.pick(r)
	})
	path, err := saveNext(folder, pic)
	p.win.post(func() {
		if r.path = path; err != nil {
			p.notice.fail(fmt.Sprintf("the picture could not be kept in %s: %v. Choose another folder on the Settings page, or press Save PNG", folder, err))
			return
		}
		p.win.gallery.changed()
	})
}

func (p *createPage) progress(pr Progress) {
	if p.cancel == nil {
		return
	}
	p.bar.set((pr.Image-1)*pr.Steps+pr.Step, pr.Images*pr.Steps)
	p.status.SetText(join(ofMany("Picture", pr.Image, pr.Images), ofMany("Step", pr.Step, max(pr.Steps, 2)), left(pr.Left)))
	if pr.Preview != nil {
		p.empty.Hide()
		p.view.preview(pr.Preview)
	}
}

// ofMany is "Step 3 of 20", or nothing where there is but one.
func ofMany(what string, i, n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf("%s %d of %d", what, i, n)
}

func (p *createPage) finished(err error) {
	p.cancel()
	p.cancel = nil
	p.stop.Hide()
	p.generate.Show()
	p.bar.rest()
	switch {
	case errors.Is(err, context.Canceled):
		p.status.SetText("Cancelled")
	case err != nil:
		p.status.SetText("")
		p.notice.fail(err.Error())
	default:
		p.offer()
		return
	}
	// What the view shows now is a picture that nobody will finish.
	if p.shown != nil {
		p.view.show(p.shown.Image)
	} else {
		p.view.show(nil)
		p.empty.Show()
	}
}

// abort stops what runs, if anything does.
func (p *createPage) abort() {
	if p.cancel != nil {
		p.cancel()
		p.status.SetText("Stopping …")
	}
}

// pick shows a finished picture.
func (p *createPage) pick(r *result) {
	p.shown = r
	p.empty.Hide()
	p.view.show(r.Image)
	p.offer()
}

// offer says what is shown and what can be done with it.
func (p *createPage) offer() {
	if p.shown == nil {
		p.save.Hide()
		p.reuse.Hide()
		return
	}
	p.save.Show()
	p.reuse.Show()
	if p.cancel == nil {
		r := p.shown.Recipe
		p.status.SetText(join(fmt.Sprintf("Seed %d", r.Seed), sizeText(r.Width, r.Height), plural(r.Steps, "step"), fmt.Sprintf("guidance %g", r.CFGScale)))
	}
}

func (p *createPage) reuseSettings() {
	if p.shown != nil {
		p.restore(p.shown.Recipe)
	}
}

// restore fills the form from a recipe and says what did not fit.
func (p *createPage) restore(r gallery.Recipe) {
	p.notice.clear()
	if missing := p.form.restore(r); len(missing) > 0 {
		p.notice.tell("settings restored but for " + joinAnd(missing) + ", which Latent does not have here")
	}
}

// savePNG asks where to save the shown picture.
func (p *createPage) savePNG() {
	r := p.shown
	if r == nil {
		return
	}
	p.win.askSave(fmt.Sprintf("latent-%d.png", r.Recipe.Seed), func(path string) {
		inBackground(p.win.post, func() (string, error) {
			return path, gallery.Save(path, r.Image, r.Recipe)
		}, func(path string, err error) {
			if err != nil {
				p.notice.fail(fmt.Sprintf("the picture could not be saved: %v", err))
				return
			}
			p.status.SetText("Saved as " + path)
		})
	})
}
