//go:build !headless

package ui

import (
	"cmp"
	"fmt"
	"image"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
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

	generate, skip, stop, goOn, save, watch *button

	more      *button
	promised  *text // how long a picture will take
	styles    map[string]style
	styleName *entry            // of the style that is to be kept
	styleBox  fyne.CanvasObject // asks for it, where the styles are chosen
	compare   *view             // shows the picture before, beside the one that is shown
	compared  *result
	stage     *fyne.Container
	initial   *initial
	controls  *controlPanes

	draft *time.Timer // until the form is kept
	files draftFiles
	lost  string // what was told to be gone

	shown  *result  // the finished picture that was picked last
	pinned bool     // shown stays in the view while the next one is painted
	last   Progress // of what runs
}

// footHeight is that of the line below the picture, whether or not it holds
// buttons: the picture must not jump.
const footHeight = 34

func newCreatePage(w *Window) *createPage {
	k := &w.keys
	p := &createPage{win: w, view: newView(w.post), compare: newView(w.post), notice: newNotice(k), bar: newBar()}
	p.form = newForm(k, w.engine, w.models, newMenuLink(k, "Styles", p.styleMenu))
	p.promised = caption("").short()
	p.promised.align = fyne.TextAlignCenter
	p.status = newText("", colorMuted, theme.SizeNameCaptionText).short()
	p.generate = newButton(k, "Generate", theme.NewColoredResource(icon("create"), theme.ColorNameForegroundOnPrimary), p.start).primary()
	p.stop = newButton(k, "Cancel", theme.MediaStopIcon(), p.abort)
	p.skip = newButton(k, "Skip", theme.MediaSkipNextIcon(), w.jobs.skip)
	p.goOn = newButton(k, "Go on", theme.MediaPlayIcon(), func() { w.jobs.pause(false) })
	p.watch = newButton(k, "Watch", theme.VisibilityIcon(), p.unpin)
	p.save = newButton(k, "Save PNG…", theme.DocumentSaveIcon(), p.savePNG)
	p.more = newMenuButton(k, "More", theme.MoreHorizontalIcon(), p.moreMenu)
	p.styleName = newEntry(k, 1)
	p.styleName.SetPlaceHolder("Name of the style")
	p.styleName.OnSubmitted = func(string) { p.keepStyle() }
	p.styleBox = beside(nil, p.styleName, row(tight, newButton(k, "Keep", theme.ConfirmIcon(), p.keepStyle), newButton(k, "", theme.CancelIcon(), func() { p.styleBox.Hide() }).quiet()))
	p.styleBox.Hide()
	p.strip = newStrip(k, p.pickByHand)
	p.view.listen(k, p.strip.walk)
	p.empty = emptyState(icon("create"), "Your picture appears here", "Ctrl+Enter makes one, Esc stops")

	p.compare.Hide()
	p.stage = container.New(columnsLayout{}, p.view)
	p.form.loras.known = func() []Extra { return w.extras.LoRAs }
	p.form.loras.folder = func() string { return w.settings.LoRAs }
	p.form.loras.settings = func() { w.showFolder(&w.settings.LoRAs) }
	p.form.second.folder = func() { w.showFolder(&w.settings.Upscalers) }
	p.initial = newInitial(p)
	p.form.content.Add(p.initial.content)
	p.controls = newControlPanes(p)
	p.form.content.Add(p.controls.content)
	p.form.chose = p.controls.offer
	act := fixedSize(0, 42, beside(nil, p.generate, fixedSize(78, 0, p.form.count)))
	controls := edges(nil, stack(tight, p.notice, p.styleBox, p.promised, act), nil, nil, scrolledIn(k, p.form.content, p.form.fitHeight))
	foot := fixedSize(0, footHeight, beside(nil, middle(stack(tight, p.status, p.bar)),
		row(tight, p.watch, p.goOn, p.skip, p.stop, p.save, p.more)))
	right := edges(nil, stack(tight, foot, p.strip.content), nil, nil,
		newPanel(colorStage, gap, container.NewStack(p.empty, p.stage, p.initial.board)))
	p.content = sidebar(controls, right)
	var message string
	if p.styles, message = readStyles(p.stylesPath()); message != "" {
		p.notice.tell(message)
	}
	p.restoreDraft()
	p.form.changed = p.formChanged
	p.formChanged()
	return p
}

// offer lists what the folders hold now, and tells once what is chosen and not there any
// more.
func (p *createPage) offer(x Extras) {
	p.form.setVAEs(x.VAEs)
	p.controls.offer()
	var lost []string
	if names := p.controls.lost(); len(names) > 0 {
		lost = append(lost, "ControlNet "+joinAnd(names)+" is gone from the ControlNets folder: choose another")
	}
	if name := p.form.second.offer(x.Upscalers); name != "" {
		lost = append(lost, "upscaler "+name+" is gone from the upscalers folder: Lanczos is chosen in its place")
	}
	if told := joinNotes(lost...); told != p.lost {
		if p.lost = told; told != "" {
			p.notice.tell(told)
		}
	}
}

// refresh shows what the queue is doing.
func (p *createPage) refresh() {
	q := p.win.jobs
	runs, pins := q.running != nil, p.shown != nil && (q.running == nil || p.pinned)
	show(p.bar, runs)
	show(p.stop, runs)
	show(p.skip, runs && (q.running.Count > 1))
	show(p.watch, runs && p.pinned)
	show(p.save, pins)
	show(p.more, pins && !runs)
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
		begins := "Starting …"
		if p.win.train.cancel != nil {
			begins = "Painted between two steps of the training …"
		}
		p.status.SetText(join(begins, waiting))
	case runs:
		pr := p.last
		p.bar.set((pr.Image-1)*pr.Steps+pr.Step, pr.Images*pr.Steps)
		p.status.SetText(join(ofMany("Picture", pr.Image, pr.Images), cmp.Or(pr.Doing, ofMany("Step", pr.Step, max(pr.Steps, 2))), left(pr.Left), waiting))
	case waiting != "":
		p.status.SetText(waiting)
	case p.compared != nil && p.shown != nil:
		p.status.SetText(fmt.Sprintf("Left: seed %d   Right: seed %d", uint64(p.compared.Recipe.Seed), uint64(p.shown.Recipe.Seed)))
	case p.shown != nil:
		r := p.shown.Recipe
		size := image.Pt(r.Width, r.Height)
		if s := p.view.source; s != nil && !p.view.quick {
			size = s.Bounds().Size()
		}
		p.status.SetText(join(fmt.Sprintf("Seed %d", uint64(r.Seed)), sizeText(size.X, size.Y), plural(r.Steps, "step"), fmt.Sprintf("guidance %g", r.CFGScale)))
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

// ofMany is "Step 3 of 20", or nothing where there is but one.
func ofMany(what string, i, n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf("%s %d of %d", what, i, n)
}
