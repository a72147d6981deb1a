package scheduler

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"
)

// checkFinite fails if a coefficient is not a number or infinite.
func checkFinite(t *testing.T, steps []Step) {
	t.Helper()
	for i, s := range steps {
		all := slices.Concat(s.X, s.Output, s.Denoised, []float64{
			s.Timestep, s.InputScale, s.PredictX, s.PredictOutput, s.Clip, s.Noise, s.Init, s.StartSignal, s.StartNoise})
		for _, c := range all {
			if math.IsNaN(c) || math.IsInf(c, 0) {
				t.Errorf("step %d of %d: %+v", i, len(steps), s)
				return
			}
		}
	}
}

// TestEverything: with every sampler, schedule, prediction type and spacing the
// coefficients are finite from 1 step to T, the timesteps fall, no step looks back
// too far, and x has the variance it is said to have.
func TestEverything(t *testing.T) {
	const total = 40
	cfg := StableDiffusion()
	cfg.NumTrainTimesteps, cfg.OriginalInferenceSteps, cfg.StepsOffset = total, total, 0
	for _, cfg.PredictionType = range []string{PredictEpsilon, PredictVelocity, PredictSample} {
		for _, cfg.TimestepSpacing = range []string{"", SpacingLeading, SpacingTrailing, SpacingLinspace} {
			for _, cfg.RescaleBetasZeroSNR = range []bool{false, true} {
				for _, cfg.FinalSigmasType = range []string{FinalZero, FinalSigmaMin} {
					for _, sampler := range Samplers() {
						for _, schedule := range sampler.Schedules {
							for n := 1; n <= total; n += 1 + n/8 {
								o := Options{Sampler: sampler.Name, Schedule: schedule, Steps: n}
								steps, err := New(o, cfg)
								if err != nil && !justified(err, cfg, n) {
									t.Fatalf("%+v, %s, %q: %v", o, cfg.PredictionType, cfg.TimestepSpacing, err)
								}
								if err == nil {
									checkSteps(t, steps, sampler, n)
								}
							}
						}
					}
				}
			}
		}
	}
}

// TestExtremes: noise schedules at the edge of what Validate accepts still make
// finite coefficients.
func TestExtremes(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"one timestep":      func(c *Config) { c.NumTrainTimesteps, c.OriginalInferenceSteps = 1, 1 },
		"two timesteps":     func(c *Config) { c.NumTrainTimesteps, c.TrainedBetas = 2, []float64{1e-12, 1 - 1e-12} },
		"hardly any noise":  func(c *Config) { c.BetaSchedule, c.BetaStart, c.BetaEnd = BetaLinear, 1e-12, 1e-12 },
		"hardly any signal": func(c *Config) { c.BetaSchedule, c.BetaStart, c.BetaEnd = BetaLinear, 0.6, 0.7 },
		"zero SNR of none":  func(c *Config) { c.BetaStart, c.BetaEnd, c.RescaleBetasZeroSNR = 1e-12, 1e-12, true },
		"cosine":            func(c *Config) { c.BetaSchedule, c.RescaleBetasZeroSNR = BetaSquaredCosine, true },
		"far ends":          func(c *Config) { c.SigmaMin, c.SigmaMax = 1e-6, 1e6 },
		"lowest end alone":  func(c *Config) { c.SigmaMax = 1e-6 },
		"highest end alone": func(c *Config) { c.SigmaMin = 1e6 },
	} {
		cfg := StableDiffusion()
		cfg.NumTrainTimesteps, cfg.StepsOffset = 200, 0
		change(&cfg)
		for _, cfg.PredictionType = range []string{PredictEpsilon, PredictVelocity, PredictSample} {
			for _, cfg.FinalSigmasType = range []string{FinalZero, FinalSigmaMin} {
				for _, sampler := range Samplers() {
					for cfg.SolverOrder = 1; cfg.SolverOrder == 1 || sampler.Name == "unipc" && cfg.SolverOrder <= maxOrder; cfg.SolverOrder++ {
						for _, schedule := range sampler.Schedules {
							for _, n := range []int{1, 2, 7, 50, 199, 200} {
								steps, err := New(Options{Sampler: sampler.Name, Schedule: schedule, Steps: n}, cfg)
								if err == nil {
									checkFinite(t, steps)
								}
								if t.Failed() {
									t.Fatalf("%s: %s, %s, %d steps", name, sampler.Name, schedule, n)
								}
							}
						}
					}
				}
			}
		}
	}
}

