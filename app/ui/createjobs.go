//go:build !headless

package ui

import (
	"fmt"
	"image"
	"slices"
	"time"

	"latent/app/gallery"
	"latent/app/pipeline"
	"latent/textencoder"
)

// start puts what the form asks for into the queue.
func (p *createPage) start() {
	p.notice.clear()
	if !p.form.locked {
		p.form.setSeed(newSeed())
	}
	r, count, ok := p.request()
	if !ok {
		return
	}
	in := p.initial
	if in.data != nil {
		if r.Strength, ok = in.strength.read(); !ok {
			p.notice.fail(fmt.Sprintf("strength %q: a number from 0.05 to 1 is needed", in.strength.field.Text))
			return
		}
		r.SecondPass = SecondPass{} // the second pass is for pictures that begin at noise
	}
	p.enqueue(r, count, in.data, in.mask)
}

// request reads the form and the settings, or tells what to change.
func (p *createPage) request() (r Request, count int, ok bool) {
	r, count, err := p.form.request()
	if err != nil {
		p.notice.fail(err.Error())
		return r, 0, false
	}
	s := p.win.settings
	r.Compute, r.Previews, r.LoRAFolder, r.Embeddings = s.compute(), s.Previews, s.LoRAs, s.Embeddings
	return r, count, true
}

// vary asks for pictures like the one that is shown.
func (p *createPage) vary() {
	r := p.shown.Recipe
	p.restore(r)
	q, _, ok := p.request()
	if !ok {
		return
	}
	q.Seed, q.VariationSeed, q.VariationStrength = r.Seed, newSeed(), 0.2
	p.enqueue(q, 1, nil, nil)
}

// enlarge makes the picture that is shown once more, with a second pass at twice
// the size, as the form's would be.
func (p *createPage) enlarge() {
	p.restore(p.shown.Recipe)
	q, _, ok := p.request()
	if !ok {
		return
	}
	q.SecondPass = p.form.second.pass(SecondPass{Hires: 2})
	p.enqueue(q, 1, nil, nil)
}

// formChanged tells what the form's request will take, and keeps the form once a
// moment has passed without another change.
func (p *createPage) formChanged() {
	r, count, err := p.form.request()
	p.promised.SetText("")
	if err == nil {
		r.Compute = p.win.settings.compute()
		if controls, _, err := p.controls.request(); err == nil {
			r.Controls = controls
		}
		each, memory := p.win.measures.forecast(r)
		s := about(each, memory)
		if count > 1 && each > 0 {
			s = fmt.Sprintf("%s a picture, %s in all", about(each, memory), span(each*time.Duration(count)))
		}
		p.promised.SetText(sentenceStart(s))
	}
	p.countTokens()
	if p.draft != nil {
		p.draft.Stop()
	}
	p.draft = time.AfterFunc(draftDelay, func() { p.win.post(p.keepDraft) })
}

const draftDelay = time.Second

// countTokens tells how long the prompts are, if the engine knows.
func (p *createPage) countTokens() {
	e, ok := p.win.engine.(TokenCounter)
	if !ok {
		return
	}
	f := p.form
	steps, _ := f.steps.read()
	r := Request{Model: f.chosen().ID, Prompt: f.prompt.Text, Negative: f.negative.Text, Steps: max(1, int(steps)), Embeddings: p.win.settings.Embeddings}
	inBackground(p.win.post, func() (u [2]textencoder.Usage, err error) {
		u[0], u[1], err = e.Tokens(r)
		return u, err
	}, func(u [2]textencoder.Usage, err error) {
		if f.chosen().ID != r.Model || f.prompt.Text != r.Prompt || f.negative.Text != r.Negative {
			return // changed since
		}
		if err != nil {
			u = [2]textencoder.Usage{}
		}
		f.lengths[0].show(r.Prompt, u[0])
		f.lengths[1].show(r.Negative, u[1])
	})
}

// closeAside closes what lies over the page, if anything does.
func (p *createPage) closeAside() bool {
	switch {
	case p.initial.board.Visible():
		p.initial.done()
	case p.styleBox.Visible():
		p.styleBox.Hide()
		p.win.keys.shown()
	default:
		return false
	}
	p.win.Canvas().Focus(p.form.prompt)
	return true
}

// abort stops what runs, if anything does, and the pictures that its job still
// had to make.
func (p *createPage) abort() {
	if j := p.win.jobs.running; j != nil {
		p.win.jobs.remove(j)
	}
}

func (p *createPage) reuseSettings() {
	if p.shown != nil {
		p.restore(p.shown.Recipe)
	}
}

// restore fills the form from a recipe and says what did not fit, with what of it
// was told to be beyond recipes.
func (p *createPage) restore(r gallery.Recipe, beyond ...string) {
	p.notice.clear()
	loras, missing := p.win.extras.takeLoRAs(&r)
	missing = append(p.form.restore(r), missing...)
	missing = append(missing, p.controls.restore(r)...)
	for _, b := range beyond {
		if !slices.Contains(pipeline.Keys, b) && !isControl(r, b) && !slices.Contains(missing, b) { // of which the form knows better
			missing = append(missing, b)
		}
	}
	if len(loras) > 0 || r.Steps > 0 { // else it is a mere prompt
		p.form.loras.set(loras)
	}
	var notes []string
	if len(missing) > 0 {
		notes = append(notes, "settings restored but for "+joinAnd(missing)+", which Latent does not have here")
	}
	if by := upscaledOf(r); by != "" {
		notes = append(notes, "the picture itself was enlarged afterwards with "+by+": once this one is made, More offers that again")
	}
	if len(notes) > 0 {
		p.notice.tell(joinNotes(notes...))
	}
}

// savePNG asks where to save the shown picture.
func (p *createPage) savePNG() {
	r := p.shown
	if r == nil {
		return
	}
	p.win.askSave(fmt.Sprintf("latent-%d.png", uint64(r.Recipe.Seed)), func(path string) {
		p.withImage(r, func(img image.Image) error {
			err := gallery.Save(path, img, r.Recipe)
			if err == nil {
				p.win.post(func() { p.status.SetText("Saved as " + path) })
			}
			return err
		}, "the picture could not be saved")
	})
}
