//go:build !headless

package ui

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// run trains what the form says, once it is known whether that goes on.
func (p *trainPage) run() {
	if !p.idle() {
		return
	}
	p.notice.clear()
	out := p.output()
	p.asking = true
	inBackground(p.win.post, func() (bool, error) { return p.win.engine.Resumable(out), nil }, func(goesOn bool, _ error) {
		p.asking = false
		if r, err := p.request(goesOn); err != nil {
			p.notice.fail(err.Error())
		} else {
			p.train(r)
		}
	})
}

func (p *trainPage) train(r TrainRequest) {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.running, p.made, p.wanted, p.leftOut, p.notes = p.trainForm.measured(), r, false, nil, nil
	p.stopped.Hide()
	p.start.Hide()
	p.stop.Show()
	p.try.Hide()
	p.album.keep()
	p.begin(!r.Resume)
	p.tab(tabProgress)
	go func() {
		p.win.keeper.flush() // captions
		var err error
		if r.Resume { // it knows its settings and pictures, and may do without the folder
			if began, _ := p.win.engine.Checkpoints(r.Output); began.Base != "" {
				began.Compute = r.Compute
				r = began
				losses := p.win.engine.Losses(r.Output)
				p.win.post(func() { p.recall(began); p.draw(losses) })
			}
		} else {
			err = lookThrough(r.Folder)
		}
		if err == nil {
			err = p.win.engine.Train(ctx, r, func(pr TrainProgress) { p.steady.put(newsOf(pr)) })
		}
		left := err == nil || p.win.engine.Resumable(r.Output)
		p.win.post(func() { p.finished(r, left, err) })
	}()
}

// recall shows the settings that a training which goes on began with, whatever the
// form says.
func (p *trainPage) recall(began TrainRequest) {
	p.made = began
	p.fill(began)
	p.running = p.trainForm.measured()
}

func (p *trainPage) abort() {
	if p.cancel != nil {
		p.cancel()
		p.status.SetText("Stopping at the end of this step; what was learned is kept …")
	}
}

// progress shows what has come of the training.
func (p *trainPage) progress(n trainNews) {
	p.monitor.show(n)
	if n.Rate > 0 && n.HasLoss {
		p.win.measures.sample(p.running, 1/n.Rate)
	}
	if n.HasLoss && p.cancel != nil && !p.try.Visible() {
		p.try.SetText(tryNowWord)
		p.try.Show()
		p.win.keys.shown()
	}
	p.leftOut, p.notes = append(p.leftOut, n.leftOut...), append(p.notes, n.notes...)
	if len(n.notes) > 0 {
		p.notice.tell(noteText(p.notes, p.leftOut))
	}
	if n.Weights != "" && p.wanted {
		p.wanted = false
		p.try.Enable()
		p.status.SetText("Weights of step " + fmt.Sprint(n.Step) + " written")
		p.bring(p.made, n.Weights)
	}
	if (n.Weights != "" || n.saved > 0) && p.shownTab == tabCheckpoints {
		p.kept.read()
	}
}

// noteText sums up what there is to say of a training: what concerns all of it last,
// since that is the newest.
func noteText(notes, leftOut []string) string {
	var others []string
	first := ""
	for _, n := range notes {
		isPicture := len(leftOut) > 0 && strings.Contains(n, " is left out: ")
		switch {
		case isPicture && first == "":
			first = sentence(n)
		case !isPicture:
			others = append(others, sentence(n))
		}
	}
	switch n := len(leftOut); {
	case n > 1 && n <= 4:
		first = joinAnd(leftOut) + " are left out. " + reasonOnly(first)
	case n > 4:
		first = fmt.Sprintf("%s and %d more are left out. %s", strings.Join(leftOut[:3], ", "), n-3, reasonOnly(first))
	}
	if len(others) > 0 {
		first = strings.TrimSpace(first + " " + others[len(others)-1])
	}
	return first
}

