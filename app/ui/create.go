//go:build !headless

package ui

import (
	"fmt"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"latent/app/gallery"
)

// createPage turns a prompt into pictures: Generate adds to the queue, and the
// page shows what the queue is painting.
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

	generate, skip, stop, goOn, save, reuse, watch *button

	shown  *result  // the finished picture that was picked last
	pinned bool     // shown stays in the view while the next one is painted
	last   Progress // of what runs
}

// footHeight is that of the line below the picture, whether or not it holds
// buttons: the picture must not jump.
const footHeight = 34

func newCreatePage(w *Window) *createPage {
	k := &w.keys
	p := &createPage{win: w, form: newForm(k, w.engine, w.models), view: newView(w.post), notice: newNotice(k), bar: newBar()}
	p.status = newText("", colorMuted, theme.SizeNameCaptionText).short()
	p.generate = newButton(k, "Generate", theme.NewColoredResource(icon("create"), theme.ColorNameForegroundOnPrimary), p.start).primary()
	p.stop = newButton(k, "Cancel", theme.MediaStopIcon(), p.abort)
	p.skip = newButton(k, "Skip", theme.MediaSkipNextIcon(), w.jobs.skip)
	p.goOn = newButton(k, "Go on", theme.MediaPlayIcon(), func() { w.jobs.pause(false) })
	p.watch = newButton(k, "Watch", theme.VisibilityIcon(), p.unpin)
	p.save = newButton(k, "Save PNG…", theme.DocumentSaveIcon(), p.savePNG)
	p.reuse = newButton(k, "Use its settings", theme.ContentUndoIcon(), p.reuseSettings)
	p.strip = newStrip(p.pickByHand)
	p.empty = emptyState(icon("create"), "Your picture appears here", "Ctrl+Enter makes one from the prompt, Esc stops")

	act := fixedSize(0, 42, beside(nil, p.generate, fixedSize(72, 0, p.form.count)))
	controls := container.NewBorder(nil, stack(tight, p.notice, act), nil, nil, scrolled(p.form.content))
	foot := fixedSize(0, footHeight, beside(nil, middle(stack(tight, p.status, p.bar)),
		row(tight, p.reuse, p.save, p.watch, p.goOn, p.skip, p.stop)))
	right := container.NewBorder(nil, stack(tight, foot, p.strip.content), nil, nil,
		newPanel(colorStage, gap, container.NewStack(p.empty, p.view)))
	p.content = sidebar(controls, right)
	return p
}

// start puts what the form asks for into the queue.
func (p *createPage) start() {
	p.notice.clear()
	if !p.form.locked {
		p.form.setSeed(newSeed())
	}
	r, count, err := p.form.request()
	if err != nil {
		p.notice.fail(err.Error())
		return
	}
	r.Compute = p.win.settings.compute()
	p.win.jobs.add(r, count)
}

// refresh shows what the queue is doing.
func (p *createPage) refresh() {
	q := p.win.jobs
	runs, pins := q.running != nil, p.shown != nil && (q.running == nil || p.pinned)
	show(p.stop, runs)
	show(p.skip, runs && (q.running.Count > 1))
	show(p.watch, runs && p.pinned)
	show(p.save, pins)
	show(p.reuse, pins && !runs)
	show(p.goOn, !runs && q.paused && q.waits() > 0)
	if !runs {
		p.bar.rest()
		p.last = Progress{}
	}
	waiting := ""
	if n := q.waits(); n > 0 {
		waiting = plural(n, "job") + " waiting"
		switch {
		case q.waiting:
			waiting += " until the training is done"
		case q.paused && !runs:
			waiting = "Queue paused, " + waiting
		case q.paused:
			waiting = "queue pauses, " + waiting
		}
	}
	switch {
	case runs && (q.removed || q.skipped):
		p.status.SetText("Stopping …")
	case runs && p.last.Steps == 0:
		p.bar.set(0, 1)
		p.status.SetText(join("Starting …", waiting))
	case runs:
		pr := p.last
		p.bar.set((pr.Image-1)*pr.Steps+pr.Step, pr.Images*pr.Steps)
		p.status.SetText(join(ofMany("Picture", pr.Image, pr.Images), ofMany("Step", pr.Step, max(pr.Steps, 2)), left(pr.Left), waiting))
	case waiting != "":
		p.status.SetText(waiting)
	case p.shown != nil:
		r := p.shown.Recipe
		p.status.SetText(join(fmt.Sprintf("Seed %d", r.Seed), sizeText(r.Width, r.Height), plural(r.Steps, "step"), fmt.Sprintf("guidance %g", r.CFGScale)))
	default:
		p.status.SetText("")
	}
	if !runs && p.view.quick {
		p.showPicked() // the preview is of a picture that nobody will finish
	}
}

// progress shows how far the picture under way is.
func (p *createPage) progress(_ *Job, pr Progress) {
	p.last = pr
	if pr.Preview != nil && !p.pinned {
		p.empty.Hide()
		p.view.preview(pr.Preview)
	}
	p.refresh()
}

// finished takes a picture that the queue has made.
func (p *createPage) finished(r *result) {
	p.strip.add(r.thumb, r)
	if p.pinned {
		p.strip.choose(p.shown)
		return
	}
	p.shown = r
	p.showPicked()
}

// ofMany is "Step 3 of 20", or nothing where there is but one.
func ofMany(what string, i, n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf("%s %d of %d", what, i, n)
}

// abort stops what runs, if anything does, and the pictures that its job still
// had to make.
func (p *createPage) abort() {
	if j := p.win.jobs.running; j != nil {
		p.win.jobs.remove(j)
	}
}

// pickByHand shows a finished picture, also while the next one is painted.
func (p *createPage) pickByHand(r *result) {
	p.shown = r
	p.pinned = p.win.jobs.running != nil
	p.showPicked()
	p.refresh()
}

// unpin goes back to watching.
func (p *createPage) unpin() {
	p.pinned = false
	p.refresh()
}

func (p *createPage) showPicked() {
	if p.shown == nil {
		p.view.show(nil)
		p.empty.Show()
		return
	}
	p.empty.Hide()
	p.view.show(p.shown.Image)
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
