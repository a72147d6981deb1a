//go:build !headless

package ui

import (
	"context"
	"errors"
	"fmt"
	"image"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"latent/app/pictures"
)

// trainPage teaches a model a folder of pictures.
type trainPage struct {
	content fyne.CanvasObject
	win     *Window

	folder, name, prompt *entry
	found                *text // what the folder holds
	base, kind           *choice
	steps, batch, rank   *number
	text, flip, frugal   *check
	more                 fyne.CanvasObject // settings that seldom matter
	unfold               *link
	stopped              *fyne.Container // trainings that can go on
	rate                 *editableChoice
	start, stop          *button
	notice               *notice

	chart                              *chart
	empty                              fyne.CanvasObject
	status                             *text
	bar                                *bar
	lossStat, stepStat, speedStat, eta *text
	noPictures                         fyne.CanvasObject
	shownTab                           int
	samples                            *strip[image.Image]
	sampleBox                          fyne.CanvasObject

	album    *albumPane
	monitor  fyne.CanvasObject // what a training shows
	tabs     [2]*button
	promised *text // how long it will take
	try      *button
	running  string       // kind of the training under way
	made     TrainRequest // what was trained last
	half     bool         // it was stopped before its end

	cancel context.CancelFunc // set while a training runs
	steady coalesce[trainNews]
}

// trainNews is the newest progress with all that came since the last look.
type trainNews struct {
	TrainProgress
	losses []loss
	saved  int // step of the last checkpoint; 0: none was written
}

func newTrainPage(w *Window) *trainPage {
	k := &w.keys
	p := &trainPage{win: w, notice: newNotice(k), chart: newChart(), bar: newBar()}
	p.steady = coalesce[trainNews]{post: w.post, show: p.progress, merge: func(a, b trainNews) trainNews {
		b.losses = append(a.losses, b.losses...)
		b.Samples = append(a.Samples, b.Samples...)
		b.saved = max(a.saved, b.saved)
		return b
	}}
	p.folder, p.name, p.prompt = newEntry(k, 1), newEntry(k, 1), newEntry(k, 2)
	p.folder.SetPlaceHolder("Drop a folder here")
	p.folder.OnChanged = func(string) { p.look() }
	p.found = caption("Pictures with .txt captions beside them").short()
	p.name.SetText("my-model")
	p.name.OnChanged = func(string) { p.offer() }
	p.base = newChoice(k, modelNames(w.models), func(string) { p.look(); p.chooseKind() })
	p.kind = newChoice(k, []string{trainLoRA, trainWhole}, func(string) { p.chooseKind() })
	p.promised = caption("").short()
	p.promised.align = fyne.TextAlignCenter
	p.try = newButton(k, "Try it now", icon("create"), p.tryIt)
	p.try.Hide()
	p.album = newAlbumPane(w, p.told)
	p.prompt.SetText(w.engine.Examples()[0])
	p.steps = newNumber(k, "Steps", 100, 5000, 100, 10_000_000)
	p.steps.least = 1
	p.steps.set(1000)
	p.batch = newNumber(k, "Batch size", 1, 64, 1, 4096)
	p.batch.set(16)
	p.steps.changed, p.batch.changed = p.promise, p.promise
	p.rate = newEditableChoice(k, []string{"1e-5", "2e-5", "5e-5", "1e-4", "2e-4", "5e-4"})
	p.rate.SetText("1e-4")
	p.rank = newNumber(k, "Rank", 1, 128, 1, 1024)
	p.rank.set(16)
	p.text, p.flip, p.frugal = newCheck(k, "Train the text encoder too"), newCheck(k, "Mirrored pictures too"), newCheck(k, "Less memory, more time")
	p.more = stack(gap, p.rank.content, labelled("Learning rate", p.rate), stack(0, p.text, p.flip, p.frugal))
	p.more.Hide()
	p.unfold = newLink(k, unfoldWord, nil)
	p.unfold.tapped = func() { p.fold(p.more.Visible()) }
	p.stopped = stack(tight)
	p.stopped.Hide()
	p.start = newButton(k, "Start training", theme.NewColoredResource(theme.MediaPlayIcon(), theme.ColorNameForegroundOnPrimary), p.run).primary()
	p.stop = newButton(k, "Stop", theme.MediaStopIcon(), p.abort)
	p.stop.Hide()

	browse := newButton(k, "Choose…", theme.FolderOpenIcon(), func() { w.askFolder(p.folder.SetText) })
	form := stack(gap,
		p.stopped,
		stack(tight, caption("Pictures"), beside(nil, p.folder, browse), beside(nil, p.found, p.album.filter)),
		columns(labelled("Train", p.kind), labelled("Name", p.name)),
		labelled("Model to start from", p.base),
		p.steps.content, p.batch.content,
		labelled("Prompt of the sample pictures", p.prompt),
		row(0, p.unfold),
		p.more,
	)
	controls := container.NewBorder(nil, stack(tight, p.notice, p.promised, fixedSize(0, 42, container.NewStack(p.start, p.stop))), nil, nil, scrolled(k, form))

	stat := func(name string) (*text, fyne.CanvasObject) {
		t := heading("–").short()
		box := newPanel(colorStage, 10, stack(2, caption(name).short(), t))
		box.radius = radiusSmall
		return t, box
	}
	var tiles [4]fyne.CanvasObject
	p.lossStat, tiles[0] = stat("Loss")
	p.stepStat, tiles[1] = stat("Step")
	p.speedStat, tiles[2] = stat("Samples / s")
	p.eta, tiles[3] = stat("Time left")
	p.empty = emptyState(icon("train"), "The loss curve appears here", "It falls as the model learns your pictures")
	p.samples = newStrip(k, p.showSample)
	p.sampleBox = stack(tight, caption("Sample pictures, the newest first"), p.samples.content)
	p.sampleBox.Hide()
	p.status = newText("", colorMuted, theme.SizeNameCaptionText).short()
	p.monitor = container.NewBorder(
		stack(gap, columns(tiles[:]...), stack(tight, beside(nil, middle(p.status), p.try), p.bar)),
		p.sampleBox, nil, nil,
		container.New(&insets{bottom: tight}, container.New(&insets{top: gap}, newPanel(colorStage, gap, container.NewStack(p.chart, p.empty)))))
	p.tabs[0] = newButton(k, "Pictures", icon("gallery"), func() { p.tab(0) })
	p.tabs[1] = newButton(k, "Progress", icon("train"), func() { p.tab(1) })
	noPictures := emptyState(icon("gallery"), "Choose a folder of pictures", "Their captions can be written here")
	p.noPictures = noPictures
	main := container.NewBorder(container.New(&insets{bottom: gap}, row(tight, p.tabs[0], p.tabs[1])), nil, nil, nil,
		container.NewStack(container.NewStack(noPictures, p.album.content), p.monitor))
	p.content = sidebar(controls, main)
	p.tab(0)
	p.album.filter.Hide()
	p.album.content.Hide()
	return p
}

