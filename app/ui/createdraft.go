//go:build !headless

package ui

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"

	"fyne.io/fyne/v2"
	"github.com/BurntSushi/toml"
)

func (p *createPage) draftPath() string { return filepath.Join(p.win.places.state, "form.toml") }

func (p *createPage) stylesPath() string {
	return filepath.Join(filepath.Dir(p.win.places.settings), "styles.toml")
}

// A draft is the form as it was left.
type draft struct {
	style
	Seed   string     `toml:"seed"`
	Locked bool       `toml:"locked"`
	Count  string     `toml:"count"`
	Beyond beyond     `toml:"beyond,omitempty"`
	Second SecondPass `toml:"second_pass,omitempty"`

	// Pictures are files of the state's folder.
	Init     string    `toml:"init,omitempty"`
	Mask     string    `toml:"mask,omitempty"`
	Strength float64   `toml:"strength,omitempty"`
	Controls []Control `toml:"control,omitempty"` // Picture "": none yet
}

// keepDraft keeps the form, so that it comes back as it was left.
func (p *createPage) keepDraft() {
	f := p.form
	second, err := f.second.request(0, 0, f.chosen().Unit)
	if err != nil {
		second = SecondPass{}
	}
	d := draft{style: f.style(), Seed: f.seed.Text, Locked: f.locked, Count: f.count.Selected, Beyond: f.beyond, Second: second}
	put := p.files.keep(p.win.keeper, p.win.places.state)
	if in := p.initial; in.data != nil {
		d.Init, d.Mask, d.Strength = put(in.data), put(in.mask), in.strength.value
	}
	for _, c := range p.controls.items {
		kept := c.kept()
		kept.Picture = put(c.data)
		d.Controls = append(d.Controls, kept)
	}
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(d); err == nil {
		p.win.keeper.put(p.draftPath(), b.Bytes())
		p.files.drop(p.win.keeper, p.win.places.state)
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
	f.wishedVAE = d.VAE
	if _, err := strconv.ParseUint(d.Seed, 10, 64); err == nil && d.Locked {
		f.setting = true
		f.seed.SetText(d.Seed)
		f.setting = false
		f.setLock(true)
	}
	f.setBeyond(d.Beyond)
	f.second.set(d.Second)
	if i := indexFold(f.count.Options, d.Count); i >= 0 {
		f.count.SetSelectedIndex(i)
	}
	lost := false
	read := func(name string) []byte {
		if name == "" {
			return nil
		}
		data, err := os.ReadFile(filepath.Join(p.win.places.state, filepath.Base(name)))
		lost = lost || err != nil
		return data
	}
	if init := read(d.Init); init != nil {
		p.initial.restoreDraft(init, read(d.Mask), d.Strength)
	}
	for _, c := range d.Controls[:min(len(d.Controls), mostControls)] {
		p.controls.add().restoreDraft(c, read(c.Picture))
	}
	if lost {
		p.notice.tell("a picture that was chosen here before is gone: choose it again")
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
