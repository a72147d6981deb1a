package ui

import (
	"context"
	"errors"
	"image"
	"time"

	"latent/app/gallery"
	"latent/app/trainer"
	"latent/textencoder"
)

// Engine does the work behind the window. Generate and Train are called from
// goroutines of their own and call progress from whichever they like; the other
// methods return at once, where they do not say else. Both stop within a step when
// ctx ends, and return ctx.Err() then. Errors are shown as they are: one sentence that
// says what to do.
type Engine interface {
	// Models lists at least one, those in folder last; the first is what a new user
	// starts with. It reads the head of each file: the window opens with the answer, so
	// that nothing is painted with another model than the draft's.
	Models(folder string) []Model
	Library(f Folders) []ModelFile    // all that is in the folders, of use or not; may take a while
	Extras(f Folders) Extras          // what goes with models; may take a while
	Devices() []string                // "auto" first
	Samplers() []Sampler              // the default first
	Examples() []string               // prompts that suit the first model; at least one
	Features() Features               // what of a Request it heeds
	Resumable(dir string) bool        // whether dir holds a training that can go on; may take a while
	Stopped(f Folders) []TrainRequest // the trainings in the folders that can; may take a while

	// Generate paints one picture.
	Generate(ctx context.Context, r Request, progress func(Progress)) (Picture, error)
	Train(ctx context.Context, r TrainRequest, progress func(TrainProgress)) error
	// WriteWeights asks the training under way for what it has learned, to be tried: it
	// tells the path in its progress. Meanwhile Generate paints between its steps.
	WriteWeights()
	// Checkpoints lists what the training in a folder has left, the newest first, with
	// its settings. It may take a while.
	Checkpoints(dir string) (TrainRequest, []Checkpoint)
	// Losses are those of the steps that the training in a folder has behind it, in
	// their order. It may take a while.
	Losses(dir string) []Loss
	// Export writes what a training that was stopped has reached, so that it can be
	// tried: a model's folder, or a LoRA's file.
	Export(ctx context.Context, r TrainRequest) (path string, err error)
}

// Features say which wishes of a Request an engine heeds. The window offers no
// others.
type Features struct {
	Init      bool // Request.Init and Strength
	Mask      bool // Request.Mask
	Hires     bool // Request.SecondPass
	Variation bool // Request.VariationSeed and VariationStrength
	State     bool // Request.State
	Control   bool // Request.Controls
}

// TokenCounter is an Engine that knows how long prompts are to a model. It may
// take its time.
type TokenCounter interface {
	Tokens(r Request) (prompt, negative textencoder.Usage, err error)
}

// Folders are where files lie that go with models.
type Folders struct{ Models, LoRAs, Embeddings, VAEs, Controls, Upscalers string }

// Extras are the files in Folders that are chosen by name.
type Extras struct{ LoRAs, VAEs, Controls, Upscalers []Extra }

// Extra is such a file.
type Extra struct {
	Path   string
	Name   string // without folder and ending
	What   string // in words
	Hash   string // of a LoRA, as it says itself; "": unknown
	Family string // of a ControlNet: the models' that it is for; "": unknown
}

// Sampler is a way to go from noise to a picture.
type Sampler struct {
	Label     string
	Schedules []string // labels of those that it can follow, its own first; none to choose from: empty
}

// ErrBusy is what an engine that does one thing at a time answers meanwhile.
var ErrBusy = errors.New("the model is in use: stop the training or wait until it is done")

// Compute says on what an engine works.
type Compute struct {
	Device    string `toml:"device"`    // one of Engine.Devices
	Precision string `toml:"precision"` // "auto", "f32", "bf16"
}

// Model is a text-to-image model to choose from.
type Model struct {
	ID       string // what Request.Model takes
	Name     string
	Size     int     // side in pixels of the pictures that it was trained on
	Unit     int     // width and height are multiples of it
	Steps    int     // a good number of steps
	Guidance float64 // a good guidance scale
	OnlyVAE  bool    // it works with no other autoencoder than its own
	Family   string  // what ControlNets must be made for; "": unknown
}

// ModelFile is a file or folder that the Models page shows.
type ModelFile struct {
	ID      string // of the Model that it is, if it is one
	LoRA    bool
	Path    string // "": inside the program
	Name    string
	What    string // in words
	Size    int64  // bytes
	Problem string // why it cannot be used; "": nothing speaks against it
}

