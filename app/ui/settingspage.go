//go:build !headless

package ui

import (
	"path/filepath"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
)

// settingsPage changes settings.toml. A change counts and is saved at once.
type settingsPage struct {
	content fyne.CanvasObject
	win     *Window
	notice  *notice
	first   *choice            // has the keyboard when the page comes up
	folders map[*string]*entry // by the setting that each shows
}

func newSettingsPage(w *Window) *settingsPage {
	k, s := &w.keys, &w.settings
	p := &settingsPage{win: w, notice: newNotice(k), folders: map[*string]*entry{}}
	pick := func(values, labels []string, value *string, then func()) *choice {
		c := newChoice(k, labels, nil)
		c.Selected = *value // as it is, should it be none of those offered
		if i := slices.Index(values, *value); i >= 0 {
			c.Selected = labels[i]
		}
		c.OnChanged = func(string) {
			*value = values[c.SelectedIndex()]
			then()
			p.save()
		}
		return c
	}
	nothing := func() {}
	p.first = pick(themes, []string{"Dark", "Light", "As the desktop"}, &s.Theme, w.applyTheme)
	folder := func(value *string, then func()) fyne.CanvasObject {
		e := newEntry(k, 1)
		e.SetText(*value)
		p.folders[value] = e
		e.OnSubmitted = func(t string) {
			if t = strings.TrimSpace(t); t == "" || !filepath.IsAbs(t) {
				p.notice.fail("write the folder's whole path, from / on")
				return
			}
			*value = filepath.Clean(t)
			then()
			p.save()
		}
		return beside(nil, e, newButton(k, "Choose…", theme.FolderOpenIcon(), func() {
			w.askFolder(func(dir string) { e.SetText(dir); e.OnSubmitted(dir) })
		}))
	}
	field := func(name, why string, control fyne.CanvasObject) fyne.CanvasObject {
		title := newText(name, theme.ColorNameForeground, theme.SizeNameText)
		return container.New(settingLayout{}, stack(2, title, caption(why)), control)
	}
	p.content = newPanel(colorPanel, 28, scrolled(k, container.New(narrow{}, stack(20,
		heading("Settings"),
		p.notice,
		field("Appearance", "Colours of the window", p.first),
		field("Device", "What the model runs on", pick(w.engine.Devices(), w.engine.Devices(), &s.Device, nothing)),
		field("Precision", "bf16 is faster, f32 more exact", pick(precisions, []string{"Automatic", "bf16", "f32"}, &s.Precision, nothing)),
		field("Previews", "Each costs some time", pick(previewWishes, []string{"Ten a picture", "At each step", "None"}, &s.Previews, nothing)),
		field("Pictures folder", "Where finished pictures go", folder(&s.Output, func() { w.gallery.changed() })),
		field("Models folder", "Where trained models go", folder(&s.Models, w.readModels)),
		field("LoRAs folder", "Where trained LoRAs go", folder(&s.LoRAs, w.readExtras)),
		field("Embeddings folder", "Learned words, called by their files", folder(&s.Embeddings, w.create.formChanged)),
		field("Autoencoders folder", "VAEs in place of a model's own", folder(&s.VAEs, w.readExtras)),
		field("ControlNets folder", "What looks at pictures to go by", folder(&s.Controls, w.readExtras)),
		field("Upscalers folder", "ESRGANs, which enlarge pictures", folder(&s.Upscalers, w.readExtras)),
		caption("Kept in "+w.places.settings),
	))))
	return p
}

// showFolder shows where the folder of a setting is chosen.
func (w *Window) showFolder(value *string) {
	w.show(pageSettings)
	w.Canvas().Focus(w.prefs.folders[value])
}

func (p *settingsPage) save() {
	p.notice.clear()
	path, s := p.win.places.settings, p.win.settings
	p.win.keeper.putMade(path, func() ([]byte, error) { return encodeSettings(path, s) })
}

// settingLayout puts a setting's name at the left and its control at the right.
type settingLayout struct{}

const settingName = 210

func (settingLayout) MinSize(o []fyne.CanvasObject) fyne.Size {
	a, b := o[0].MinSize(), o[1].MinSize()
	return fyne.NewSize(max(a.Width, settingName)+b.Width, max(a.Height, b.Height))
}

func (settingLayout) Layout(o []fyne.CanvasObject, s fyne.Size) {
	name := max(o[0].MinSize().Width+gap, settingName)
	o[0].Resize(fyne.NewSize(name, o[0].MinSize().Height))
	h := o[1].MinSize().Height
	o[1].Move(fyne.NewPos(name, (s.Height-h)/2))
	o[1].Resize(fyne.NewSize(s.Width-name, h))
}

// narrow keeps lines short enough to read.
type narrow struct{}

const narrowWidth = 680

func (narrow) MinSize(o []fyne.CanvasObject) fyne.Size { return o[0].MinSize() }
func (narrow) Layout(o []fyne.CanvasObject, s fyne.Size) {
	o[0].Resize(fyne.NewSize(min(s.Width, narrowWidth), s.Height))
}
