package golden

// The devices that EachDevice tries; host registers itself where it was built.
import (
	_ "latent/gpu/host"
	_ "latent/gpu/reference"
)
