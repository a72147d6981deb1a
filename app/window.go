//go:build !headless

package main

import (
	"fmt"
	"os"

	"latent/app/ui"
	"latent/app/ui/desktop"
	_ "latent/app/ui/locale"
)

// openWindow shows the window until it is closed. files are taken as if they were
// dropped on it.
func openWindow(files []string) int {
	engine := ui.NewEngine()
	defer engine.Close()
	if err := desktop.Run(engine, files); err != nil {
		fmt.Fprintln(os.Stderr, "latent:", err)
		return 1
	}
	return 0
}
