package gallery

// A Recipe is all that made a picture. As text it is AUTOMATIC1111's infotext:
//
//	a red cat, sleeping
//	Negative prompt: blurry
//	Steps: 20, Sampler: DDIM, CFG scale: 7.5, Seed: 42, Size: 512x512, Model: name
//
// A field that is 0 or empty is not written, but for Steps, Sampler, CFGScale,
// Seed and the size.
type Recipe struct {
	Prompt, Negative string
	Steps            int
	Sampler          string // "DDIM", "Euler a", …; old files have "DPM++ 2M Karras" in one
	ScheduleType     string // "Karras", …
	CFGScale         float64
	Seed             int64
	Width, Height    int // pixels, before the hires pass
	ModelHash, Model string
	VAEHash, VAE     string

	VariationSeed     int64
	VariationStrength float64 // 0 to 1, the share of VariationSeed's noise
	Denoising         float64 // strength of image-to-image, or of the hires pass
	MaskBlur          float64 // pixels
	ClipSkip          int     // which hidden state from the end; 0 is 1, the last
	ENSD              int64   // added to the seed of ancestral noise
	Emphasis          string  // "No norm", …; empty is "Original"

	HiresUpscale                       float64 // factor; or else the size:
	HiresWidth, HiresHeight            int     // pixels
	HiresSteps                         int     // 0: as many as Steps
	HiresUpscaler                      string
	Eta                                float64
	RNG                                string // "cpu", "nv"; see Complete
	LoraHashes, TextualInversionHashes []Pair // name and AutoV3 hash
	Version                            string // of the program: "Latent 1.2", "v1.10.1"
	// Hashes are what Civitai finds files by: "model", "vae", "lora:name",
	// "embed:name" and the first ten digits of the file's SHA-256.
	Hashes []Pair
	Extra  []Pair // whatever else stands in the last line, in its order
}

// Keys of a Recipe's Extra that say how a finished picture was enlarged.
const KeyUpscaleBy, KeyUpscaler = "Postprocess upscale by", "Postprocess upscaler"

// A Pair is one more key and value of a Recipe's last line. A key is two or more
// letters, digits, spaces, - or /, beginning with a letter or digit.
type Pair struct{ Key, Value string }

// Complete says what infotext of other programs means by leaving it out, without
// RNG the noise is a GPU's, without clip skip the last hidden state counts, and by
// an automatic schedule: AUTOMATIC1111's is the sampler's favourite.
func (r Recipe) Complete() Recipe {
	if r.RNG == "" || r.RNG == "gpu" {
		r.RNG = "nv"
	}
	if r.ClipSkip == 0 {
		r.ClipSkip = 1
	}
	if favourite := favourites[r.Sampler]; favourite != "" && r.ScheduleType == "Automatic" {
		r.ScheduleType = favourite
	}
	return r
}

// favourites are the schedules that AUTOMATIC1111 1.9 and later take for Automatic,
// but for samplers that have timesteps of their own.
var favourites = map[string]string{
	"Euler": "Uniform", "Euler a": "Uniform", "Heun": "Uniform", "LMS": "Uniform",
	"DPM++ 2M": "Karras", "DPM++ SDE": "Karras", "DPM++ 2S a": "Karras", "DPM2": "Karras", "DPM2 a": "Karras",
	"DPM++ 2M SDE": "Exponential", "DPM++ 2M SDE Heun": "Exponential", "DPM++ 3M SDE": "Exponential",
}
