//go:build !headless

package ui

import (
	"fmt"
	"image"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"latent/app/pictures"
)

// monitor shows how a training goes.
type monitor struct {
	board                              fyne.CanvasObject // all of it
	chart                              *chart
	empty                              fyne.CanvasObject
	status                             *text
	stage                              string // that status has told
	bar                                *bar
	lossStat, stepStat, speedStat, eta *text
	try                                *button
	samples                            *strip[image.Image]
	sampleBox                          fyne.CanvasObject
}

// trainNews is the newest progress with all that came since the last look.
type trainNews struct {
	TrainProgress
	losses  []Loss
	saved   int // step of the last checkpoint; 0: none was written
	notes   []string
	leftOut []string
}

func newsOf(p TrainProgress) trainNews {
	n := trainNews{TrainProgress: p}
	if p.HasLoss {
		n.losses = []Loss{{Step: p.Step, Value: p.Loss}}
	}
	if p.Checkpoint != "" {
		n.saved = p.Step
	}
	if p.LeftOut != "" {
		n.leftOut = []string{p.LeftOut}
	}
	if p.Note != "" {
		n.notes = []string{p.Note}
	}
	return n
}

// merge is a with b, which came after it.
func (a trainNews) merge(b trainNews) trainNews {
	out := b
	if b.Note != "" { // it tells nothing else
		out.TrainProgress = a.TrainProgress
	}
	out.losses = append(a.losses, b.losses...)
	out.Samples = append(a.Samples, b.Samples...)
	out.saved = max(a.saved, b.saved)
	out.notes, out.leftOut = append(a.notes, b.notes...), append(a.leftOut, b.leftOut...)
	if b.Weights == "" {
		out.Weights = a.Weights
	}
	return out
}

// newMonitor shows the samples that are picked by enlarge; try is pressed for the
// newest weights.
func newMonitor(k *keys, enlarge func(image.Image), try func()) *monitor {
	m := &monitor{chart: newChart(), bar: newBar()}
	var tiles [4]fyne.CanvasObject
	m.lossStat, tiles[0] = newStat("Loss")
	m.stepStat, tiles[1] = newStat("Step")
	m.speedStat, tiles[2] = newStat("Samples / s")
	m.eta, tiles[3] = newStat("Time left")
	m.try = newButton(k, tryWord, icon("create"), try)
	m.try.Hide()
	m.empty = emptyState(icon("train"), "The loss curve appears here", "It falls as the model learns your pictures")
	m.samples = newStrip(k, enlarge)
	m.sampleBox = stack(tight, caption("Sample pictures, the newest first"), m.samples.content)
	m.sampleBox.Hide()
	m.status = newText("", colorMuted, theme.SizeNameCaptionText).short()
	m.board = container.NewBorder(
		stack(gap, container.New(statsLayout{}, tiles[:]...), stack(tight, beside(nil, middle(m.status), m.try), m.bar)),
		m.sampleBox, nil, nil,
		container.New(&insets{bottom: tight}, container.New(&insets{top: gap}, newPanel(colorStage, gap, container.NewStack(m.chart, m.empty)))))
	return m
}

const tryWord, tryNowWord = "Try it now", "Try this now"

// begin clears what the last training has left; one that goes on keeps its samples.
func (m *monitor) begin(anew bool) {
	if anew {
		m.samples.items = nil
		m.samples.box.RemoveAll()
		m.sampleBox.Hide()
	}
	m.draw(nil)
	m.stage = ""
	m.status.SetText(startingWord)
	for _, t := range []*text{m.lossStat, m.stepStat, m.speedStat, m.eta} {
		t.SetText("–")
	}
	m.bar.set(0, 1)
}

// draw shows these losses and no others.
func (m *monitor) draw(losses []Loss) {
	m.chart.clear()
	m.lossStat.SetText("–")
	m.extend(losses)
	show(m.empty, len(m.chart.curve.raw) == 0)
}

// extend adds losses to the curve.
func (m *monitor) extend(losses []Loss) {
	if len(losses) == 0 {
		return
	}
	m.chart.add(losses)
	if s := m.chart.curve.smooth; len(s) > 0 {
		m.empty.Hide()
		m.lossStat.SetText(fmt.Sprintf("%.4f", s[len(s)-1]))
	}
}

const startingWord = "Starting …"

// show takes what has come.
func (m *monitor) show(n trainNews) {
	m.extend(n.losses)
	if n.Steps > 0 { // not a note alone
		m.bar.set(n.Step, n.Steps)
		m.stepStat.SetText(fmt.Sprintf("%d / %d", n.Step, n.Steps))
	}
	if n.Rate > 0 {
		m.speedStat.SetText(fmt.Sprintf("%.3g", n.Rate))
	}
	switch {
	case n.Left >= time.Second:
		m.eta.SetText(span(n.Left))
	case n.Left > 0:
		m.eta.SetText("< 1 s") // as much as its box has room for
	}
	switch {
	case n.saved > 0:
		m.status.SetText(fmt.Sprintf("Checkpoint saved at step %d", n.saved))
	case n.Stage != "" && n.Stage != m.stage: // and else what was told since stands
		m.stage = n.Stage
		m.status.SetText(n.Stage)
	}
	for _, img := range n.Samples {
		m.sampleBox.Show()
		m.samples.add(pictures.Fit(asRGBA(img), thumbPixels, thumbPixels), img)
	}
}

// rest is how it stands when nothing is trained.
func (m *monitor) rest() {
	m.bar.rest()
	m.eta.SetText("–")
}
