//go:build !headless

package ui

import (
	"bytes"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"github.com/BurntSushi/toml"

	"latent/app/gallery"
	"latent/app/pictures"
	"latent/textencoder"
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

	draft *time.Timer // until the form is kept

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
	p.initial = newInitial(p)
	p.form.content.Add(p.initial.content)
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
	p.win.jobs.add(r, count, in.data, in.mask)
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
	p.win.jobs.add(q, 1, nil, nil)
}

// enlarge makes the picture that is shown once more, with a second pass at twice
// the size.
func (p *createPage) enlarge() {
	p.restore(p.shown.Recipe)
	q, _, ok := p.request()
	if !ok {
		return
	}
	q.SecondPass = SecondPass{Hires: 2}
	p.win.jobs.add(q, 1, nil, nil)
}

// formChanged tells what the form's request will take, and keeps the form once a
// moment has passed without another change.
func (p *createPage) formChanged() {
	r, count, err := p.form.request()
	p.promised.SetText("")
	if err == nil {
		r.Compute = p.win.settings.compute()
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

func (p *createPage) draftPath() string { return filepath.Join(p.win.places.state, "form.toml") }
func (p *createPage) stylesPath() string {
	return filepath.Join(filepath.Dir(p.win.places.settings), "styles.toml")
}

// A draft is the form as it was left.
type draft struct {
	style
	Seed   string `toml:"seed"`
	Locked bool   `toml:"locked"`
	Count  string `toml:"count"`
	Beyond beyond `toml:"beyond,omitempty"`
}

// keepDraft keeps the form, so that it comes back as it was left.
func (p *createPage) keepDraft() {
	f := p.form
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(draft{f.style(), f.seed.Text, f.locked, f.count.Selected, f.beyond}); err == nil {
		p.win.keeper.put(p.draftPath(), b.Bytes())
	}
}

func (p *createPage) restoreDraft() {
	data, err := os.ReadFile(p.draftPath())
	if err != nil {
		return // a first start
	}
	var d draft
	if _, err := toml.Decode(string(data), &d); err != nil || d.Prompt == "" {
		return
	}
	f := p.form
	f.prompt.SetText(d.Prompt)
	d.Prompt = "" // it holds no mark for another
	f.wear(d.style)
	if _, err := strconv.ParseUint(d.Seed, 10, 64); err == nil && d.Locked {
		f.setting = true
		f.seed.SetText(d.Seed)
		f.setting = false
		f.setLock(true)
	}
	f.setBeyond(d.Beyond)
	if i := indexFold(f.count.Options, d.Count); i >= 0 {
		f.count.SetSelectedIndex(i)
	}
}

// styleMenu offers the styles, and to keep another.
func (p *createPage) styleMenu() []*fyne.MenuItem {
	var items, forget []*fyne.MenuItem
	for _, name := range styleNames(p.styles) {
		items = append(items, fyne.NewMenuItem(name, func() {
			p.notice.clear()
			if missing := p.form.wear(p.styles[name]); len(missing) > 0 {
				p.notice.tell("style used but for " + joinAnd(missing) + ", which Latent does not have here")
			}
		}))
		forget = append(forget, fyne.NewMenuItem(name, func() {
			gone := p.styles[name]
			delete(p.styles, name)
			p.saveStyles()
			p.notice.offer("style "+name+" is forgotten", "Undo", func() { p.styles[name] = gone; p.saveStyles() })
		}))
	}
	if len(items) > 0 {
		items = append(items, fyne.NewMenuItemSeparator())
	}
	items = append(items, fyne.NewMenuItem("Keep this as a style…", func() {
		p.styleBox.Show()
		p.win.keys.shown()
		p.win.Canvas().Focus(p.styleName)
	}))
	if len(forget) > 0 {
		f := fyne.NewMenuItem("Forget", nil)
		f.ChildMenu = fyne.NewMenu("", forget...)
		items = append(items, f)
	}
	return items
}

func (p *createPage) keepStyle() {
	name := oneLine(p.styleName.Text)
	if name == "" {
		p.notice.fail("give the style a name")
		return
	}
	p.styles[name] = p.form.style()
	p.saveStyles()
	p.styleName.SetText("")
	p.styleBox.Hide()
	p.notice.tell("style " + name + " is kept. Where its prompt says {prompt}, it is put around the one that is there: see " + p.stylesPath())
}

func (p *createPage) saveStyles() { p.win.keeper.put(p.stylesPath(), formatStyles(p.styles)) }

// moreMenu is what can be done with the picture that is shown.
func (p *createPage) moreMenu() []*fyne.MenuItem {
	r := p.shown
	if r == nil {
		return nil
	}
	items := []*fyne.MenuItem{fyne.NewMenuItem("Use its settings", p.reuseSettings)}
	f := p.win.engine.Features()
	if f.Variation {
		items = append(items, fyne.NewMenuItem("Another one like it", p.vary))
	}
	if f.Hires {
		items = append(items, fyne.NewMenuItem("Twice as large", p.enlarge))
	}
	if f.Init {
		items = append(items, fyne.NewMenuItem("Begin from it", func() {
			if r.path != "" {
				p.initial.load(r.path)
			} else {
				p.initial.read(func() (image.Image, error) { return r.Image, nil })
			}
		}))
	}
	if p.compared != nil {
		items = append(items, fyne.NewMenuItem("End comparing", p.endComparing))
	} else if before := p.strip.after(r); before != nil {
		items = append(items, fyne.NewMenuItem("Compare with the one before", func() { p.compareWith(before) }))
	}
	items = append(items, fyne.NewMenuItem("Copy recipe", func() { fyne.CurrentApp().Clipboard().SetContent(r.Recipe.String()) }))
	if copy, _ := pictureClipboard(); copy != nil {
		items = append(items, fyne.NewMenuItem("Copy picture", func() {
			p.withImage(r, func(img image.Image) error {
				data, err := gallery.Encode(img, r.Recipe)
				if err == nil {
					err = copyPNG(data)
				}
				return err
			}, "the picture could not be copied")
		}))
	}
	return items
}

// compareWith shows an older picture beside the one that is shown.
func (p *createPage) compareWith(before *result) {
	p.load(before, func(img image.Image) {
		p.compared = before
		p.compare.show(img)
		p.compare.Show()
		p.stage.Objects = []fyne.CanvasObject{p.compare, p.view}
		p.stage.Refresh()
		p.refresh()
	})
}

func (p *createPage) endComparing() {
	p.compared = nil
	p.compare.show(nil)
	p.stage.Objects = []fyne.CanvasObject{p.view}
	p.stage.Refresh()
	p.refresh()
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
		p.status.SetText(join("Starting …", waiting))
	case runs:
		pr := p.last
		p.bar.set((pr.Image-1)*pr.Steps+pr.Step, pr.Images*pr.Steps)
		p.status.SetText(join(ofMany("Picture", pr.Image, pr.Images), ofMany("Step", pr.Step, max(pr.Steps, 2)), left(pr.Left), waiting))
	case waiting != "":
		p.status.SetText(waiting)
	case p.compared != nil && p.shown != nil:
		p.status.SetText(fmt.Sprintf("Left: seed %d   Right: seed %d", uint64(p.compared.Recipe.Seed), uint64(p.shown.Recipe.Seed)))
	case p.shown != nil:
		r := p.shown.Recipe
		p.status.SetText(join(fmt.Sprintf("Seed %d", uint64(r.Seed)), sizeText(r.Width, r.Height), plural(r.Steps, "step"), fmt.Sprintf("guidance %g", r.CFGScale)))
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
	for _, it := range p.strip.items[min(resultsHeld, len(p.strip.items)):] {
		if it.value.path != "" {
			it.value.Image = nil // the gallery has it
		}
	}
	if p.pinned {
		p.strip.choose(p.shown)
		return
	}
	p.shown = r
	p.showPicked()
}

// resultsHeld is how many of the latest pictures are held in memory.
const resultsHeld = 4

// ofMany is "Step 3 of 20", or nothing where there is but one.
func ofMany(what string, i, n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf("%s %d of %d", what, i, n)
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
	r := p.shown
	if r == nil {
		p.view.show(nil)
		p.empty.Show()
		return
	}
	p.empty.Hide()
	p.load(r, func(img image.Image) {
		if p.shown == r {
			p.view.show(img)
		}
	})
}

// load hands on a result's picture, read back from the gallery if need be.
func (p *createPage) load(r *result, then func(image.Image)) {
	if r.Image != nil {
		then(r.Image)
		return
	}
	inBackground(p.win.post, func() (image.Image, error) { return pictures.Load(r.path) }, func(img image.Image, err error) {
		if err != nil {
			p.notice.fail(fmt.Sprintf("the picture is gone from the gallery: %v", withoutPath(err, r.path)))
			return
		}
		then(img)
	})
}

// withImage does something with a result's picture in the background.
func (p *createPage) withImage(r *result, do func(image.Image) error, failure string) {
	p.load(r, func(img image.Image) {
		inBackground(p.win.post, func() (struct{}, error) { return struct{}{}, do(img) }, func(_ struct{}, err error) {
			if err != nil {
				p.notice.fail(fmt.Sprintf("%s: %v", failure, plainReason(err)))
			}
		})
	})
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
	for _, b := range beyond {
		if b != keyRescale && b != keyPrediction && !slices.Contains(missing, b) { // of which the form knows better
			missing = append(missing, b)
		}
	}
	if len(loras) > 0 || r.Steps > 0 { // else it is a mere prompt
		p.form.loras.set(loras)
	}
	if len(missing) > 0 {
		p.notice.tell("settings restored but for " + joinAnd(missing) + ", which Latent does not have here")
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
