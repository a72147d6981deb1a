//go:build !headless

package ui

import (
	"slices"
	"testing"

	"fyne.io/fyne/v2"

	"latent/app/gallery"
)

func TestGalleryCopies(t *testing.T) {
	w, _ := open(t, &fakeEngine{})
	p := w.gallery
	for _, c := range []struct {
		recipe gallery.Recipe
		want   map[string]string // what the clipboard holds, by the menu's item
	}{
		{gallery.Recipe{Prompt: "a fox", Negative: "blurred, (dark:1.2)"}, map[string]string{"Copy prompt": "a fox", "Copy negative prompt": "blurred, (dark:1.2)"}},
		{gallery.Recipe{Prompt: "an owl"}, map[string]string{"Copy prompt": "an owl", "Copy negative prompt": ""}},
	} {
		p.chosen = &opened{recipe: c.recipe}
		items := p.more()
		for label, want := range c.want {
			i := slices.IndexFunc(items, func(m *fyne.MenuItem) bool { return m.Label == label })
			if (i >= 0) != (want != "") {
				t.Errorf("of %q the menu offers %q: %v", c.recipe.Negative, label, i >= 0)
				continue
			}
			if i < 0 {
				continue
			}
			items[i].Action()
			if got := fyne.CurrentApp().Clipboard().Content(); got != want {
				t.Errorf("%s: the clipboard holds %q, want %q", label, got, want)
			}
		}
	}
}
