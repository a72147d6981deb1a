// Latent turns a prompt into a picture. Without arguments it opens its window,
// else it runs a subcommand; see latent help.
package main

import (
	"os"

	"latent/app/cli"
)

func main() {
	if len(os.Args) > 1 {
		os.Exit(cli.Run(os.Args[1:]))
	}
	os.Exit(openWindow())
}