// justified reports whether New may fail: an x̂0 that is not defined, an output
// that PLMS cannot combine, a timestep for which solvers have no room.
func justified(err error, cfg Config, n int) bool {
	text := err.Error()
	return cfg.RescaleBetasZeroSNR && strings.Contains(text, "pure noise") ||
		cfg.PredictionType == PredictSample && strings.HasPrefix(text, "plms") ||
		n == cfg.NumTrainTimesteps && strings.Contains(text, "must be 1 to 39 with this sampler")
}

func checkSteps(t *testing.T, steps []Step, sampler Sampler, n int) {
	t.Helper()
	checkFinite(t, steps)
	// Heun needs one call less from zero SNR, and one less to x̂0.
	if calls := len(steps); calls < n*sampler.Calls-2 || calls > n*sampler.Calls+1 {
		t.Fatalf("%s calls the model %d times in %d steps, want about %d a step", sampler.Name, calls, n, sampler.Calls)
	}
	if !slices.IsSortedFunc(steps, func(a, b Step) int { return cmp.Compare(b.Timestep, a.Timestep) }) {
		t.Fatalf("%s, %d steps: timesteps do not fall", sampler.Name, n)
	}
	noisy := false
	for i, s := range steps {
		noisy = noisy || s.Noise != 0
		if back := max(len(s.X), len(s.Output), len(s.Denoised)); back > min(i+1, History) {
			t.Fatalf("%s, step %d of %d, looks back on %d", sampler.Name, i, n, back)
		}
		signal, noise := s.InputScale*s.StartSignal, s.InputScale*s.StartNoise
		if !near(signal*signal+noise*noise, 1, 1e-12) {
			t.Fatalf("%s, step %d of %d: %+v: the model is not given variance 1", sampler.Name, i, n, s)
		}
	}
	if n > 2 && noisy != sampler.Noisy {
		t.Fatalf("%s, %d steps: noise is %v, want %v", sampler.Name, n, noisy, sampler.Noisy)
	}
}

// oracle returns a model that knows x_0, so that its output is what the prediction
// type asks for: at each step of its own level.
func oracle(steps []Step, prediction string, x0 float64) func(i int, x []float64, t float64) []float64 {
	return func(i int, x []float64, _ float64) []float64 {
		signal, noise := steps[i].InputScale*steps[i].StartSignal, steps[i].InputScale*steps[i].StartNoise
		out := make([]float64, len(x))
		for j := range x {
			eps := (x[j] - signal*x0) / noise
			out[j] = map[string]float64{PredictEpsilon: eps, PredictVelocity: signal*eps - noise*x0, PredictSample: x0}[prediction]
		}
		return out
	}
}

// TestVariance: if all pictures are black (x_0 = 0), x has at every step the
// variance that StartNoise says, whatever share of the noise is fresh. x is here
// a vector over the independent draws that it is made of.
func TestVariance(t *testing.T) {
	for _, sampler := range Samplers() {
		for _, eta := range []float64{0, 0.4, 1} {
			for _, schedule := range sampler.Schedules {
				if (sampler.Name == "ddim" || sampler.Name == "plms") && schedule != ScheduleDDIMUniform {
					continue // they step by ⌊T/n⌋, however far apart the timesteps are
				}
				steps, err := New(Options{Sampler: sampler.Name, Schedule: schedule, Steps: 12, Eta: eta}, StableDiffusion())
				if err != nil {
					t.Fatal(err)
				}
				draws := make([][]float64, len(steps)+1)
				for i := range draws {
					draws[i] = make([]float64, len(draws))
					draws[i][i] = 1
				}
				start := combine(len(draws), []float64{steps[0].StartNoise}, draws[:1])
				sample(steps, start, oracle(steps, PredictEpsilon, 0), draws[1:], func(i int, x, _ []float64) {
					if i+1 == len(steps) {
						return
					}
					sum := 0.0
					for _, c := range x {
						sum += c * c
					}
					// LCM keeps a share c_skip of x, about 1e-8 of it.
					if got, want := math.Sqrt(sum), steps[i+1].StartNoise; !near(got, want, 1e-6*want) {
						t.Errorf("%s, eta %g, %s: x after step %d has standard deviation %g, want %g", sampler.Name, eta, schedule, i, got, want)
					}
				})
			}
		}
	}
}