// What is trained.
const trainLoRA, trainWhole = "A LoRA", "The whole model"

const unfoldWord, foldWord = "More settings", "Fewer settings"

// fold shows or hides what seldom matters.
func (p *trainPage) fold(away bool) {
	show(p.more, !away)
	word := unfoldWord
	if !away {
		word = foldWord
	}
	p.unfold.SetText(word)
	p.win.keys.shown()
}

func (p *trainPage) lora() bool { return p.kind.Selected == trainLoRA }

// chooseKind offers the settings of what is to be trained, with a learning rate
// that suits it. Whole models that know the world forget it at a larger one.
func (p *trainPage) chooseKind() {
	show(p.rank.content, p.lora())
	show(p.text, p.lora())
	rate := "1e-4"
	if !p.lora() && p.win.models[max(p.base.SelectedIndex(), 0)].Size > 256 {
		rate = "1e-5"
	}
	p.rate.SetText(rate)
	p.promise()
	p.offer()
}

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
	if p.cancel != nil {
		return
	}
	p.kind.SetSelected(trainWhole)
	if r.Rank > 0 {
		p.kind.SetSelected(trainLoRA)
		p.rank.set(float64(r.Rank))
	}
	for i, m := range p.win.models {
		if m.ID == r.Base {
			p.base.SetSelectedIndex(i)
		}
	}
	p.folder.SetText(r.Folder)
	p.name.SetText(filepath.Base(r.Output))
	p.steps.set(float64(r.Steps))
	p.batch.set(float64(r.Batch))
	p.rate.SetText(strconv.FormatFloat(r.LearningRate, 'g', -1, 64))
	p.prompt.SetText(r.SamplePrompt)
	p.text.SetChecked(r.Text)
	p.flip.SetChecked(r.Flip)
	p.frugal.SetChecked(r.Frugal)
	p.run()
}

