package trainer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"latent/gpu/atomicfile"
	"latent/gpu/optim"

	"github.com/BurntSushi/toml"
)

// Config is a training recipe, as a TOML file holds it.
//
// From scratch (Skeleton set): the autoencoder is trained first, its decoder
// then once more alone, and at last text encoder and U-Net together on its
// latents. Fine-tuning (Base set): only text encoder and U-Net move. With LoRA set
// too they stay as they are, and adapters beside their layers are trained.
type Config struct {
	Output     string `toml:"output"`     // model folder to write; checkpoints stand in its .train folder
	Base       string `toml:"base"`       // model to fine-tune: a folder, a single file, or "builtin"
	Init       string `toml:"init"`       // a LoRA's file whose weights LoRA begins with; its layers and rank must be those of the recipe
	Skeleton   string `toml:"skeleton"`   // folder of config.json files: train from scratch
	Name       string `toml:"name"`       // what the model calls itself
	Seed       uint64 `toml:"seed"`       //
	Device     string `toml:"device"`     // auto, host, reference, …
	Precision  string `toml:"precision"`  // auto, f32, bf16: type of activations and weights; masters are float32
	SaveFormat string `toml:"save_dtype"` // f16 (default), bf16, f32
	SaveEvery  int    `toml:"save_every"` // denoiser steps between weights that are kept to be tried, see Weights; 0: none

	Data        Data  `toml:"data"`
	Autoencoder Stage `toml:"autoencoder"`
	Decoder     Stage `toml:"decoder"` // the autoencoder's decoder alone, afterwards; 0 steps: none
	Denoiser    Stage `toml:"denoiser"`
	LoRA        *LoRA `toml:"lora"` // nil: the whole model is trained

	Samples Samples `toml:"samples"`
}

// Data is where pictures come from: a folder of pictures with .txt captions
// beside them, or the endless postcard generator. Pictures in a folder 10_NAME
// inside it count ten times, and NAME is the caption of those without one.
type Data struct {
	Folder     string `toml:"folder"`
	Postcard   int    `toml:"postcard"`   // number of kinds of object; 0: use Folder
	Resolution int    `toml:"resolution"` // pictures are filled and cropped to this square; a multiple of 8
	Buckets    bool   `toml:"buckets"`    // folder: not to a square, but to sides of multiples of 64 with at most its area
	Cache      int    `toml:"cache"`      // postcard: how many pictures are drawn and encoded once
	Flip       bool   `toml:"flip"`       // folder: mirrored pictures too
	Prompt     string `toml:"prompt"`     // folder: caption of pictures without a .txt file

	// Prior preservation (Ruiz et al. 2023): pictures of the class, such as the
	// base model paints them, count as often as those of Folder.
	ClassFolder string  `toml:"class_folder"`
	ClassPrompt string  `toml:"class_prompt"` // caption of those without a .txt file
	PriorWeight float64 `toml:"prior_weight"` // of their loss; default 1
}

// LoRA says what adapters (Hu et al. 2022) are trained: those of all linear layers
// of the U-Net's transformers, as kohya's programs choose them, and more.
type LoRA struct {
	Rank        int     `toml:"rank"`         // default 16
	Alpha       float64 `toml:"alpha"`        // default rank; what is added is times alpha/rank
	TextEncoder bool    `toml:"text_encoder"` // of the text encoders too
	Conv        bool    `toml:"conv"`         // of the residual blocks and samplers too
}

// Stage holds the settings of one optimisation.
type Stage struct {
	Steps        int     `toml:"steps"`
	Batch        int     `toml:"batch_size"`
	Accumulate   int     `toml:"gradient_accumulation_steps"`
	LR           float64 `toml:"learning_rate"`
	TextLR       float64 `toml:"text_encoder_learning_rate"` // default learning_rate
	Schedule     string  `toml:"lr_scheduler"`               // constant, cosine, linear
	Warmup       int     `toml:"lr_warmup_steps"`
	WeightDecay  float64 `toml:"weight_decay"`
	Beta1        float64 `toml:"adam_beta1"`
	Beta2        float64 `toml:"adam_beta2"`
	ClipNorm     float64 `toml:"max_grad_norm"`
	EMA          float64 `toml:"ema_decay"`
	EMAEvery     int     `toml:"ema_every"`        // steps between updates of the average
	Checkpoint   int     `toml:"checkpoint_every"` // steps
	FreezeText   bool    `toml:"freeze_text_encoder"`
	CaptionDrop  float64 `toml:"caption_dropout"` // share of samples trained without a caption
	MinSNR       float64 `toml:"min_snr_gamma"`   // 0: uniform weights
	NoiseOffset  float64 `toml:"noise_offset"`    // deviation of what is added to a whole channel of the noise
	Checkpointed bool    `toml:"gradient_checkpointing"`

	// Of the autoencoder: the weight of the divergence from N(0,1), and how many
	// of its first steps see random squares of the pictures. Squares are cheap;
	// whole pictures afterwards set the statistics of the group norms right.
	KL        float64 `toml:"kl_weight"`
	CropSteps int     `toml:"crop_steps"`
	Crop      int     `toml:"crop"` // side in pixels; a multiple of the autoencoder's factor
	CropBatch int     `toml:"crop_batch_size"`
}

