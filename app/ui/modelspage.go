//go:build !headless

package ui

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// modelsPage shows what is in the models folder, and brings more there.
type modelsPage struct {
	content fyne.CanvasObject
	win     *Window
	notice  *notice
	count   *text
	list    *list
	files   []ModelFile
	reads   int

	address, sum *entry
	fetch, stop  *button
	status       *text
	bar          *bar
	under        fyne.CanvasObject  // status and bar, while something is added
	cancel       context.CancelFunc // of what is being added
	moved        coalesce[[2]int64]
}

func newModelsPage(w *Window) *modelsPage {
	k := &w.keys
	p := &modelsPage{win: w, notice: newNotice(k), count: caption("").short(), bar: newBar()}
	p.moved = coalesce[[2]int64]{post: w.post, show: p.progress}
	p.list = newList(k, func() int { return len(p.files) }, func() listRow { return newModelRow(p) },
		func(i int, r listRow) { r.(*modelRow).set(p.files[i]) })
	p.list.typed = p.typed
	p.address, p.sum = newEntry(k, 1), newEntry(k, 1)
	p.address.SetPlaceHolder("https://…/model.safetensors")
	p.sum.SetPlaceHolder("SHA-256, if you know it")
	p.address.OnSubmitted = func(string) { p.download() }
	p.sum.OnSubmitted = p.address.OnSubmitted
	p.fetch = newButton(k, "Download", theme.DownloadIcon(), p.download)
	p.stop = newButton(k, "Stop", theme.MediaStopIcon(), func() { p.cancel() })
	p.stop.Hide()
	p.status = caption("").short()

	head := beside(nil, middle(stack(2, heading("Models"), p.count)), middle(row(tight,
		newButton(k, "Add a file…", theme.FileIcon(), func() { w.askModel(p.add) }),
		newButton(k, "Add a folder…", theme.FolderOpenIcon(), func() { w.askFolder(p.add) }))))
	p.under = stack(tight, p.status, p.bar)
	p.under.Hide()
	foot := newPanel(colorStage, gap, stack(tight,
		caption("Download from an address"),
		beside(nil, p.address, row(tight, fixedSize(190, 0, p.sum), container.NewStack(p.fetch, p.stop))),
		p.under))
	p.content = newPanel(colorPanel, gap+2, edges(stack(gap, head, p.notice), foot, nil, nil,
		container.New(&insets{top: gap, bottom: gap}, p.list)))
	p.bar.Hide()
	return p
}

// read looks at the models folder.
func (p *modelsPage) read() {
	p.reads++
	read, folders := p.reads, p.win.settings.folders()
	inBackground(p.win.post, func() ([]ModelFile, error) { return p.win.engine.Library(folders), nil }, func(files []ModelFile, _ error) {
		if read != p.reads {
			return
		}
		p.files = files
		bad := 0
		for _, f := range files {
			if f.Problem != "" {
				bad++
			}
		}
		text := plural(len(files), "entry")
		if len(files) != 1 {
			text = fmt.Sprintf("%d entries", len(files))
		}
		if bad > 0 {
			text = join(text, fmt.Sprintf("%d cannot be used", bad))
		}
		p.count.SetText(join(text, folders.Models))
		p.list.Refresh()
	})
}

// begin does something that takes time, one at a time.
func (p *modelsPage) begin(what string, work func(ctx context.Context) (string, error)) {
	if p.cancel != nil {
		p.notice.fail("something is being added already: wait until it is done, or stop it")
		return
	}
	p.notice.clear()
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.fetch.Hide()
	p.stop.Show()
	p.bar.Show()
	p.under.Show()
	p.bar.set(0, 1)
	p.status.SetText(what)
	inBackground(p.win.post, func() (string, error) { return work(ctx) }, func(path string, err error) {
		p.cancel()
		p.cancel = nil
		p.stop.Hide()
		p.fetch.Show()
		p.bar.Hide()
		p.under.Hide()
		switch {
		case errors.Is(err, context.Canceled):
			p.under.Show()
			p.status.SetText("Stopped; what has come is kept, and Download goes on with it")
		case err != nil:
			p.notice.fail(err.Error())
		default:
			p.notice.tell(filepath.Base(path) + " is in " + filepath.Dir(path))
			p.address.SetText("")
			p.sum.SetText("")
		}
		p.read()
		p.win.readModels()
		p.win.readExtras()
	})
}

