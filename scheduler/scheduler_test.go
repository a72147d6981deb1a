package scheduler

import (
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
				t.Fatalf("step %d of %d: %+v", i, len(steps), s)
			}
		}
	}
}

// TestEveryNumberOfSteps: the coefficients are finite from 1 step to T, and the
// timesteps fall.
func TestEveryNumberOfSteps(t *testing.T) {
	for _, prediction := range []string{PredictEpsilon, PredictVelocity, PredictSample} {
		for _, spacing := range []string{"", SpacingLeading, SpacingTrailing, SpacingLinspace} {
			for _, zeroSNR := range []bool{false, true} {
				cfg := StableDiffusion()
				cfg.NumTrainTimesteps = 40
				cfg.StepsOffset = 0
				cfg.PredictionType, cfg.TimestepSpacing, cfg.RescaleBetasZeroSNR = prediction, spacing, zeroSNR
				for n := 1; n <= 40; n++ {
					for _, name := range Samplers() {
						steps, err := New(name, cfg, n, 1)
						if err != nil {
							if prediction == PredictEpsilon && zeroSNR && strings.Contains(err.Error(), "pure noise") {
								continue // x̂0 is not defined there
							}
							t.Fatalf("%s, %s, %q, %d steps: %v", name, prediction, spacing, n, err)
						}
						if len(steps) != n {
							t.Fatalf("%s gives %d steps, want %d", name, len(steps), n)
						}
						checkFinite(t, steps)
						if !slices.IsSortedFunc(steps, func(a, b Step) int { return int(b.Timestep - a.Timestep) }) {
							t.Fatalf("%s, %q, %d steps: timesteps do not fall", name, spacing, n)
						}
					}
				}
			}
		}
	}
}

func TestNewErrors(t *testing.T) {
	valid := StableDiffusion()
	with := func(change func(*Config)) Config {
		cfg := valid
		change(&cfg)
		return cfg
	}
	for _, tt := range []struct {
		name  string
		cfg   Config
		steps int
		eta   float64
		want  string
	}{
		{"unipc", valid, 20, 0, "choose one of ddim, ddpm"},
		{"", valid, 20, 0, "choose one of ddim, ddpm"},
		{"ddim", valid, 0, 0, "steps is 0, must be 1 to 1000"},
		{"ddim", valid, -1, 0, "must be 1 to 1000"},
		{"ddim", valid, 1001, 0, "must be 1 to 1000"},
		{"ddim", valid, 1000, 0, "choose fewer steps"},
		{"ddim", valid, 20, -0.1, "eta is -0.1, must be 0 to 1"},
		{"ddim", valid, 20, math.NaN(), "must be 0 to 1"},
		{"ddim", Config{}, 20, 0, "num_train_timesteps"},
		{"ddim", with(func(c *Config) { c.BetaStart, c.BetaEnd = 0.9, 0.9 }), 20, 0, "betas are too large"},
		{"ddpm", with(func(c *Config) { c.VarianceType = "learned" }), 20, 0, "fixed_small, fixed_large"},
		{"ddim", with(func(c *Config) { c.RescaleBetasZeroSNR, c.TimestepSpacing = true, SpacingTrailing }), 20, 0, "epsilon cannot start from pure noise"},
	} {
		_, err := New(tt.name, tt.cfg, tt.steps, tt.eta)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s, %d steps, eta %g: error is %v, want one line with %q", tt.name, tt.steps, tt.eta, err, tt.want)
		}
	}
}