// TestOrder: where pictures are Gaussian the way of x is known (Karras et al. 2022,
// eq. 4 with x̂0 = s²·x/(s²+σ²): x keeps its ratio to √(s²+σ²)), and with twice the
// steps the error falls by 2 to the power of the sampler's order. Noise is turned
// off where there is some.
func TestOrder(t *testing.T) {
	const s2, eta = 0.3, 1e-9
	cfg := StableDiffusion()
	cfg.FinalSigmasType, cfg.LowerOrderFinal = FinalSigmaMin, false
	deviation := func(sigma float64) float64 { return math.Sqrt(s2 + sigma*sigma) }
	for _, tt := range []struct {
		sampler           string
		solverOrder, want int
	}{
		{"ddim", 1, 1}, {"euler", 1, 1}, {"euler_a", 1, 1}, {"heun", 1, 2},
		{"dpmpp_2m", 1, 2}, {"dpmpp_2m_sde", 1, 2}, {"dpmpp_2m_sde_heun", 1, 2}, {"dpmpp_sde", 1, 2},
		{"unipc", 1, 2}, {"unipc", 2, 3}, {"unipc", 3, 4}, // the corrector adds one
	} {
		cfg.SolverOrder = tt.solverOrder
		fails := func(n int) float64 {
			// From the same level to the same, whatever n is; DDIM very nearly.
			cfg.TimestepSpacing = SpacingLinspace
			o := Options{Sampler: tt.sampler, Schedule: ScheduleExponential, Steps: n, Eta: eta}
			if tt.sampler == "ddim" {
				o.Schedule = ScheduleDDIMUniform
			}
			steps, err := New(o, cfg)
			if err != nil {
				t.Fatal(err)
			}
			model := func(i int, x []float64, _ float64) []float64 {
				signal, noise := steps[i].InputScale*steps[i].StartSignal, steps[i].InputScale*steps[i].StartNoise
				x0 := s2 * x[0] * signal / (s2*signal*signal + noise*noise)
				return []float64{(x[0] - signal*x0) / noise}
			}
			// x/signal at the first level and at the last, which is timestep 0.
			first, end := steps[0], mustSchedule(t, cfg).Sigma(0)
			start := deviation(first.StartNoise/first.StartSignal) * first.StartSignal
			want := deviation(end)
			if first.InputScale == 1 {
				want /= math.Hypot(1, end)
			}
			got := 0.0
			sample(steps, []float64{start}, model, make([][]float64, len(steps)), func(_ int, x, _ []float64) { got = x[0] })
			return math.Abs(got - want)
		}
		order := math.Log2(fails(100) / fails(200))
		if !(math.Abs(order-float64(tt.want)) < 0.1) {
			t.Errorf("%s %d is of order %.2f, want %d", tt.sampler, tt.solverOrder, order, tt.want)
		}
	}
}

// TestPerfectModel: a model that knows x_0 brings any start to x_0, whatever it
// predicts. So predictions and samplers agree on what an output means, and steps
// know the level of x.
func TestPerfectModel(t *testing.T) {
	const x0 = 0.7
	for _, sampler := range Samplers() {
		for _, prediction := range []string{PredictEpsilon, PredictVelocity, PredictSample} {
			cfg := StableDiffusion()
			cfg.PredictionType, cfg.SetAlphaToOne = prediction, true
			tolerance := 1e-9
			switch sampler.Name {
			case "lcm": // ends with a share c_skip of x, about 1e-7
				tolerance = 1e-6
			case "tcd": // ends at timestep 0, where σ is 0.03
				tolerance = 0.05
			case "plms":
				if prediction == PredictSample {
					continue
				}
				if prediction == PredictVelocity { // whose outputs at different levels it adds up
					tolerance = 0.01
				}
			}
			steps, err := New(Options{Sampler: sampler.Name, Steps: 20, Eta: 0.5}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			noise := make([][]float64, len(steps))
			for i := range noise {
				noise[i] = []float64{math.Sin(float64(i))}
			}
			start := steps[0].StartSignal*x0 + steps[0].StartNoise*1.5
			sample(steps, []float64{start}, oracle(steps, prediction, x0), noise, func(i int, x, predicted []float64) {
				if !near(predicted[0], x0, 1e-9) {
					t.Errorf("%s, %s, step %d: x̂0 is %g, want %g", sampler.Name, prediction, i, predicted[0], x0)
				}
				if i == len(steps)-1 && !near(x[0], x0, tolerance) {
					t.Errorf("%s, %s: ends at %g, want %g", sampler.Name, prediction, x[0], x0)
				}
			})
		}
	}
}
