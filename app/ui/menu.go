//go:build !headless

package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
)

func (w *Window) menu() *fyne.MainMenu {
	item := func(label string, key fyne.KeyName, do func()) *fyne.MenuItem {
		m := fyne.NewMenuItem(label, do)
		if key != "" {
			// On the menu, shortcuts work while a field has the keyboard.
			m.Shortcut = &desktop.CustomShortcut{KeyName: key, Modifier: fyne.KeyModifierShortcutDefault}
		}
		return m
	}
	quit := item("Quit", fyne.KeyQ, w.close)
	quit.IsQuit = true
	return fyne.NewMainMenu(
		fyne.NewMenu("File",
			item("Save PNG…", fyne.KeyS, w.create.savePNG),
			item("Restore settings from a PNG…", fyne.KeyO, w.askRestore),
			fyne.NewMenuItemSeparator(), quit),
		fyne.NewMenu("Picture",
			item("Generate", fyne.KeyReturn, func() { w.show(pageCreate); w.create.start() }),
			item("Cancel (Esc)", "", w.create.abort),
			item("Skip this picture", fyne.KeyK, w.jobs.skip),
			item("Pause the queue, or go on", fyne.KeyP, func() { w.jobs.pause(!w.jobs.paused) }),
			fyne.NewMenuItemSeparator(),
			item("Another idea", fyne.KeyI, func() { w.show(pageCreate); w.create.form.nextExample() }),
			item("Use the picture's settings", fyne.KeyR, w.create.reuseSettings)),
		fyne.NewMenu("View",
			item("Create", fyne.Key1, func() { w.show(pageCreate) }),
			item("Queue", fyne.Key2, func() { w.show(pageQueue) }),
			item("Gallery", fyne.Key3, func() { w.show(pageGallery) }),
			item("Train", fyne.Key4, func() { w.show(pageTrain) }),
			item("Models", fyne.Key5, func() { w.show(pageModels) }),
			item("Settings", fyne.Key6, func() { w.show(pageSettings) })))
}

// escape stops what the page in view is doing.
func (w *Window) escape() {
	if o := w.Canvas().Overlays().Top(); o != nil {
		w.Canvas().Overlays().Remove(o)
		return
	}
	switch {
	case w.page == pageGallery:
		if w.gallery.lightbox.Visible() {
			w.gallery.closeLightbox()
		} else {
			w.gallery.chooseNone()
		}
	case w.page == pageCreate && w.create.closeAside():
	default:
		w.create.abort()
	}
}
