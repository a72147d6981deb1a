package scheduler

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The choices of [Config], spelled as in scheduler_config.json.
const (
	// Prediction types: what the model's output means.
	PredictEpsilon  = "epsilon"      // ε, the noise
	PredictVelocity = "v_prediction" // v = √ᾱ·ε − √(1−ᾱ)·x_0
	PredictSample   = "sample"       // x_0

	// Beta schedules.
	BetaLinear        = "linear"            // β linear in t (DDPM)
	BetaScaledLinear  = "scaled_linear"     // √β linear in t (Stable Diffusion)
	BetaSquaredCosine = "squaredcos_cap_v2" // ᾱ a squared cosine (Nichol & Dhariwal 2021)

	// Timestep spacings (Lin et al. 2024, arXiv:2305.08891, table 2).
	SpacingLeading  = "leading"
	SpacingTrailing = "trailing"
	SpacingLinspace = "linspace"

	// Variances of the DDPM sampler (DDPM, section 3.2).
	VarianceSmall = "fixed_small" // β̃_t, the posterior's
	VarianceLarge = "fixed_large" // β_t
)

// maxTrainTimesteps bounds the tables that a config can ask for.
const maxTrainTimesteps = 1_000_000

// Config is a diffusers scheduler_config.json. It describes how a model was
// trained; which sampler to use is the user's choice, not the file's.
type Config struct {
	ClassName string // _class_name, the diffusers scheduler that the file is for

	NumTrainTimesteps   int       // T
	BetaStart, BetaEnd  float64   // β_0 and β_{T−1}, where BetaSchedule is linear
	BetaSchedule        string    // BetaLinear, …
	TrainedBetas        []float64 // all T of them; if not nil, instead of the above
	RescaleBetasZeroSNR bool      // shift ᾱ so that x_{T−1} is pure noise

	PredictionType string // PredictEpsilon, …

	TimestepSpacing string  // SpacingLeading, …; empty: as the sampler is used to
	StepsOffset     int     // added to leading timesteps
	SetAlphaToOne   bool    // DDIM ends at ᾱ = 1, else at ᾱ_0
	ClipSample      bool    // clamp x̂0 to ±ClipSampleRange
	ClipSampleRange float64 // above 0
	Thresholding    bool    // dynamic thresholding; not supported
	VarianceType    string  // of DDPM: VarianceSmall, …; empty: VarianceSmall

	// Extra holds the keys of the file that are not fields, so that writing the
	// config back loses nothing.
	Extra map[string]json.RawMessage
}

// StableDiffusion returns the config of Stable Diffusion 1.5 with DDIM: ε
// prediction, √β linear from √0.00085 to √0.012 in 1000 timesteps.
func StableDiffusion() Config {
	return Config{
		ClassName:         "DDIMScheduler",
		NumTrainTimesteps: 1000,
		BetaStart:         0.00085,
		BetaEnd:           0.012,
		BetaSchedule:      BetaScaledLinear,
		PredictionType:    PredictEpsilon,
		TimestepSpacing:   SpacingLeading,
		StepsOffset:       1,
		ClipSampleRange:   1,
	}
}

// defaults returns what diffusers assumes of keys that are not in the file.
//
// Only the classes that know clip_sample default to clipping; diffusers applies
// that default also to files of other classes opened as DDIM, where it would
// clip latents that no one meant to clip.
func defaults(className string) Config {
	clips := className == "DDIMScheduler" || className == "DDPMScheduler"
	return Config{
		ClassName:         className,
		NumTrainTimesteps: 1000,
		BetaStart:         0.0001,
		BetaEnd:           0.02,
		BetaSchedule:      BetaLinear,
		PredictionType:    PredictEpsilon,
		SetAlphaToOne:     className != "PNDMScheduler",
		ClipSample:        clips,
		ClipSampleRange:   1,
	}
}

