//go:build !headless

package ui

import (
	"fmt"
	"path/filepath"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// checkpointsPane lists what the training that the form names has left.
type checkpointsPane struct {
	content fyne.CanvasObject
	page    *trainPage
	title   *text
	empty   fyne.CanvasObject
	list    *list
	request TrainRequest // how it was trained
	all     []Checkpoint
	reads   int
}

func newCheckpointsPane(p *trainPage) *checkpointsPane {
	c := &checkpointsPane{page: p, title: caption("").short()}
	c.list = newList(&p.win.keys, func() int { return len(c.all) }, func() listRow { return newCheckpointRow(c) },
		func(i int, r listRow) { r.(*checkpointRow).set(c.all[i]) })
	c.list.typed = c.typed
	c.empty = emptyState(icon("models"), "No checkpoints yet", "What a training has learned at each step is kept here, to be tried")
	c.content = container.NewBorder(container.New(&insets{bottom: tight}, c.title), nil, nil, nil, container.NewStack(c.list, c.empty))
	c.empty.Hide()
	return c
}

// read looks at the training's folder.
func (c *checkpointsPane) read() {
	c.reads++
	read, dir := c.reads, c.page.output()
	if c.page.cancel != nil {
		dir = c.page.made.Output
	}
	if !c.page.named() && c.page.cancel == nil {
		c.show(TrainRequest{}, nil, "")
		return
	}
	type found struct {
		request TrainRequest
		all     []Checkpoint
	}
	inBackground(c.page.win.post, func() (f found, _ error) {
		f.request, f.all = c.page.win.engine.Checkpoints(dir)
		return f, nil
	}, func(f found, _ error) {
		if read == c.reads {
			c.show(f.request, f.all, filepath.Base(dir))
		}
	})
}

func (c *checkpointsPane) show(r TrainRequest, all []Checkpoint, name string) {
	c.request, c.all = r, all
	text := ""
	if len(all) > 0 {
		total := int64(0)
		for _, k := range all {
			total += k.Size
		}
		text = join(name, plural(r.Steps, "step"), plural(len(all), "checkpoint"), byteSize(total))
	}
	c.title.SetText(text)
	show(c.empty, len(all) == 0)
	c.list.Refresh()
	c.page.win.keys.shown()
}

// typed does what a key means to a checkpoint.
func (c *checkpointsPane) typed(i int, key fyne.KeyName) {
	switch k := c.all[i]; key {
	case fyne.KeyReturn, fyne.KeyEnter, fyne.KeySpace:
		if c.free(k) {
			c.try(k)
		}
	case fyne.KeyDelete, fyne.KeyBackspace:
		if c.free(k) {
			c.trash(k)
		}
	}
}

// free tells whether anything may be done with a checkpoint. What a running training
// goes on from is left to it; its newest weights are tried from the Progress tab.
func (c *checkpointsPane) free(k Checkpoint) bool { return !k.GoesOn || c.page.cancel == nil }

// try opens the Create page with a checkpoint.
func (c *checkpointsPane) try(k Checkpoint) {
	p := c.page
	if k.GoesOn {
		p.export(c.request)
		return
	}
	p.bring(c.request, k.Path)
}

// trash moves a checkpoint to the trash, with a way back.
func (c *checkpointsPane) trash(k Checkpoint) {
	p, path := c.page, k.Path
	if k.GoesOn {
		path = filepath.Dir(path) // of no use without what stands beside it
	}
	p.win.trash(path, fmt.Sprintf("the checkpoint of step %d", k.Step), p.notice, func() {
		c.read()
		p.offer()
		p.findStopped()
		p.win.readModels()
		p.win.readExtras()
	})
}

// checkpointRow is one line of the list.
type checkpointRow struct {
	widget.BaseWidget
	pane             *checkpointsPane
	checkpoint       Checkpoint
	box              fyne.CanvasObject
	panel            *panel
	name, what       *text
	goOn, try, trash *button
	buildOn          *button
}

func newCheckpointRow(c *checkpointsPane) *checkpointRow {
	k := &c.page.win.keys
	r := &checkpointRow{pane: c}
	r.name = newText("", theme.ColorNameForeground, theme.SizeNameText).short()
	r.what = caption("").short()
	r.goOn = newButton(k, "Go on", nil, func() { c.page.resume(c.request) }).quiet()
	r.buildOn = newButton(k, "From here", nil, func() { c.page.buildOn(c.request, r.checkpoint) }).quiet()
	r.try = newButton(k, "Try", nil, func() { c.try(r.checkpoint) }).quiet()
	r.trash = newButton(k, "", theme.DeleteIcon(), func() { c.trash(r.checkpoint) }).quiet()
	r.panel = newPanel(colorStage, 10, beside(nil, middle(stack(3, r.name, r.what)), middle(row(0, r.goOn, r.buildOn, r.try, r.trash))))
	r.box = container.New(&insets{bottom: tight, right: tight}, r.panel)
	r.ExtendBaseWidget(r)
	return r
}

func (r *checkpointRow) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(r.box) }

func (r *checkpointRow) choose(on bool) { r.panel.choose(on) }

func (r *checkpointRow) set(k Checkpoint) {
	r.checkpoint = k
	r.name.SetText(fmt.Sprintf("Step %d", k.Step))
	what := ""
	switch {
	case k.Result:
		what = "the result"
	case k.GoesOn:
		what = "to go on from"
	}
	r.what.SetText(join(what, byteSize(k.Size), when(k.Time, time.Now())))
	show(r.goOn, k.GoesOn && r.pane.free(k))
	show(r.buildOn, !k.GoesOn && r.pane.page.cancel == nil)
	show(r.try, r.pane.free(k))
	show(r.trash, r.pane.free(k))
}
