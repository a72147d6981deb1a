package golden

// The devices that EachDevice tries; cuda and host register themselves where they were built.
import (
	_ "latent/gpu/cuda"
	_ "latent/gpu/host"
	_ "latent/gpu/reference"
)
