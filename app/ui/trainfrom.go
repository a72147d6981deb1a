//go:build !headless

package ui

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2/theme"
)

// beginning says with which LoRA's weights a training begins, where it does not with
// none.
type beginning struct {
	content *panel
	path    string // "": anew
	says    *text
}

func newBeginning(k *keys) *beginning {
	b := &beginning{says: newText("", theme.ColorNameForeground, theme.SizeNameCaptionText).short()}
	b.content = newPanel(colorStage, tight+2, beside(nil, middle(b.says), newLink(k, "Begin anew", func() { b.set(""); k.shown() })))
	b.content.radius = radiusSmall
	b.content.Hide()
	return b
}

func (b *beginning) set(path string) {
	b.path = path
	b.says.SetText("Begins with " + strings.TrimSuffix(filepath.Base(path), ".safetensors"))
	show(b.content, path != "")
}

// buildOn fills the form for a new training that begins with the weights of a
// checkpoint: it has what was learned, and no more of how.
func (p *trainPage) buildOn(r TrainRequest, k Checkpoint) {
	type found struct {
		name   string
		models []Model
	}
	models := p.win.settings.Models
	inBackground(p.win.post, func() (f found, _ error) {
		f.name = freeName(filepath.Dir(r.Output), filepath.Base(r.Output))
		if r.Rank == 0 {
			f.models = p.win.engine.Models(models)
		}
		return f, nil
	}, func(f found, _ error) {
		if p.cancel != nil {
			return
		}
		if r.Rank == 0 {
			p.win.setModels(f.models)
			if indexModel(f.models, k.Path) < 0 {
				p.notice.fail("the model " + filepath.Base(k.Path) + " is not in the models folder any more")
				return
			}
			r.Base = k.Path
		} else {
			r.From = k.Path
		}
		old := filepath.Base(r.Output)
		r.Output = filepath.Join(filepath.Dir(r.Output), f.name)
		p.fill(r)
		p.tab(tabPictures)
		p.notice.tell(fmt.Sprintf("a new training, %s, begins with the weights of %s at step %d: set its steps and start it", f.name, old, k.Step))
	})
}

// freeName is the first of name-2, name-3, … that nothing in a folder has.
func freeName(folder, name string) string {
	for n := 2; ; n++ {
		next := fmt.Sprintf("%s-%d", name, n)
		if _, err := os.Lstat(filepath.Join(folder, next)); err != nil {
			return next
		}
	}
}