// Samples are pictures made while the denoiser trains.
type Samples struct {
	Every    int      `toml:"every"` // steps; 0: none
	Prompts  []string `toml:"prompts"`
	Steps    int      `toml:"steps"`
	Guidance float64  `toml:"cfg_scale"`
}

// LoadConfig reads a recipe. Unknown keys are errors: a misspelt setting must
// not be silently ignored. Relative paths are relative to the recipe's folder,
// but output, which is relative to the working directory.
func LoadConfig(path string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("recipe %s: %w", path, atomicfile.Reason(err))
	}
	c, err := ParseConfig(data)
	if err != nil {
		return Config{}, fmt.Errorf("recipe %s: %w", path, err)
	}
	for _, p := range []*string{&c.Skeleton, &c.Data.Folder, &c.Data.ClassFolder, &c.Base, &c.Init} {
		if *p != "" && *p != Builtin && !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(path), *p)
		}
	}
	return c, nil
}

// BucketUnit is what the sides of buckets are multiples of, in pixels.
const BucketUnit = 64

// MaxRank is the largest of a LoRA to train.
const MaxRank = 1024

// Result is the path of what the training writes: the folder of a model, or the
// file of a LoRA in it.
func (c *Config) Result() string {
	if c.LoRA == nil {
		return c.Output
	}
	return filepath.Join(c.Output, c.Name+".safetensors")
}

// Weights is the path of what the training had learned after a step: beside its
// result, and of the same kind.
func (c *Config) Weights(step int) string {
	suffix := fmt.Sprintf("-%06d", step)
	if c.LoRA == nil {
		return c.Output + suffix
	}
	return filepath.Join(c.Output, c.Name+suffix+".safetensors")
}

// Builtin is the Base that names the built-in model.
const Builtin = "builtin"

// ParseConfig reads a recipe from TOML, fills in defaults and validates it.
func ParseConfig(data []byte) (Config, error) {
	var c Config
	md, err := toml.NewDecoder(bytes.NewReader(data)).Decode(&c)
	if err != nil {
		var pe toml.ParseError
		if errors.As(err, &pe) {
			return c, fmt.Errorf("line %d: %s", pe.Position.Line, oneLine(pe.Message))
		}
		return c, errors.New(oneLine(err.Error()))
	}
	if un := md.Undecoded(); len(un) > 0 {
		return c, fmt.Errorf("unknown setting %q", un[0].String())
	}
	c.SetDefaults()
	return c, c.Validate()
}

func oneLine(s string) string { return strings.ReplaceAll(s, "\n", " ") }

// SetDefaults fills what is zero with sound values.
func (c *Config) SetDefaults() {
	def := func(p *float64, v float64) {
		if *p == 0 {
			*p = v
		}
	}
	defInt := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	if c.SaveFormat == "" {
		c.SaveFormat = "f16"
	}
	if c.Name == "" {
		c.Name = filepath.Base(c.Output)
	}
	defInt(&c.Data.Resolution, 128)
	defInt(&c.Data.Cache, 20000)
	def(&c.Data.PriorWeight, 1)
	if l := c.LoRA; l != nil {
		defInt(&l.Rank, 16)
		def(&l.Alpha, float64(l.Rank))
	}
	for _, s := range []*Stage{&c.Autoencoder, &c.Decoder, &c.Denoiser} {
		defInt(&s.Batch, 16)
		defInt(&s.Accumulate, 1)
		defInt(&s.Checkpoint, 500)
		def(&s.LR, 1e-4)
		def(&s.Beta1, 0.9)
		def(&s.Beta2, 0.99)
		def(&s.ClipNorm, 1)
	}
	def(&c.Autoencoder.KL, 1e-5)
	defInt(&c.Samples.Steps, 20)
	def(&c.Samples.Guidance, 4)
}

