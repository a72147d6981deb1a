package scheduler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
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

	// Where samplers that count in σ end.
	FinalZero     = "zero"      // σ = 0: at x̂0
	FinalSigmaMin = "sigma_min" // σ_0

	// Solver types.
	SolverMidpoint = "midpoint" // DPM-Solver++, algorithm 2
	SolverHeun     = "heun"     // exact for x̂0 linear in λ
	SolverBH1      = "bh1"      // UniPC with B(h) = h
	SolverBH2      = "bh2"      // UniPC with B(h) = e^h − 1
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

	// Samplers that count in σ. At most one of the first three is true.
	UseKarrasSigmas, UseExponentialSigmas, UseBetaSigmas bool

	SigmaMin, SigmaMax float64 // ends of those three; 0: as the timesteps have them
	FinalSigmasType    string  // FinalZero, …; empty: FinalZero

	// DPM-Solver++ and UniPC.
	AlgorithmType   string // of DPM-Solver++; "sde-dpmsolver++" adds noise
	SolverOrder     int    // of UniPC, 1 to 3
	SolverType      string // SolverMidpoint, …; empty, or another sampler's: the sampler's usual one
	LowerOrderFinal bool   // end a short trajectory with lower orders
	EulerAtFinal    bool   // end every trajectory with order 1

	// Models distilled for few steps (LCM, TCD).
	OriginalInferenceSteps int     // timesteps that the distillation knew
	TimestepScaling        float64 // s in LCM's c_skip and c_out, above 0

	// Extra holds the keys of the file that are not fields, so that writing the
	// config back loses nothing.
	Extra map[string]json.RawMessage
}

// StableDiffusion returns the config of Stable Diffusion 1.5 with DDIM: ε
// prediction, √β linear from √0.00085 to √0.012 in 1000 timesteps.
func StableDiffusion() Config {
	c := Config{
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
	c.solverDefaults()
	return c
}

// defaults returns what diffusers assumes of keys that are not in the file.
//
// Only the classes that know clip_sample default to clipping; diffusers applies
// that default also to files of other classes opened as DDIM, where it would
// clip latents that no one meant to clip.
func defaults(className string) Config {
	c := Config{
		ClassName:         className,
		NumTrainTimesteps: 1000,
		BetaStart:         0.0001,
		BetaEnd:           0.02,
		BetaSchedule:      BetaLinear,
		PredictionType:    PredictEpsilon,
		SetAlphaToOne:     className != "PNDMScheduler",
		ClipSample:        className == "DDIMScheduler" || className == "DDPMScheduler",
		ClipSampleRange:   1,
	}
	c.solverDefaults()
	switch className {
	case "LCMScheduler", "TCDScheduler":
		c.BetaStart, c.BetaEnd, c.BetaSchedule = 0.00085, 0.012, BetaScaledLinear
	case "HeunDiscreteScheduler", "DPMSolverSDEScheduler", "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler":
		c.BetaStart, c.BetaEnd = 0.00085, 0.012
	}
	return c
}

// solverDefaults sets what files of simpler samplers do not speak of.
func (c *Config) solverDefaults() {
	c.SolverOrder, c.LowerOrderFinal = 2, true
	c.OriginalInferenceSteps, c.TimestepScaling = 50, 10
}

// ParseConfig reads the scheduler_config.json of any of diffusers' schedulers
// of this family (DDIM, DDPM, PNDM, Euler, …). Missing and null keys take
// diffusers' defaults, and so do those that Python writes as infinite, like
// lambda_min_clipped. The config returned with a nil error is valid.
func ParseConfig(data []byte) (Config, error) {
	var file map[string]json.RawMessage
	if err := json.Unmarshal(quoteInfinity(data), &file); err != nil {
		return Config{}, fmt.Errorf("scheduler config: not a JSON object: %w", err)
	}
	if file == nil {
		return Config{}, errors.New("scheduler config: not a JSON object: null")
	}
	maps.DeleteFunc(file, func(_ string, raw json.RawMessage) bool {
		return slices.Contains(infinities, string(bytes.Trim(raw, `"`)))
	})
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

// infinities are what Python's json module writes that JSON does not have, in the
// order in which to look for them.
var infinities = []string{"-Infinity", "Infinity", "NaN"}

// quoteInfinity puts the infinities that stand outside of strings into quotes.
func quoteInfinity(data []byte) []byte {
	var out []byte
	for quoted := false; len(data) > 0; {
		n := 1
		switch {
		case quoted && data[0] == '\\':
			n = min(2, len(data))
		case data[0] == '"':
			quoted = !quoted
		case !quoted:
			i := slices.IndexFunc(infinities, func(word string) bool { return bytes.HasPrefix(data, []byte(word)) })
			if i >= 0 {
				n = len(infinities[i])
				out = fmt.Appendf(out, "%q", data[:n])
				data = data[n:]
				continue
			}
		}
		out, data = append(out, data[:n]...), data[n:]
	}
	return out
}

// MarshalJSON writes the config as diffusers does, keys sorted. Text fields that
// are empty are left out, and settings of single samplers that are as usual: to
// diffusers a sigma_min of 0 is not the same as none.
func (c Config) MarshalJSON() ([]byte, error) {
	file := map[string]any{}
	for key, raw := range c.Extra {
		file[key] = raw
	}
	usual := defaults(c.ClassName)
	usually := usual.samplerFields()
	for key, field := range c.samplerFields() {
		if !reflect.DeepEqual(field, usually[key]) {
			file[key] = field
		}
	}
	for key, field := range c.trainingFields() {
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
	all := c.trainingFields()
	maps.Copy(all, c.samplerFields())
	return all
}

// trainingFields are those that every file speaks of.
func (c *Config) trainingFields() map[string]any {
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

// samplerFields are those that are in the files of single samplers.
func (c *Config) samplerFields() map[string]any {
	return map[string]any{
		"use_karras_sigmas":      &c.UseKarrasSigmas,
		"use_exponential_sigmas": &c.UseExponentialSigmas,
		"use_beta_sigmas":        &c.UseBetaSigmas,
		"sigma_min":              &c.SigmaMin,
		"sigma_max":              &c.SigmaMax,
		"final_sigmas_type":      &c.FinalSigmasType,

		"algorithm_type":    &c.AlgorithmType,
		"solver_order":      &c.SolverOrder,
		"solver_type":       &c.SolverType,
		"lower_order_final": &c.LowerOrderFinal,
		"euler_at_final":    &c.EulerAtFinal,

		"original_inference_steps": &c.OriginalInferenceSteps,
		"timestep_scaling":         &c.TimestepScaling,
	}
}
