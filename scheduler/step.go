package scheduler

import "math"

// Step is one call of the model and what follows from it:
//
//	out = model(InputScale·x, Timestep)
//	x̂0  = PredictX·x + PredictOutput·out, clamped to ±Clip if Clip is not 0
//	x   ← Σᵢ X[i]·xᵢ + Σᵢ Output[i]·outᵢ + Σᵢ Denoised[i]·x̂0ᵢ + Noise·z
//
// Index 0 is the present step and index i the step i before it: x₀ is the x
// that this step was given, out₁ the output of the step before. No index
// reaches back beyond the first step. z ~ N(0, I) is fresh, and drawn only
// if Noise is not 0.
//
// A one-step sampler has a single X and a single Output, and if it clips a
// single Denoised. Multistep samplers look back in Output or Denoised; those
// that call the model twice per interval (Heun, DPM++ SDE) take two Steps, and
// the second looks back in X.
type Step struct {
	Timestep   float64 // what the model is told; a whole number with the samplers of DDIM and DDPM
	InputScale float64 // 1 except for samplers that keep x at variance 1+σ²

	// x̂0, the model's idea of the clean latent: for previews and Denoised.
	PredictX, PredictOutput float64
	Clip                    float64

	X, Output, Denoised []float64
	Noise               float64

	// A trajectory may begin at the first step, from noise alone with x = Init·z
	// or from a latent x_0 with x = StartSignal·x_0 + StartNoise·z. The latter is
	// the noise level of x before any step, also of a second Step within an
	// interval: what inpainting needs to put known regions back. After the last
	// step x is clean.
	Init                    float64
	StartSignal, StartNoise float64
}

// History is how far the samplers of this package look back: no Step has a
// longer X, Output or Denoised.
const History = 5

// newStep returns the step at training timestep t with all but the update of x,
// for samplers that keep x as the forward process makes it (variance 1).
func newStep(s *Schedule, t int) Step {
	x0, _ := s.predictions(t)
	step := Step{
		Timestep:      float64(t),
		InputScale:    1,
		PredictX:      x0.X,
		PredictOutput: x0.Output,
		Init:          1,
	}
	step.StartSignal, step.StartNoise = s.Forward(t)
	return step
}

// clipped lets the step clamp x̂0 as the config says.
func (step *Step) clipped(cfg Config) {
	if cfg.ClipSample {
		step.Clip = cfg.ClipSampleRange
	}
}

// solverStep returns the step at a level with all but the update of x, for
// samplers that count in σ but keep x at variance 1.
func (p *plan) solverStep(l level) Step {
	alpha, sigma := l.forward()
	x0, _ := predictions(p.cfg.PredictionType, alpha, sigma)
	return Step{
		Timestep:      l.t,
		InputScale:    1,
		PredictX:      x0.X,
		PredictOutput: x0.Output,
		Init:          1,
		StartSignal:   alpha,
		StartNoise:    sigma,
	}
}

// karrasStep returns the step at a level with all but the update of x, for
// samplers that keep x at variance 1+σ²: x = x_0 + σ·ε.
//
// From noise alone diffusers starts linspace and trailing timesteps at σ·z, as
// k-diffusion does, and leading ones at √(1+σ²)·z.
func (p *plan) karrasStep(l level) Step {
	step := p.solverStep(l)
	step.InputScale = step.StartSignal
	step.PredictX *= step.InputScale
	step.StartSignal, step.StartNoise, step.Init = 1, l.sigma, l.sigma
	if p.spacing == SpacingLeading {
		step.Init = math.Hypot(1, l.sigma)
	}
	return step
}

// forward returns the coefficients of the forward process, whose squares sum up
// to 1: x = alpha·x_0 + sigma·ε.
func (l level) forward() (alpha, sigma float64) {
	alpha = 1 / math.Hypot(1, l.sigma)
	return alpha, l.sigma * alpha
}

// update sets x ← x0·x̂0 + rest + noise·z. Without clipping x̂0 is itself a
// combination of x and the output, and is folded in.
func (step *Step) update(x0 float64, rest linear, noise float64) {
	if step.Clip != 0 {
		step.Denoised = []float64{x0}
	} else {
		rest.X += x0 * step.PredictX
		rest.Output += x0 * step.PredictOutput
	}
	step.X, step.Output, step.Noise = []float64{rest.X}, []float64{rest.Output}, noise
}
