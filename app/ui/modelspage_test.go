//go:build !headless

package ui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/storage"
	"fyne.io/fyne/v2/test"
)

func TestModelsPage(t *testing.T) {
	_, web := newShelfServer(t)
	w, q := open(t, &fakeEngine{})
	p := w.library
	w.show(pageModels)
	q.until(t, "the folder is read", func() bool { return len(p.files) == 1 })
	p.address.SetText(web.URL + "/m.safetensors")
	test.Tap(p.fetch)
	if !p.stop.Visible() || p.fetch.Visible() {
		t.Error("while it comes, Stop must stand in place of Download")
	}
	q.until(t, "it has come", func() bool { return p.cancel == nil && len(p.files) == 2 })
	if !strings.Contains(p.notice.message.Text, "m.safetensors") || p.address.Text != "" {
		t.Errorf("notice %q", p.notice.message.Text)
	}

	dropped := filepath.Join(t.TempDir(), "dropped.safetensors")
	write(t, dropped, "weights")
	w.show(pageCreate)
	w.dropped([]fyne.URI{storage.NewFileURI(dropped)})
	q.until(t, "it is added", func() bool { return w.page == pageModels && p.cancel == nil && len(p.files) == 3 })

	row := newModelRow(p)
	row.set(p.files[1])
	test.Tap(row.trash)
	q.until(t, "it is in the trash", func() bool { return len(p.files) == 2 && p.notice.action.Visible() })
	if _, err := os.Stat(dropped); err != nil {
		t.Error("the original must stay:", err)
	}
	test.Tap(p.notice.action)
	q.until(t, "it is back", func() bool { return len(p.files) == 3 })

	row.set(p.files[0])
	if !row.use.Visible() || row.trash.Visible() {
		t.Error("the built-in model can be used and not deleted")
	}
	test.Tap(row.use)
	if w.page != pageCreate {
		t.Error("Use must go to the Create page")
	}
	p.address.SetText("nonsense")
	p.download()
	q.until(t, "the failure is told", func() bool { return p.cancel == nil && p.notice.Visible() })
	if !strings.Contains(p.notice.message.Text, "address") {
		t.Errorf("notice %q", p.notice.message.Text)
	}
}