func (p *modelsPage) download() {
	folders := p.win.settings.folders()
	d := &download{url: p.address.Text, sha256: p.sum.Text, folder: folders.Models, client: http.DefaultClient,
		report: func(done, total int64) { p.moved.put([2]int64{done, total}) }}
	p.begin("Connecting …", func(ctx context.Context) (string, error) {
		path, err := d.run(ctx)
		if err != nil {
			return "", err
		}
		return settle(path, folders.of(path)), nil
	})
}

// add brings a file or folder to its like.
func (p *modelsPage) add(path string) {
	folders := p.win.settings.folders()
	p.begin("Adding "+filepath.Base(path)+" …", func(ctx context.Context) (string, error) {
		return addModel(ctx, path, folders.of(path), func(done, total int64) { p.moved.put([2]int64{done, total}) })
	})
}

func (p *modelsPage) progress(n [2]int64) {
	if p.cancel == nil {
		return
	}
	if n[1] == 0 {
		p.status.SetText(byteSize(n[0]))
		return
	}
	p.bar.set(int(n[0]>>10), int(n[1]>>10))
	p.status.SetText(byteSize(n[0]) + " of " + byteSize(n[1]))
}

func (p *modelsPage) trash(f ModelFile) {
	p.win.trash(f.Path, f.Name, p.notice, func() { p.read(); p.win.readModels() })
}

// use makes the Create page use a model, or a LoRA besides.
func (p *modelsPage) use(f ModelFile) {
	if f.LoRA {
		p.win.create.form.loras.add(f.Name)
		p.win.show(pageCreate)
		return
	}
	if i := indexModel(p.win.models, f.ID); i >= 0 {
		p.win.create.form.model.SetSelectedIndex(i)
		p.win.show(pageCreate)
	}
}

// typed does what a key means to entry i.
func (p *modelsPage) typed(i int, key fyne.KeyName) {
	switch f := p.files[i]; key {
	case fyne.KeyReturn, fyne.KeyEnter, fyne.KeySpace:
		if p.usable(f) {
			p.use(f)
		}
	case fyne.KeyDelete, fyne.KeyBackspace:
		if f.Path != "" {
			p.trash(f)
		}
	}
}

// usable tells whether use has something to do.
func (p *modelsPage) usable(f ModelFile) bool {
	return (f.LoRA || indexModel(p.win.models, f.ID) >= 0) && f.Problem == ""
}

// modelRow is one line of the list.
type modelRow struct {
	widget.BaseWidget
	page       *modelsPage
	file       ModelFile
	box        fyne.CanvasObject
	panel      *panel
	icon       *widget.Icon
	name, what *text
	use, trash *button
}

func newModelRow(p *modelsPage) *modelRow {
	k := &p.win.keys
	r := &modelRow{page: p, icon: widget.NewIcon(nil)}
	r.name = newText("", theme.ColorNameForeground, theme.SizeNameText).short()
	r.what = caption("").short()
	r.use = newButton(k, "Use", icon("create"), func() { p.use(r.file) }).quiet()
	r.trash = newButton(k, "", theme.DeleteIcon(), func() { p.trash(r.file) }).quiet()
	r.panel = newPanel(colorStage, 10, beside(fixedSize(28, 0, middle(fixedSize(20, 20, r.icon))), middle(stack(3, r.name, r.what)), middle(row(0, r.use, r.trash))))
	r.box = container.New(&insets{bottom: tight}, r.panel)
	r.ExtendBaseWidget(r)
	return r
}

func (r *modelRow) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(r.box) }

func (r *modelRow) choose(on bool) { r.panel.choose(on) }

func (r *modelRow) set(f ModelFile) {
	r.file = f
	r.name.SetText(f.Name)
	size := ""
	if f.Size > 0 {
		size = byteSize(f.Size)
	}
	tint := colorMuted
	r.what.color = colorMuted
	r.what.Text = join(f.What, size)
	if f.Problem != "" {
		tint, r.what.color = theme.ColorNameWarning, theme.ColorNameWarning
		r.what.Text = sentence(f.Problem)
	}
	r.what.Refresh()
	r.icon.SetResource(theme.NewColoredResource(icon("models"), tint))
	show(r.use, r.page.usable(f))
	show(r.trash, f.Path != "")
}

type modelFilter struct{}

func (modelFilter) Matches(u fyne.URI) bool { return isModelName(u.Name()) }

// isModelName tells whether a file may hold a model.
func isModelName(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".safetensors", ".ckpt", ".pt", ".pth", ".bin":
		return true
	}
	return false
}
