//go:build !headless

package main

import (
	"fmt"
	"os"

	"latent/app/ui"
	"latent/app/ui/desktop"
	_ "latent/app/ui/locale"
)

// openWindow shows the window until it is closed.
func openWindow() int {
	engine := ui.NewEngine()
	defer engine.Close()
	if err := desktop.Run(engine); err != nil {
		fmt.Fprintln(os.Stderr, "latent:", err)
		return 1
	}
	return 0
}
