//go:build !headless

package ui

import (
	"cmp"
	"fmt"
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// queuePage shows the jobs that are to be done, and lets a person order them.
type queuePage struct {
	content fyne.CanvasObject
	win     *Window
	notice  *notice
	count   *text
	pause   *button
	clear   *button
	list    *list
	empty   fyne.CanvasObject
	hint    *text   // what keys do
	running *jobRow // shows the job under way; its bar moves
}

func newQueuePage(w *Window) *queuePage {
	k := &w.keys
	p := &queuePage{win: w, notice: newNotice(k), count: caption("")}
	p.pause = newButton(k, "Pause", theme.MediaPauseIcon(), func() { w.jobs.pause(!w.jobs.paused) })
	p.clear = newButton(k, "Remove all", theme.DeleteIcon(), p.removeAll)
	p.list = newList(k, func() int { return len(w.jobs.list) },
		func() listRow { return newJobRow(p) },
		func(i int, r listRow) { r.(*jobRow).set(i) })
	p.list.typed = p.typed
	p.list.moved = func(i, by int) int {
		j := w.jobs.list[i]
		w.jobs.move(j, i+by)
		return slices.Index(w.jobs.list, j)
	}
	p.empty = emptyState(icon("queue"), "Nothing is waiting", "Generate adds to this queue; it is kept on disk")
	p.hint = caption("Space holds a job, Delete removes it, Alt with an arrow moves it").short()
	head := beside(nil, middle(stack(2, heading("Queue"), p.count)), middle(row(tight, p.clear, p.pause)))
	p.content = newPanel(colorPanel, gap+2, edges(stack(gap, head, p.notice), p.hint, nil, nil,
		container.New(&insets{top: gap}, container.NewStack(p.list, p.empty))))
	return p
}

// refresh shows the queue as it is now.
func (p *queuePage) refresh() {
	q := p.win.jobs
	p.running = nil
	n := len(q.list)
	p.empty.Hide()
	p.clear.Hide()
	p.pause.Hide()
	show(p.hint, n > 0)
	if n == 0 {
		p.empty.Show()
	} else {
		p.clear.Show()
	}
	if n > 0 || q.paused {
		p.pause.Show()
	}
	pictures := 0
	for _, j := range q.list {
		pictures += j.Count - j.Made
	}
	state := ""
	switch {
	case n == 0:
	case q.waiting:
		state = "waiting until the training is done"
	case q.paused && q.running != nil:
		state = "pauses after this picture"
	case q.paused:
		state = "paused"
	}
	if n == 0 {
		p.count.SetText("Nothing is waiting")
	} else {
		p.count.SetText(join(plural(n, "job"), plural(pictures, "picture"), state))
	}
	if q.paused {
		p.pause.Icon, p.pause.Text = theme.MediaPlayIcon(), "Go on"
	} else {
		p.pause.Icon, p.pause.Text = theme.MediaPauseIcon(), "Pause"
	}
	p.pause.Refresh()
	p.list.Refresh()
}

// progress moves the bar of the job under way.
func (p *queuePage) progress(j *Job, pr Progress) {
	if r := p.running; r != nil && r.job == j {
		r.step(pr)
	}
}

func (p *queuePage) removeAll() {
	n := len(p.win.jobs.list)
	p.win.confirm(fmt.Sprintf("Remove %s from the queue?", plural(n, "job")), "Pictures that are finished stay in the gallery.", "Remove", func() {
		for _, j := range slices.Clone(p.win.jobs.list) {
			p.win.jobs.remove(j)
		}
	})
}

// typed does what a key means to job i.
func (p *queuePage) typed(i int, key fyne.KeyName) {
	q := p.win.jobs
	switch j := q.list[i]; key {
	case fyne.KeySpace:
		if j != q.running {
			q.hold(j, !j.Held)
		}
	case fyne.KeyDelete, fyne.KeyBackspace:
		q.remove(j)
	}
}

// jobRow is one line of the queue.
type jobRow struct {
	widget.BaseWidget
	page *queuePage
	job  *Job

	box                           fyne.CanvasObject
	panel                         *panel
	icon                          *widget.Icon
	prompt, facts, state          *text
	bar                           *bar
	again, up, down, hold, remove *button
}

func newJobRow(p *queuePage) *jobRow {
	k := &p.win.keys
	r := &jobRow{page: p, icon: widget.NewIcon(nil), bar: newBar()}
	r.prompt = newText("", theme.ColorNameForeground, theme.SizeNameText).short()
	r.facts, r.state = caption("").short(), caption("")
	q := p.win.jobs
	at := func() int { return slices.Index(q.list, r.job) }
	r.up = newButton(k, "", theme.MoveUpIcon(), func() { q.move(r.job, at()-1) }).quiet()
	r.down = newButton(k, "", theme.MoveDownIcon(), func() { q.move(r.job, at()+1) }).quiet()
	r.again = newButton(k, "Start again", nil, func() { q.anew(r.job) }).quiet()
	r.hold = newButton(k, "", theme.MediaPauseIcon(), func() { q.hold(r.job, !r.job.Held) }).quiet()
	r.remove = newButton(k, "", theme.DeleteIcon(), func() { q.remove(r.job) }).quiet()
	text := stack(3, r.prompt, beside(nil, r.facts, r.state), r.bar)
	r.panel = newPanel(colorStage, 10, beside(fixedSize(26, 0, middle(fixedSize(20, 20, r.icon))), middle(text), middle(row(0, r.again, r.hold, r.up, r.down, r.remove))))
	r.box = container.New(&insets{bottom: tight}, r.panel)
	r.ExtendBaseWidget(r)
	return r
}

func (r *jobRow) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(r.box) }