// tab shows the pictures (0) or the progress (1).
func (p *trainPage) tab(i int) {
	p.shownTab = i
	show(p.monitor, i == 1)
	show(p.album.content, i == 0 && len(p.album.all) > 0)
	show(p.noPictures, i == 0 && len(p.album.all) == 0)
	p.win.keys.shown()
	for n, b := range p.tabs {
		b.Importance = widget.LowImportance
		if n == i {
			b.Importance = widget.MediumImportance
		}
		b.Refresh()
	}
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

// measured is what a training sample's time depends on.
func (p *trainPage) measured() string {
	c := p.win.settings.compute()
	m := p.win.models[max(p.base.SelectedIndex(), 0)]
	return fmt.Sprintf("train|%s|%s|%s|%d|%s|%v", m.ID, c.Device, c.Precision, m.Size, p.kind.Selected, p.frugal.Checked)
}

// tryIt opens the Create page with what was just trained. Of a training that was
// stopped, what it has reached is written first.
func (p *trainPage) tryIt() {
	r := p.made
	if !p.half {
		p.open(r, r.Output)
		return
	}
	p.try.Hide()
	p.status.SetText("Writing what was learned up to now …")
	r.Compute = p.win.settings.compute()
	inBackground(p.win.post, func() (string, error) { return p.win.engine.Export(context.Background(), r) }, func(path string, err error) {
		p.try.Show()
		p.status.SetText("Stopped")
		p.win.jobs.free()
		if err != nil {
			p.notice.fail(err.Error())
			return
		}
		if r.Rank > 0 {
			p.win.readExtras()
			p.open(r, path)
			return
		}
		p.win.readModelsThen(func() { p.open(r, path) })
	})
}

// open brings up the Create page with a model, or a LoRA, at path.
func (p *trainPage) open(r TrainRequest, path string) {
	f, name := p.win.create.form, strings.TrimSuffix(filepath.Base(path), ".safetensors")
	model := path
	if r.Rank > 0 {
		model = r.Base
	}
	for i, m := range p.win.models {
		if m.ID == model {
			f.model.SetSelectedIndex(i)
			if r.Rank > 0 {
				f.loras.add(name)
			}
			if s := strings.TrimSpace(p.prompt.Text); s != "" {
				f.prompt.SetText(s)
			}
			p.win.show(pageCreate)
			return
		}
	}
	p.notice.fail("the model " + filepath.Base(model) + " is not in the models folder any more")
}

// look shows what the chosen folder holds.
func (p *trainPage) look() {
	folder := strings.TrimSpace(p.folder.Text)
	if folder == "" {
		p.say("Pictures with .txt captions beside them", colorMuted)
		return
	}
	size := p.win.models[max(p.base.SelectedIndex(), 0)].Size
	p.album.open(folder, size, func(err error) {
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

func (p *trainPage) say(s string, c fyne.ThemeColorName) {
	p.found.color = c
	p.found.Text = s
	p.found.Refresh()
}

func (p *trainPage) output() string {
	folder := p.win.settings.Models
	if p.lora() {
		folder = p.win.settings.LoRAs
	}
	return filepath.Join(folder, strings.TrimSpace(p.name.Text))
}

// offer lets the button say whether it begins or goes on.
func (p *trainPage) offer() {
	if p.cancel != nil {
		return
	}
	label := "Start training"
	if p.named() && p.win.engine.Resumable(p.output()) {
		label = "Continue training"
		p.status.SetText("This training was stopped: it goes on with the settings that it began with")
	}
	if label != p.start.Text {
		p.start.SetText(label)
	}
}

// named tells whether the name makes a folder inside the models folder.
func (p *trainPage) named() bool {
	n := strings.TrimSpace(p.name.Text)
	return n != "" && n != "." && n != ".." && !strings.ContainsAny(n, `/\`)
}

// request reads the form. Its error says what to change.
func (p *trainPage) request() (TrainRequest, error) {
	m := p.win.models[max(p.base.SelectedIndex(), 0)]
	r := TrainRequest{
		Compute: p.win.settings.compute(), Base: m.ID, Resolution: m.Size,
		Folder: strings.TrimSpace(p.folder.Text), Output: p.output(), SamplePrompt: strings.TrimSpace(p.prompt.Text),
	}
	if r.Folder == "" {
		return r, errors.New("choose a folder of pictures first, or drop one on the window")
	}
	if !p.named() {
		return r, fmt.Errorf("name %q: a plain name without / is needed, such as my-model", p.name.Text)
	}
	steps, ok := p.steps.read()
	if r.Steps = int(steps); !ok || float64(r.Steps) != steps {
		return r, fmt.Errorf("steps %q: a whole number from 1 on is needed", p.steps.field.Text)
	}
	batch, ok := p.batch.read()
	if r.Batch = int(batch); !ok || float64(r.Batch) != batch {
		return r, fmt.Errorf("batch size %q: a whole number from 1 to %g is needed", p.batch.field.Text, p.batch.most)
	}
	var err error
	if r.LearningRate, err = strconv.ParseFloat(strings.TrimSpace(p.rate.Text), 64); err != nil || !(r.LearningRate > 0 && r.LearningRate <= 1) {
		return r, fmt.Errorf("learning rate %q: a number such as 1e-4 is needed", p.rate.Text)
	}
	if p.lora() {
		rank, ok := p.rank.read()
		if r.Rank = int(rank); !ok || float64(r.Rank) != rank {
			return r, fmt.Errorf("rank %q: a whole number from 1 to %g is needed", p.rank.field.Text, p.rank.most)
		}
		r.Text = p.text.Checked
	}
	r.Flip, r.Frugal = p.flip.Checked, p.frugal.Checked
	// Each sample costs as much as some tens of steps.
	r.SampleEvery = min(max(r.Steps/10, 20), r.Steps)
	r.Resume = p.win.engine.Resumable(r.Output)
	return r, nil
}

func (p *trainPage) run() {
	if p.cancel != nil {
		return
	}
	p.notice.clear()
	r, err := p.request()
	if err != nil {
		p.notice.fail(err.Error())
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.running = p.measured()
	p.stopped.Hide()
	p.start.Hide()
	p.stop.Show()
	p.try.Hide()
	p.album.keep()
	p.tab(1)
	p.chart.clear()
	p.empty.Show()
	p.status.SetText("Starting …")
	go func() {
		p.win.keeper.flush() // captions
		err := lookThrough(r.Folder)
		if err == nil {
			err = p.win.engine.Train(ctx, r, func(pr TrainProgress) {
				n := trainNews{TrainProgress: pr}
				if pr.HasLoss {
					n.losses = []loss{{pr.Step, pr.Loss}}
				}
				if pr.Checkpoint != "" {
					n.saved = pr.Step
				}
				p.steady.put(n)
			})
		}
		p.win.post(func() { p.finished(r, err) })
	}()
}

func (p *trainPage) abort() {
	if p.cancel != nil {
		p.cancel()
		p.status.SetText("Stopping at the end of this step; what was learned is kept …")
	}
}

func (p *trainPage) progress(n trainNews) {
	if len(n.losses) > 0 {
		p.empty.Hide()
		p.chart.add(n.losses)
		if s := p.chart.curve.smooth; len(s) > 0 {
			p.lossStat.SetText(fmt.Sprintf("%.4f", s[len(s)-1]))
		}
	}
	p.bar.set(n.Step, n.Steps)
	p.stepStat.SetText(fmt.Sprintf("%d / %d", n.Step, n.Steps))
	if n.Rate > 0 {
		p.speedStat.SetText(fmt.Sprintf("%.3g", n.Rate))
		if n.HasLoss {
			p.win.measures.sample(p.running, 1/n.Rate)
		}
	}
	switch {
	case n.Left >= time.Second:
		p.eta.SetText(span(n.Left))
	case n.Left > 0:
		p.eta.SetText("< 1 s") // as much as its box has room for
	}
	switch {
	case n.saved > 0:
		p.status.SetText(fmt.Sprintf("Checkpoint saved at step %d", n.saved))
	case !n.HasLoss:
		p.status.SetText(n.Stage)
	case p.status.Text == "Starting …":
		p.status.SetText(n.Stage)
	}
	for _, img := range n.Samples {
		p.sampleBox.Show()
		p.samples.add(pictures.Fit(asRGBA(img), thumbPixels, thumbPixels), img)
	}
}

func (p *trainPage) finished(r TrainRequest, err error) {
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
	p.bar.rest()
	p.eta.SetText("–")
	switch {
	case errors.Is(err, context.Canceled):
		p.status.SetText("Stopped")
		p.made, p.half = r, true
		show(p.try, p.win.engine.Resumable(r.Output))
	case err != nil:
		p.status.SetText("")
		p.notice.fail(err.Error())
	default:
		where := " is among the models"
		if r.Rank > 0 {
			where = " is among the LoRAs"
		}
		p.status.SetText("Done: " + filepath.Base(r.Output) + where)
		p.made, p.half = r, false
		p.try.Show()
		p.win.readModels()
		p.win.readExtras()
	}
	p.offer()
	p.findStopped()
}

// showSample shows a sample picture in full, over the window.
func (p *trainPage) showSample(img image.Image) { p.win.enlarge(img) }
