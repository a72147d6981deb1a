//go:build !headless

package ui

import (
	"image"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"

	"latent/app/pictures"
)

// initial is the picture to begin from, with what of it is to be painted anew.
type initial struct {
	content  fyne.CanvasObject
	page     *createPage
	tile     *tile
	strength *number
	invite   fyne.CanvasObject
	settings fyne.CanvasObject
	masked   *text

	image image.Image
	data  []byte // image as a PNG file
	mask  []byte // nil: all of it

	brush *brush
	board fyne.CanvasObject // brush and its tools, over the page's picture
}

func newInitial(p *createPage) *initial {
	k, f := &p.win.keys, p.win.engine.Features()
	in := &initial{page: p, tile: newTile(64), strength: newNumber(k, "Strength", 0.05, 1, 0.05, 1), masked: caption("")}
	in.brush = newBrush(k, in.finish)
	in.strength.set(0.75)
	in.strength.changed = p.form.tell
	choose := newButton(k, "Choose…", theme.FolderOpenIcon(), func() { p.win.askPicture(in.load) })
	buttons := []fyne.CanvasObject{choose}
	if _, paste := pictureClipboard(); paste != nil {
		buttons = append(buttons, newButton(k, "Paste", theme.ContentPasteIcon(), func() { in.read(fromClipboard) }))
	}
	in.invite = beside(fixedSize(numberLabel, 0, middle(caption("Begin from"))), row(tight, buttons...), nil)
	mark := row(0, newButton(k, "Mark a part…", theme.DocumentCreateIcon(), in.paint))
	show(mark, f.Mask)
	in.settings = stack(tight, beside(nil, middle(caption("Begin from this picture")), newButton(k, "Remove", theme.CancelIcon(), in.remove)),
		beside(in.tile, middle(stack(tight, in.masked, mark)), nil), in.strength.content)
	in.settings.Hide()
	in.content = container.NewStack(in.invite, in.settings)

	size := newNumber(k, "Brush", 1, 30, 1, 100)
	size.set(8)
	size.changed = func() { in.brush.size = size.value / 100 }
	in.board = container.New(boardLayout{}, in.brush, size.content, row(tight,
		newButton(k, "Undo", theme.ContentUndoIcon(), in.brush.undo),
		newButton(k, "All of it", nil, func() { in.mask = nil; in.done(); in.page.form.tell() }),
		newButton(k, "Done", theme.ConfirmIcon(), in.finish).primary()))
	in.board.Hide()
	show(in.content, f.Init)
	return in
}

// load takes a picture file to begin from.
func (in *initial) load(path string) { in.read(fromFile(path)) }

func (in *initial) read(from picture) {
	type loaded struct {
		img, thumb image.Image
		data       []byte
	}
	inBackground(in.page.win.post, func() (l loaded, err error) {
		if l.img, l.data, err = withFile(from); err == nil {
			l.thumb = pictures.Fit(l.img, thumbPixels, thumbPixels)
		}
		return l, err
	}, func(l loaded, err error) {
		if err != nil {
			in.page.notice.fail(err.Error())
			return
		}
		in.image, in.data, in.mask = l.img, l.data, nil
		in.tile.show(l.thumb)
		in.shown()
		in.page.form.tell()
	})
}

// shown shows the picture's settings.
func (in *initial) shown() {
	in.done()
	in.invite.Hide()
	in.settings.Show()
}

// restoreDraft takes the files of a picture and its mask as they were left.
func (in *initial) restoreDraft(data, mask []byte, strength float64) {
	in.data, in.mask = data, mask
	in.strength.set(strength)
	in.shown()
	decodeDraft(in.page, data, func() bool { return in.data != nil && &in.data[0] == &data[0] }, func(img *image.NRGBA) {
		in.image = img
		in.tile.show(pictures.Fit(img, thumbPixels, thumbPixels))
	}, in.remove)
}

// decodeDraft reads a picture of the draft in the background and hands it on, if it is
// still the one that is chosen, or tells that it is broken.
func decodeDraft(p *createPage, data []byte, chosen func() bool, then func(*image.NRGBA), broken func()) {
	inBackground(p.win.post, func() (*image.NRGBA, error) { return pictures.Decode(data) }, func(img *image.NRGBA, err error) {
		switch {
		case !chosen():
		case err != nil:
			broken()
			p.notice.tell("a picture that was chosen here before cannot be read any more: choose it again")
		default:
			then(img)
		}
	})
}

func (in *initial) remove() {
	in.image, in.data, in.mask = nil, nil, nil
	in.done()
	in.settings.Hide()
	in.invite.Show()
	in.page.form.tell()
}

// paint lets a person mark what is to be painted anew.
func (in *initial) paint() {
	img := in.image
	if img == nil {
		return // still being read
	}
	inBackground(in.page.win.post, func() (*image.RGBA, error) { return ground(img), nil }, func(ground *image.RGBA, _ error) {
		if in.image != img {
			return // another was chosen meanwhile
		}
		in.brush.begin(ground)
		in.page.stage.Hide()
		in.page.empty.Hide()
		in.board.Show()
		in.page.win.keys.shown()
		in.page.win.Canvas().Focus(in.brush)
	})
}

// finish takes what was marked.
func (in *initial) finish() {
	in.mask = in.brush.png()
	in.done()
	in.page.form.tell()
}

func (in *initial) done() {
	if in.board.Visible() {
		in.board.Hide()
		in.brush.end()
		in.page.stage.Show()
		in.page.showPicked()
	}
	// A second pass is for pictures that begin at noise.
	in.page.form.second.show(in.data == nil && in.page.win.engine.Features().Hires)
	in.page.win.keys.shown()
	in.masked.SetText("All of it is painted anew")
	if in.mask != nil {
		in.masked.SetText("The marked part is painted anew")
	}
}

// boardLayout puts the brush's size and buttons below the picture: side by side, or one
// below the other where there is no room for that.
type boardLayout struct{}

const brushSize = 220 // of the line for the brush's size

func (boardLayout) MinSize(o []fyne.CanvasObject) fyne.Size {
	brush, size, buttons := o[0].MinSize(), o[1].MinSize(), o[2].MinSize()
	return fyne.NewSize(max(brush.Width, size.Width, buttons.Width), brush.Height+size.Height+buttons.Height+2*tight)
}

func (boardLayout) Layout(o []fyne.CanvasObject, room fyne.Size) {
	size, buttons := o[1].MinSize(), o[2].MinSize()
	y, wide := room.Height-buttons.Height, room.Width >= brushSize+gap+buttons.Width
	o[2].Move(fyne.NewPos(room.Width-buttons.Width, y))
	o[2].Resize(buttons)
	width := float32(brushSize)
	if !wide {
		y, width = y-tight-size.Height, room.Width
	}
	o[1].Move(fyne.NewPos(0, y))
	o[1].Resize(fyne.NewSize(width, size.Height))
	o[0].Resize(fyne.NewSize(room.Width, y-tight))
}
