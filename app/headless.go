//go:build headless

package main

import (
	"fmt"
	"os"
)

// openWindow says that this program has no window.
func openWindow([]string) int {
	fmt.Fprintln(os.Stderr, "latent: this build has no window; see latent help")
	return 1
}