// reasonOnly is the note on one picture where it was said already that it is left out.
func reasonOnly(note string) string { return strings.Replace(note, " is left out: ", ": ", 1) }

// finished is told that the training has ended, or why, and whether it has left
// anything to try.
func (p *trainPage) finished(r TrainRequest, left bool, err error) {
	p.cancel()
	p.cancel = nil
	if p.win.quitting {
		p.win.leave()
		return
	}
	p.win.keeper.put(p.win.measuresPath(), p.win.measures.encode())
	p.promise()
	p.win.jobs.free()
	p.stop.Hide()
	p.start.Show()
	p.rest()
	p.try.SetText(tryWord)
	p.try.Enable()
	p.half = err != nil
	show(p.try, left)
	switch {
	case errors.Is(err, context.Canceled):
		p.status.SetText("Stopped")
	case err != nil:
		p.status.SetText("")
		p.notice.fail(err.Error())
	default:
		where := " is among the models"
		if r.Rank > 0 {
			where = " is among the LoRAs"
		}
		p.status.SetText("Done: " + filepath.Base(r.Output) + where)
		p.win.readModels()
		p.win.readExtras()
	}
	p.offer()
	p.findStopped()
	if p.wanted { // it came to an end first
		p.wanted = false
		p.tryIt()
	}
}

// tryIt opens the Create page with what was just trained. A training under way is
// asked for its newest weights, and goes on; of one that was stopped, what it has
// reached is written first.
func (p *trainPage) tryIt() {
	r := p.made
	switch {
	case p.cancel != nil:
		p.wanted = true
		p.try.Disable()
		p.status.SetText("The newest weights are written after this step …")
		p.win.engine.WriteWeights()
	case p.half:
		p.export(r)
	default:
		p.bring(r, r.Output)
	}
}

// export writes what a training that was stopped has reached, to be tried.
func (p *trainPage) export(r TrainRequest) {
	p.try.Disable()
	p.status.SetText("Writing what was learned up to now …")
	r.Compute = p.win.settings.compute()
	inBackground(p.win.post, func() (string, error) { return p.win.engine.Export(context.Background(), r) }, func(path string, err error) {
		p.try.Enable()
		p.status.SetText("Stopped")
		p.win.jobs.free()
		if err != nil {
			p.notice.fail(err.Error())
			return
		}
		p.bring(r, path)
	})
}

// bring opens the Create page with weights that were just written.
func (p *trainPage) bring(r TrainRequest, path string) {
	switch {
	case r.Rank > 0:
		p.win.readExtras()
		p.open(r, path)
	case indexModel(p.win.models, path) >= 0:
		p.open(r, path)
	default:
		p.win.readModelsThen(func() { p.open(r, path) })
	}
}

// open brings up the Create page with a model, or a LoRA, at path.
func (p *trainPage) open(r TrainRequest, path string) {
	f, model := p.win.create.form, path
	if r.Rank > 0 {
		model = r.Base
	}
	i := indexModel(p.win.models, model)
	if i < 0 {
		p.notice.fail("the model " + filepath.Base(model) + " is not in the models folder any more")
		return
	}
	f.model.SetSelectedIndex(i)
	if r.Rank > 0 {
		// Those of another step of this training make room.
		old := filepath.Base(r.Output)
		f.loras.set(slices.DeleteFunc(f.loras.list(), func(l LoRA) bool { return l.Name == old || stepOfName(l.Name, old) >= 0 }))
		f.loras.add(strings.TrimSuffix(filepath.Base(path), ".safetensors"))
	}
	if s := strings.TrimSpace(p.prompt.Text); s != "" {
		f.prompt.SetText(s)
	}
	p.win.show(pageCreate)
}

// stepOfName is the step in the name of weights that a training of this name has
// kept, as it writes them; -1 if they are no such.
func stepOfName(weights, training string) int {
	digits, ok := strings.CutPrefix(weights, training+"-")
	step, err := strconv.Atoi(digits)
	if !ok || err != nil || len(digits) < 6 || step < 0 {
		return -1
	}
	return step
}
