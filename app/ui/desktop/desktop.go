//go:build !headless

// Package desktop opens Latent's window on a display. It stands apart from
// package ui so that ui's tests need neither a display nor its libraries.
package desktop

import (
	"errors"
	"os"
	"runtime"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/app"
	"github.com/go-gl/glfw/v3.3/glfw"

	"latent/app/ui"
	"latent/assets"
)

// Run opens the window, with files as if they were dropped on it, and returns when
// it is closed. It must be called on the main goroutine.
func Run(e ui.Engine, files []string) error {
	if runtime.GOOS == "linux" && os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		return errors.New("there is no display to open a window on: use a subcommand, such as latent generate")
	}
	icon := fyne.NewStaticResource("latent.png", assets.Icon)
	app.SetMetadata(fyne.AppMetadata{ID: "app.latent.Latent", Name: "Latent", Version: assets.Version, Icon: icon})
	a := app.New()
	w, err := ui.New(a, e)
	if err != nil {
		return err
	}
	if path := os.Getenv("LATENT_WATCH"); path != "" {
		a.Lifecycle().SetOnStarted(func() { go watch(path) })
	}
	if len(files) > 0 {
		w.Open(files)
	}
	w.Show()
	fit(w)
	a.Run()
	return nil
}

// fit keeps a new window within the screen, which large letters may make too small
// for it.
func fit(w fyne.Window) {
	monitor := glfw.GetPrimaryMonitor()
	if monitor == nil {
		return
	}
	_, _, width, height := monitor.GetWorkarea()
	const frame = 40 // pixels of title bar and edges
	scale, size := w.Canvas().Scale(), w.Canvas().Size()
	room := fyne.NewSize(float32(width)/scale, float32(height-frame)/scale)
	if room.Width > 0 && room.Height > 0 && (size.Width > room.Width || size.Height > room.Height) {
		w.Resize(fyne.NewSize(min(size.Width, room.Width), min(size.Height, room.Height)))
	}
}
