// Build compiles the stand-in driver and prints its path, for LATENT_CUDA_DRIVER.
package main

import (
	"fmt"
	"os"

	"latent/gpu/cuda/standin"
)

func main() {
	path, err := standin.Build()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(path)
}