// ParseConfig reads the scheduler_config.json of any of diffusers' schedulers
// of this family (DDIM, DDPM, PNDM, Euler, …). Missing and null keys take
// diffusers' defaults. The config returned with a nil error is valid.
func ParseConfig(data []byte) (Config, error) {
	var file map[string]json.RawMessage
	if err := json.Unmarshal(data, &file); err != nil {
		return Config{}, fmt.Errorf("scheduler config: not a JSON object: %w", err)
	}
	if file == nil {
		return Config{}, errors.New("scheduler config: not a JSON object: null")
	}
	var className string
	if raw, ok := file["_class_name"]; ok {
		if err := json.Unmarshal(raw, &className); err != nil {
			return Config{}, fmt.Errorf("scheduler config: _class_name: %w", err)
		}
	}
	c := defaults(className)
	fields := c.fields()
	for _, key := range slices.Sorted(maps.Keys(fields)) { // the same error every time
		raw, ok := file[key]
		if !ok {
			continue
		}
		if err := json.Unmarshal(raw, fields[key]); err != nil {
			return Config{}, fmt.Errorf("scheduler config: %s: %w", key, err)
		}
		delete(file, key)
	}
	if len(file) > 0 {
		c.Extra = file
	}
	if err := c.Validate(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// MarshalJSON writes the config as diffusers does, keys sorted. Text fields
// that are empty are left out.
func (c Config) MarshalJSON() ([]byte, error) {
	file := map[string]any{}
	for key, raw := range c.Extra {
		file[key] = raw
	}
	for key, field := range c.fields() {
		if text, ok := field.(*string); ok && *text == "" {
			delete(file, key)
			continue
		}
		file[key] = field
	}
	return json.Marshal(file)
}

// fields returns pointers to the fields of c by their key in the file.
func (c *Config) fields() map[string]any {
	return map[string]any{
		"_class_name":            &c.ClassName,
		"num_train_timesteps":    &c.NumTrainTimesteps,
		"beta_start":             &c.BetaStart,
		"beta_end":               &c.BetaEnd,
		"beta_schedule":          &c.BetaSchedule,
		"trained_betas":          &c.TrainedBetas,
		"rescale_betas_zero_snr": &c.RescaleBetasZeroSNR,
		"prediction_type":        &c.PredictionType,
		"timestep_spacing":       &c.TimestepSpacing,
		"steps_offset":           &c.StepsOffset,
		"set_alpha_to_one":       &c.SetAlphaToOne,
		"clip_sample":            &c.ClipSample,
		"clip_sample_range":      &c.ClipSampleRange,
		"thresholding":           &c.Thresholding,
		"variance_type":          &c.VarianceType,
	}
}

// Validate returns an error that names the first setting that this package
// cannot honour, and what it could be instead.
func (c Config) Validate() error {
	if strings.HasPrefix(c.ClassName, "FlowMatch") {
		return fmt.Errorf("scheduler config: %s is for flow-matching models (SD 3, Flux), which are not supported", c.ClassName)
	}
	if c.Thresholding {
		return errors.New("scheduler config: thresholding (dynamic) is not supported; it must be false")
	}
	if c.NumTrainTimesteps < 1 || c.NumTrainTimesteps > maxTrainTimesteps {
		return fmt.Errorf("scheduler config: num_train_timesteps is %d, must be 1 to %d", c.NumTrainTimesteps, maxTrainTimesteps)
	}
	if c.RescaleBetasZeroSNR && c.NumTrainTimesteps < 2 {
		return errors.New("scheduler config: rescale_betas_zero_snr needs num_train_timesteps of 2 or more")
	}
	if c.StepsOffset < 0 || c.StepsOffset >= c.NumTrainTimesteps {
		return fmt.Errorf("scheduler config: steps_offset is %d, must be 0 to num_train_timesteps-1 = %d", c.StepsOffset, c.NumTrainTimesteps-1)
	}
	if c.ClipSample && !(c.ClipSampleRange > 0) {
		return fmt.Errorf("scheduler config: clip_sample_range is %g, must be above 0", c.ClipSampleRange)
	}
	if err := oneOf("prediction_type", c.PredictionType, PredictEpsilon, PredictVelocity, PredictSample); err != nil {
		return err
	}
	if c.TimestepSpacing != "" {
		if err := oneOf("timestep_spacing", c.TimestepSpacing, SpacingLeading, SpacingTrailing, SpacingLinspace); err != nil {
			return err
		}
	}
	return c.validateBetas()
}

func (c Config) validateBetas() error {
	if c.TrainedBetas != nil {
		if len(c.TrainedBetas) != c.NumTrainTimesteps {
			return fmt.Errorf("scheduler config: trained_betas holds %d numbers, must hold num_train_timesteps = %d", len(c.TrainedBetas), c.NumTrainTimesteps)
		}
		for t, b := range c.TrainedBetas {
			if !isVariance(b) {
				return fmt.Errorf("scheduler config: trained_betas[%d] is %g, must lie between 0 and 1", t, b)
			}
		}
		return nil
	}
	if err := oneOf("beta_schedule", c.BetaSchedule, BetaLinear, BetaScaledLinear, BetaSquaredCosine); err != nil {
		return err
	}
	if !isVariance(c.BetaStart) || !isVariance(c.BetaEnd) {
		return fmt.Errorf("scheduler config: beta_start and beta_end are %g and %g, must lie between 0 and 1", c.BetaStart, c.BetaEnd)
	}
	return nil
}

// isVariance reports whether b is a β that neither keeps nor loses all of x.
// The bounds keep 1−β apart from 0 and 1 in float64.
func isVariance(b float64) bool { return b >= 1e-12 && b <= 1-1e-12 }

func oneOf(key, value string, choices ...string) error {
	if slices.Contains(choices, value) {
		return nil
	}
	return fmt.Errorf("scheduler config: %s is %q, must be one of %s", key, value, strings.Join(choices, ", "))
}

// sigmas returns the name of the schedule by which σ falls, ScheduleKarras, …; empty if
// it is as the timesteps have it.
func (c Config) sigmas() string { return "" }