// TestPerfectModel: a model that knows x_0 brings any start to x_0, whatever it
// predicts; its output is the training target. So targets, predictions and
// samplers agree on what an output means.
func TestPerfectModel(t *testing.T) {
	const x0 = 0.7
	for _, prediction := range []string{PredictEpsilon, PredictVelocity, PredictSample} {
		for _, name := range Samplers() {
			cfg := StableDiffusion()
			cfg.PredictionType, cfg.SetAlphaToOne = prediction, true
			schedule := mustSchedule(t, cfg)
			steps, err := New(name, cfg, 20, 0.5)
			if err != nil {
				t.Fatal(err)
			}
			oracle := func(x []float64, timestep float64) []float64 {
				signal, noise := schedule.Forward(int(timestep))
				eps := (x[0] - signal*x0) / noise
				ofX0, ofEps := schedule.Target(int(timestep))
				return []float64{ofX0*x0 + ofEps*eps}
			}
			noise := make([][]float64, len(steps))
			for i := range noise {
				noise[i] = []float64{math.Sin(float64(i))}
			}
			sample(steps, []float64{1.5}, oracle, noise, func(i int, x, predicted []float64) {
				if !near(predicted[0], x0, 1e-9) {
					t.Errorf("%s, %s, step %d: x̂0 is %g, want %g", name, prediction, i, predicted[0], x0)
				}
				if i == len(steps)-1 && !near(x[0], x0, 1e-9) {
					t.Errorf("%s, %s: ends at %g, want %g", name, prediction, x[0], x0)
				}
			})
		}
	}
}

// TestTargets checks v against its definition and the forward process against
// its variance.
func TestTargets(t *testing.T) {
	cfg := StableDiffusion()
	for _, timestep := range []int{0, 1, 500, 999} {
		for prediction, want := range map[string]func(signal, noise float64) [2]float64{
			PredictEpsilon:  func(_, _ float64) [2]float64 { return [2]float64{0, 1} },
			PredictVelocity: func(signal, noise float64) [2]float64 { return [2]float64{-noise, signal} },
			PredictSample:   func(_, _ float64) [2]float64 { return [2]float64{1, 0} },
		} {
			cfg.PredictionType = prediction
			s := mustSchedule(t, cfg)
			signal, noise := s.Forward(timestep)
			if sum := signal*signal + noise*noise; !near(sum, 1, 1e-15) || !near(noise/signal, s.Sigma(timestep), 1e-12*s.Sigma(timestep)) {
				t.Errorf("t = %d: the forward process has variance %g and σ %g, want 1 and %g", timestep, sum, noise/signal, s.Sigma(timestep))
			}
			x0, eps := s.Target(timestep)
			if got := [2]float64{x0, eps}; got != want(signal, noise) {
				t.Errorf("%s, t = %d: target is %v, want %v", prediction, timestep, got, want(signal, noise))
			}
		}
	}
}

// TestWeights: whatever is predicted, min-SNR-γ weighs the implied error of x̂0
// by min(SNR, γ); and at zero SNR it stays finite.
func TestWeights(t *testing.T) {
	const gamma = 5
	for _, prediction := range []string{PredictEpsilon, PredictVelocity, PredictSample} {
		cfg := StableDiffusion()
		cfg.PredictionType, cfg.RescaleBetasZeroSNR = prediction, true
		s := mustSchedule(t, cfg)
		for timestep := range s.Len() - 1 {
			if w := s.Weight(timestep, 0); w != 1 {
				t.Fatalf("%s, t = %d: weight without γ is %g, want 1", prediction, timestep, w)
			}
			x0, _ := predictions(prediction, s.AlphaBar(timestep))
			got := s.Weight(timestep, gamma) / (x0.Output * x0.Output) // of the squared error of x̂0
			want := min(s.SNR(timestep), gamma)
			if !near(got, want, 1e-9*want) {
				t.Fatalf("%s, t = %d: weight of the x̂0 error is %g, want %g", prediction, timestep, got, want)
			}
		}
		want := map[string]float64{PredictEpsilon: 1, PredictVelocity: 0, PredictSample: 0}[prediction]
		if w := s.Weight(s.Len()-1, gamma); w != want {
			t.Errorf("%s at zero SNR: weight is %g, want %g", prediction, w, want)
		}
	}
}

// TestClipStaysSeparate: clamping is not linear, so a clipping step must leave
// x̂0 to the caller, and no other step may.
func TestClipStaysSeparate(t *testing.T) {
	cfg := StableDiffusion()
	for _, clip := range []bool{false, true} {
		cfg.ClipSample = clip
		for _, name := range Samplers() {
			steps, err := New(name, cfg, 5, 0)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range steps {
				if (s.Clip != 0) != clip || (len(s.Denoised) > 0) != clip {
					t.Errorf("%s, clip_sample %v, step %d: %+v", name, clip, i, s)
				}
			}
		}
	}
}
