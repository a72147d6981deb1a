// Latent turns a prompt into a picture. Without arguments, or with the paths of
// files, it opens its window, else it runs a subcommand; see latent help.
package main

import (
	"os"
	"path/filepath"

	"latent/app/cli"
)

func main() {
	args := os.Args[1:]
	// The desktop names files by their whole paths, as no subcommand is called.
	if len(args) > 0 && !filepath.IsAbs(args[0]) {
		os.Exit(cli.Run(args))
	}
	os.Exit(openWindow(args))
}
