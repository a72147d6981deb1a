//go:build !headless

package ui

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// trainPage teaches a model a folder of pictures.
type trainPage struct {
	content fyne.CanvasObject
	win     *Window
	*trainForm
	*monitor
	album *albumPane
	kept  *checkpointsPane

	stopped     *fyne.Container // trainings that can go on
	start, stop *button
	notice      *notice
	promised    *text // how long it will take
	noPictures  fyne.CanvasObject
	tabs        [3]*button
	shownTab    int

	running string       // kind of the training under way
	made    TrainRequest // what is trained, or was last
	half    bool         // it was stopped before its end
	wanted  bool         // its newest weights are to be tried as soon as they are written
	leftOut []string     // of its pictures
	notes   []string     // on it

	cancel context.CancelFunc // set while a training runs
	asking bool               // whether the form's training goes on, to begin it
	offers int                // counts looks at the named folder, so that an old answer is not shown over a new
	steady coalesce[trainNews]
}

// The tabs of the page.
const (
	tabPictures = iota
	tabProgress
	tabCheckpoints
)

func newTrainPage(w *Window) *trainPage {
	k := &w.keys
	p := &trainPage{win: w, notice: newNotice(k), trainForm: newTrainForm(w)}
	p.steady = coalesce[trainNews]{post: w.post, show: p.progress, merge: trainNews.merge}
	p.changedFolder, p.changedPace = p.look, p.promise
	p.changedKind = func() { p.promise(); p.offer() }
	p.changedName = p.offer
	p.monitor = newMonitor(k, w.enlarge, p.tryIt)
	p.album = newAlbumPane(w, p.told)
	p.kept = newCheckpointsPane(p)
	p.promised = caption("").short()
	p.promised.align = fyne.TextAlignCenter
	p.stopped = stack(tight)
	p.stopped.Hide()
	p.start = newButton(k, startWord, theme.NewColoredResource(theme.MediaPlayIcon(), theme.ColorNameForegroundOnPrimary), p.run).primary()
	p.stop = newButton(k, "Stop", theme.MediaStopIcon(), p.abort)
	p.stop.Hide()
	controls := container.NewBorder(nil, stack(tight, p.notice, p.promised, fixedSize(0, 42, container.NewStack(p.start, p.stop))), nil, nil,
		scrolled(k, stack(gap, p.stopped, p.layout(p.album.filter))))

	for i, name := range []string{"Pictures", "Progress", "Checkpoints"} {
		p.tabs[i] = newButton(k, name, nil, func() { p.tab(i) })
	}
	p.noPictures = emptyState(icon("gallery"), "Choose a folder of pictures", "Their captions can be written here")
	main := container.NewBorder(container.New(&insets{bottom: gap}, row(tight, p.tabs[0], p.tabs[1], p.tabs[2])), nil, nil, nil,
		container.NewStack(p.noPictures, p.album.content, p.board, p.kept.content))
	p.content = sidebar(controls, main)
	p.tab(tabPictures)
	p.album.filter.Hide()
	return p
}

const startWord, continueWord = "Start training", "Continue training"

// idle tells that nothing is trained and nothing is about to be.
func (p *trainPage) idle() bool { return p.cancel == nil && !p.asking }

// tab shows one of the page's tabs.
func (p *trainPage) tab(i int) {
	p.shownTab = i
	show(p.album.content, i == tabPictures && len(p.album.all) > 0)
	show(p.noPictures, i == tabPictures && len(p.album.all) == 0)
	show(p.board, i == tabProgress)
	show(p.kept.content, i == tabCheckpoints)
	if i == tabCheckpoints {
		p.kept.read()
	}
	p.win.keys.shown()
	for n, b := range p.tabs {
		b.Importance = widget.LowImportance
		if n == i {
			b.Importance = widget.MediumImportance
		}
		b.Refresh()
	}
}

// look shows what the chosen folder holds.
func (p *trainPage) look() {
	folder := strings.TrimSpace(p.folder.Text)
	if folder == "" {
		p.say("Pictures with .txt captions beside them", colorMuted)
		return
	}
	p.album.open(folder, p.model().Size, func(err error) {
		if err != nil {
			p.say(firstClause(sentence(err.Error())), theme.ColorNameWarning)
		} else {
			p.told()
		}
		p.tab(p.shownTab)
	})
}

// firstClause is what stands before the colon: the line has room for no more.
func firstClause(s string) string {
	head, _, _ := strings.Cut(s, ":")
	return head
}

// told is told that captions or problems have changed.
func (p *trainPage) told() {
	text := countAlbum(p.album.all)
	color := theme.ColorNameSuccess
	show(p.album.filter, !strings.HasSuffix(text, "all with captions"))
	if !strings.HasSuffix(text, "all with captions") {
		color = theme.ColorNameWarning
	}
	p.say(text, color)
}

// promise says how long the training will take, if that was measured.
func (p *trainPage) promise() {
	p.promised.SetText("")
	steps, ok := p.steps.read()
	batch, ok2 := p.batch.read()
	each := p.win.measures.perSample(p.measured())
	if ok && ok2 && each > 0 {
		p.promised.SetText(sentenceStart(about(time.Duration(min(each*steps*batch, 1e8)*float64(time.Second)), 0)))
	}
}

// offer lets the button say whether it begins or goes on, and shows the curve so far
// of what goes on.
func (p *trainPage) offer() {
	if p.cancel != nil {
		return
	}
	if p.shownTab == tabCheckpoints {
		p.kept.read()
	}
	p.offers++
	offer, out, named := p.offers, p.output(), p.named()
	type stopped struct {
		goesOn bool
		losses []Loss
	}
	inBackground(p.win.post, func() (s stopped, _ error) {
		if s.goesOn = named && p.win.engine.Resumable(out); s.goesOn {
			s.losses = p.win.engine.Losses(out)
		}
		return s, nil
	}, func(s stopped, _ error) {
		if offer != p.offers || p.cancel != nil {
			return
		}
		label := startWord
		if s.goesOn {
			label = continueWord
			p.status.SetText(goesOnWord)
			p.draw(s.losses)
		} else if p.status.Text == goesOnWord {
			p.status.SetText("")
			p.draw(nil)
		}
		if label != p.start.Text {
			p.start.SetText(label)
		}
	})
}

const goesOnWord = "This training was stopped: it goes on with the settings that it began with"

// findStopped looks for trainings that can go on, and offers them.
func (p *trainPage) findStopped() {
	folders := p.win.settings.folders()
	inBackground(p.win.post, func() ([]TrainRequest, error) { return p.win.engine.Stopped(folders), nil }, func(list []TrainRequest, _ error) {
		p.stopped.RemoveAll()
		for _, r := range list[:min(len(list), mostStopped)] {
			what := "Model "
			if r.Rank > 0 {
				what = "LoRA "
			}
			said := newText(what+filepath.Base(r.Output)+" was stopped", theme.ColorNameForeground, theme.SizeNameCaptionText).short()
			box := newPanel(colorStage, tight+2, beside(nil, middle(said), newLink(&p.win.keys, "Continue", func() { p.resume(r) })))
			box.radius = radiusSmall
			p.stopped.Add(box)
		}
		show(p.stopped, len(list) > 0 && p.cancel == nil)
		p.offer()
		p.win.keys.shown()
	})
}

// mostStopped is how many trainings are offered to go on.
const mostStopped = 3

// resume goes on with a training that was stopped.
func (p *trainPage) resume(r TrainRequest) {
	if p.cancel == nil {
		p.fill(r)
		p.run()
	}
}
