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
	w.ShowAndRun()
	return nil
}
