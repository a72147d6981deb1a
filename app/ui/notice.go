//go:build !headless

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// notice says what went wrong, where it did. It takes no room until then.
type notice struct {
	widget.BaseWidget
	message *prose
	copy    *button
	close   *button
	action  *link
	kind    fyne.ThemeColorName
	keys    *keys
}

func newNotice(k *keys) *notice {
	n := &notice{message: newProse(k), kind: theme.ColorNameError, keys: k}
	n.copy = newButton(k, "", theme.ContentCopyIcon(), func() { fyne.CurrentApp().Clipboard().SetContent(n.message.Text) }).quiet()
	n.close = newButton(k, "", theme.CancelIcon(), n.clear).quiet()
	n.action = newLink(k, "", nil)
	n.action.Hide()
	n.ExtendBaseWidget(n)
	n.Hide()
	return n
}

// fail shows an error, tell what is merely worth knowing.
func (n *notice) fail(message string) { n.show(message, theme.ColorNameError) }
func (n *notice) tell(message string) { n.show(message, theme.ColorNamePrimary) }

// offer tells something that can be answered by one word.
func (n *notice) offer(message, word string, do func()) {
	n.tell(message)
	n.action.SetText(word)
	n.action.tapped = func() { n.clear(); do() }
	n.action.Show()
	n.Refresh()
}

func (n *notice) show(message string, kind fyne.ThemeColorName) {
	n.kind = kind
	n.action.Hide()
	n.message.SetText(sentence(message))
	n.Show()
	n.Refresh()
	n.keys.shown()
}

func (n *notice) clear() {
	n.message.SetText("")
	n.Hide()
	n.keys.shown()
}

func (n *notice) CreateRenderer() fyne.WidgetRenderer {
	bg, edge := canvas.NewRectangle(themed(theme.ColorNameInputBackground)), canvas.NewRectangle(themed(n.kind))
	bg.CornerRadius = radiusSmall
	edge.CornerRadius = 2
	edge.SetMinSize(fyne.NewSize(4, 0))
	box := container.NewStack(bg, edges(nil, nil, edge, container.NewVBox(row(tight, middle(n.action), n.copy, n.close)), n.message))
	return &noticeRenderer{widget.NewSimpleRenderer(box), n, bg, edge}
}

type noticeRenderer struct {
	fyne.WidgetRenderer
	n        *notice
	bg, edge *canvas.Rectangle
}

func (r *noticeRenderer) Refresh() {
	r.bg.FillColor, r.edge.FillColor = themed(theme.ColorNameInputBackground), themed(r.n.kind)
	r.bg.Refresh()
	r.edge.Refresh()
	r.WidgetRenderer.Refresh()
}
