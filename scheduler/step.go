package scheduler

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
// that call the model twice per interval (Heun) take two Steps, and the second
// looks back in X.
type Step struct {
	Timestep   float64 // what the model is told; a whole number with the samplers of DDIM and DDPM
	InputScale float64 // 1 except for samplers that keep x at variance 1+σ²

	// x̂0, the model's idea of the clean latent: for previews and Denoised.
	PredictX, PredictOutput float64
	Clip                    float64

	X, Output, Denoised []float64
	Noise               float64

	// A trajectory may begin at any step: from noise alone with x = Init·z, or
	// from a latent x_0 with x = StartSignal·x_0 + StartNoise·z.
	Init                    float64
	StartSignal, StartNoise float64
}

// newStep returns the step at timestep t with all but the update of x. All
// samplers that keep x as the forward process makes it (variance 1) begin so.
func newStep(s *Schedule, t int) Step {
	x0, _ := predictions(s.cfg.PredictionType, s.alphaBar[t])
	step := Step{
		Timestep:      float64(t),
		InputScale:    1,
		PredictX:      x0.X,
		PredictOutput: x0.Output,
		Init:          1,
	}
	step.StartSignal, step.StartNoise = s.Forward(t)
	if s.cfg.ClipSample {
		step.Clip = s.cfg.ClipSampleRange
	}
	return step
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