func (r *jobRow) choose(on bool) { r.panel.choose(on) }

// set makes the row show job i.
func (r *jobRow) set(i int) {
	q := r.page.win.jobs
	j := q.list[i]
	r.job = j
	if r.page.running == r {
		r.page.running = nil
	}
	req := j.Request
	r.prompt.SetText(oneLine(req.Prompt))
	count := ""
	if j.Count > 1 {
		count = fmt.Sprintf("%d of %d pictures made", j.Made, j.Count)
	}
	if req.Upscale != "" {
		r.facts.SetText(join("Enlarged with "+stemOf(req.Upscale), sizeText(req.Width, req.Height)))
	} else {
		r.facts.SetText(join(r.page.win.modelName(req.Model), sizeText(req.Width, req.Height), plural(req.Steps, "step"), fmt.Sprintf("seed %d", uint64(req.Seed+int64(j.Made))), count))
	}
	runs := j == q.running
	half := !runs && j.Begun && q.halfMade(j)
	show(r.again, half)
	show(r.bar, runs)
	able(r.up, i > 0)
	able(r.down, i < len(q.list)-1)
	show(r.hold, !runs)
	r.hold.SetIcon(theme.MediaPauseIcon())
	tint, res := colorMuted, theme.HistoryIcon()
	r.state.SetText("")
	switch {
	case runs:
		tint, res = theme.ColorNamePrimary, theme.MediaPlayIcon()
		r.page.running = r
		r.bar.set(0, 1)
		r.step(r.page.win.create.last)
	case j.Problem != "":
		tint, res = theme.ColorNameError, theme.ErrorIcon()
		r.facts.SetText(sentence(j.Problem))
		r.state.SetText("failed")
		r.hold.SetIcon(theme.ViewRefreshIcon())
	case j.Held:
		res = theme.MediaPauseIcon()
		r.state.SetText("held")
		r.hold.SetIcon(theme.MediaPlayIcon())
	case j.Begun:
		tint = theme.ColorNameWarning
		r.state.SetText("was interrupted: starts again")
		if half {
			r.state.SetText("half made: goes on")
		}
	}
	r.icon.SetResource(theme.NewColoredResource(res, tint))
}

func (r *jobRow) step(p Progress) {
	if p.Steps == 0 {
		return
	}
	r.bar.set(p.Step, p.Steps)
	r.state.SetText(join(cmp.Or(p.Doing, fmt.Sprintf("step %d of %d", p.Step, p.Steps)), left(p.Left)))
}

// able lets a button be pressed or not.
func able(b *button, on bool) {
	if on {
		b.Enable()
	} else {
		b.Disable()
	}
}

// show makes an object visible or not.
func show(o fyne.CanvasObject, visible bool) {
	if visible {
		o.Show()
	} else {
		o.Hide()
	}
}
