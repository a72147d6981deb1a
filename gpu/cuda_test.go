//go:build cuda

package gpu_test

import (
	"latent/gpu/cuda/standin"

	_ "latent/gpu/cuda"
)

func init() {
	if err := standin.Use(); err != nil {
		panic(err)
	}
}