// Validate says in one line what is wrong.
func (c *Config) Validate() error {
	switch {
	case c.Output == "":
		return errors.New("output is not set: name the folder of the model to write")
	case (c.Base == "") == (c.Skeleton == ""):
		return errors.New("set either base (a model to fine-tune) or skeleton (config files to train from scratch)")
	case (c.Data.Folder == "") == (c.Data.Postcard == 0):
		return errors.New("set either data.folder (pictures) or data.postcard (number of kinds of object)")
	case c.Data.Resolution < 8 || c.Data.Resolution%8 != 0:
		return fmt.Errorf("data.resolution %d must be a multiple of 8", c.Data.Resolution)
	case c.Data.Buckets && (c.Data.Folder == "" || c.Base == "" || c.Data.Resolution%BucketUnit != 0):
		return fmt.Errorf("data.buckets wants a base, a folder and a data.resolution that is a multiple of %d", BucketUnit)
	case c.Data.ClassFolder != "" && c.Data.Folder == "":
		return errors.New("data.class_folder goes with data.folder")
	case !(c.Data.PriorWeight > 0):
		return fmt.Errorf("data.prior_weight %g must be above 0", c.Data.PriorWeight)
	case c.LoRA != nil && c.Base == "":
		return errors.New("a LoRA is trained on a model: set base")
	case c.LoRA != nil && (c.LoRA.Rank < 1 || c.LoRA.Rank > MaxRank):
		return fmt.Errorf("lora.rank %d must be between 1 and %d", c.LoRA.Rank, MaxRank)
	case c.LoRA != nil && !(c.LoRA.Alpha > 0 && c.LoRA.Alpha <= MaxRank):
		return fmt.Errorf("lora.alpha %g must be above 0 and at most %d", c.LoRA.Alpha, MaxRank)
	case c.Init != "" && c.LoRA == nil:
		return errors.New("init is a LoRA to train further: set lora, or base to the model to go on with")
	case c.Data.Cache < 1:
		return fmt.Errorf("data.cache %d must be at least 1", c.Data.Cache)
	case c.Denoiser.Steps < 1:
		return fmt.Errorf("denoiser.steps %d must be at least 1", c.Denoiser.Steps)
	case c.Skeleton != "" && c.Autoencoder.Steps < 1:
		return fmt.Errorf("autoencoder.steps %d must be at least 1 when training from scratch", c.Autoencoder.Steps)
	case c.SaveEvery < 0:
		return fmt.Errorf("save_every %d must be at least 0", c.SaveEvery)
	case c.SaveFormat != "f16" && c.SaveFormat != "bf16" && c.SaveFormat != "f32":
		return fmt.Errorf("save_dtype %q: choose f16, bf16 or f32", c.SaveFormat)
	}
	if a := c.Autoencoder; a.CropSteps > 0 && (a.Crop < 8 || a.Crop > c.Data.Resolution || a.Crop%8 != 0 || a.CropBatch < 1) {
		return fmt.Errorf("autoencoder.crop %d must be a multiple of 8 up to data.resolution, and crop_batch_size at least 1", a.Crop)
	}
	for name, s := range map[string]Stage{"autoencoder": c.Autoencoder, "decoder": c.Decoder, "denoiser": c.Denoiser} {
		if _, err := optim.NewSchedule(s.Schedule, s.LR, s.Warmup, s.Steps); err != nil {
			return fmt.Errorf("%s.lr_scheduler: %w", name, err)
		}
		switch {
		case s.Batch < 1 || s.Accumulate < 1 || s.Checkpoint < 1 || s.Warmup < 0:
			return fmt.Errorf("%s: batch_size, gradient_accumulation_steps and checkpoint_every must be at least 1", name)
		case s.LR <= 0 || s.LR > 1:
			return fmt.Errorf("%s.learning_rate %g must be between 0 and 1", name, s.LR)
		case s.TextLR < 0 || s.TextLR > 1:
			return fmt.Errorf("%s.text_encoder_learning_rate %g must be between 0 and 1", name, s.TextLR)
		case !(s.NoiseOffset >= 0 && s.NoiseOffset <= 1) || !(s.MinSNR >= 0):
			return fmt.Errorf("%s: noise_offset must be between 0 and 1, and min_snr_gamma at least 0", name)
		case s.CaptionDrop < 0 || s.CaptionDrop > 1:
			return fmt.Errorf("%s.caption_dropout %g must be between 0 and 1", name, s.CaptionDrop)
		case s.EMA < 0 || s.EMA >= 1:
			return fmt.Errorf("%s.ema_decay %g must be at least 0 and below 1", name, s.EMA)
		}
	}
	return nil
}