// Request says what to paint.
type Request struct {
	Compute
	Model    string  `toml:"model"`
	Prompt   string  `toml:"prompt"`
	Negative string  `toml:"negative"`
	Steps    int     `toml:"steps"`
	Guidance float64 `toml:"guidance"`           // classifier-free guidance scale; 1 is none
	Sampler  string  `toml:"sampler"`            // label of one of Engine.Samplers
	Schedule string  `toml:"schedule,omitempty"` // label of one of its Schedules; "" is its own
	Seed     int64   `toml:"seed"`
	Width    int     `toml:"width"` // pixels
	Height   int     `toml:"height"`

	RNG      string  `toml:"rng,omitempty"`       // noise generator; "" is cpu
	ClipSkip int     `toml:"clip_skip,omitempty"` // layer of the text encoder that is read, from the end
	Eta      float64 `toml:"eta,omitempty"`       // share of fresh noise; 0 is the sampler's own
	Emphasis string  `toml:"emphasis,omitempty"`  // how weights in prompts act; "" is AUTOMATIC1111's way
	Rescale  float64 `toml:"rescale,omitempty"`   // share of guidance rescale, 0 to 1

	// Short cuts: the share of the steps that are guided (0 to 0: all), and at one of how
	// many the whole U-Net runs (0: at each).
	GuidanceStart float64 `toml:"guidance_start,omitempty"`
	GuidanceEnd   float64 `toml:"guidance_end,omitempty"`
	CacheInterval int     `toml:"cache_interval,omitempty"`

	Prediction string `toml:"prediction,omitempty"` // what the model predicts; "" is as its files say

	LoRAs      []LoRA `toml:"lora,omitempty"` // beside those that the prompt names
	LoRAFolder string `toml:"lora_folder,omitempty"`
	Embeddings string `toml:"embeddings,omitempty"` // folder of learned words
	VAE        string `toml:"vae,omitempty"`        // path of an autoencoder; "" is the model's own

	// Image-to-image begins at a picture file; 0 < Strength ≤ 1 is how much is
	// painted anew. Of a mask's picture, what is black is kept.
	Init     string  `toml:"init,omitempty"`
	Mask     string  `toml:"mask,omitempty"`
	Strength float64 `toml:"strength,omitempty"`
	SecondPass
	Controls []Control `toml:"control,omitempty"`
	// Upscale is the file of an ESRGAN that enlarges Init, with its recipe; nothing is
	// painted then.
	Upscale string `toml:"upscale,omitempty"`
	// A share of another seed's noise: pictures alike.
	VariationSeed     int64   `toml:"variation_seed,omitempty"`
	VariationStrength float64 `toml:"variation_strength,omitempty"`

	// State is a file for the half-made picture: written now and then, and gone on
	// from if it is there. "": none.
	State string `toml:"-"`

	Previews string `toml:"previews,omitempty"` // how often the picture is shown meanwhile: one of previewWishes
}

// SecondPass enlarges the picture and paints it over; the zero value is none.
type SecondPass struct {
	Hires         float64 `toml:"hires,omitempty"` // so many times the size, or else the size:
	HiresWidth    int     `toml:"hires_width,omitempty"`
	HiresHeight   int     `toml:"hires_height,omitempty"`
	HiresUpscaler string  `toml:"hires_upscaler,omitempty"` // "" is Lanczos' filter; "latent", or the file of an ESRGAN
	HiresSteps    int     `toml:"hires_steps,omitempty"`    // of the whole trajectory; 0: as many as the first pass
	HiresStrength float64 `toml:"hires_strength,omitempty"` // how much is painted anew; 0 is the pipeline's own
}

// Control is a picture file that a ControlNet looks at.
type Control struct {
	Net          string  `toml:"net"`                    // path
	Picture      string  `toml:"picture"`                // "" is Init
	Preprocessor string  `toml:"preprocessor,omitempty"` // what the net is shown of it; "" is the picture
	A            float64 `toml:"a,omitempty"`            // settings of the preprocessor; 0 is the usual
	B            float64 `toml:"b,omitempty"`
	Weight       float64 `toml:"weight"`
	Start        float64 `toml:"start"` // the share of the steps where it begins and ends
	End          float64 `toml:"end"`
}

// LoRA is a file in Request.LoRAFolder and how strongly it counts; 1 is as it was
// trained.
type LoRA struct {
	Name string  `toml:"name"` // without ending
	UNet float64 `toml:"unet"`
	Text float64 `toml:"text"` // of the text encoder
}

// Picture is a finished picture and what made it.
type Picture struct {
	Image  image.Image
	Recipe gallery.Recipe
	Memory int64 // bytes of the device at the most; 0: unknown
}

// Progress tells how far a picture is.
type Progress struct {
	Image, Images int // which picture of its job, from 1; the queue fills it in
	Step, Steps   int
	Left          time.Duration // of the whole job; the queue fills it in
	Preview       image.Image   // the picture as it stands; may be nil
	Doing         string        // what is done between the steps, to show; "": nothing of note
}

// TrainRequest says what to learn.
type TrainRequest struct {
	Compute
	Base         string // the model to start from
	From         string // a LoRA's file whose weights the new one begins with; "": none
	Folder       string // pictures with .txt captions beside them
	Output       string // folder to write: the model itself, or with the LoRA's file in it
	Resume       bool   // go on with the training that Output holds
	Steps, Batch int
	LearningRate float64
	Resolution   int    // side in pixels that pictures are brought to
	Rank         int    // of the LoRA to train; 0: the whole model is trained
	Text         bool   // a LoRA of the text encoders too
	Flip         bool   // mirrored pictures too
	Buckets      bool   // pictures keep their proportions
	Frugal       bool   // less memory for more time
	SamplePrompt string // painted now and then; empty: no samples
	SampleEvery  int    // steps
}

// TrainProgress tells how far a training is.
type TrainProgress struct {
	Stage       string // what is being done, to show: "Preparing pictures", "Training"
	Step, Steps int    // of this stage
	Loss        float64
	HasLoss     bool    // whether this stage has a loss
	Rate        float64 // samples per second
	Left        time.Duration
	Samples     []image.Image // sample pictures just made
	Checkpoint  string        // path of the checkpoint just written
	Weights     string        // path of weights to try that were just written
	Note        string        // what a person should know of; nothing else is set then but LeftOut
	LeftOut     string        // the picture that Note says is left out
}

// Checkpoint is what a training has left on the disk.
type Checkpoint = trainer.Checkpoint

// Loss is that of one step of a training.
type Loss = trainer.Loss
