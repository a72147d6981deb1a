package scheduler

import (
	"math"
	"reflect"
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
					for _, sampler := range Samplers() {
						steps, err := New(Options{Sampler: sampler.Name, Steps: n, Eta: 1}, cfg)
						if err != nil {
							if prediction == PredictEpsilon && zeroSNR && strings.Contains(err.Error(), "pure noise") {
								continue // x̂0 is not defined there
							}
							t.Fatalf("%s, %s, %q, %d steps: %v", sampler.Name, prediction, spacing, n, err)
						}
						if len(steps) != n {
							t.Fatalf("%s gives %d steps, want %d", sampler.Name, len(steps), n)
						}
						checkFinite(t, steps)
						if !slices.IsSortedFunc(steps, func(a, b Step) int { return int(b.Timestep - a.Timestep) }) {
							t.Fatalf("%s, %q, %d steps: timesteps do not fall", sampler.Name, spacing, n)
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
		Options
		cfg  Config
		want string
	}{
		{Options{Sampler: "fancy", Steps: 20}, valid, "choose one of ddim, ddpm"},
		{Options{Sampler: "ddim karras", Steps: 20}, valid, "ddim has no schedule karras: choose one of automatic, "},
		{Options{Schedule: "wild", Steps: 20}, valid, "choose one of automatic, "},
		{Options{}, valid, "steps is 0, must be 1 to 1000"},
		{Options{Steps: -1}, valid, "must be 1 to 1000"},
		{Options{Steps: 1001}, valid, "must be 1 to 1000"},
		{Options{Steps: 1000}, valid, "choose fewer steps"},
		{Options{Steps: 20, Eta: -0.1}, valid, "eta is -0.1, must be 0 to 1"},
		{Options{Steps: 20, Eta: math.NaN()}, valid, "must be 0 to 1"},
		{Options{Steps: 20, Strength: 1.5}, valid, "strength is 1.5, must be 0 to 1"},
		{Options{Steps: 20, Strength: math.NaN()}, valid, "must be 0 to 1"},
		{Options{Steps: 10, Strength: 0.07}, valid, "choose a strength of 0.1 or 15 steps"},
		{Options{Steps: 10, Strength: 1e-9}, valid, "choose a strength of 0.1"},
		{Options{Steps: 20}, Config{}, "num_train_timesteps"},
		{Options{Steps: 20}, with(func(c *Config) { c.BetaStart, c.BetaEnd = 0.9, 0.9 }), "betas are too large"},
		{Options{Sampler: "ddpm", Steps: 20}, with(func(c *Config) { c.VarianceType = "learned" }), "fixed_small, fixed_large"},
		{Options{Steps: 20}, with(func(c *Config) { c.RescaleBetasZeroSNR, c.TimestepSpacing = true, SpacingTrailing }), "epsilon cannot start from pure noise"},
	} {
		_, err := New(tt.Options, tt.cfg)
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: error is %v, want one line with %q", tt.Options, err, tt.want)
		}
	}
}

// TestFind: a sampler is found by what it is called here, in AUTOMATIC1111 and in
// ComfyUI.
func TestFind(t *testing.T) {
	for _, s := range Samplers() {
		for _, text := range []string{s.Name, s.Label, strings.ToUpper(s.Name), strings.ToLower(s.Label), s.Label + " SGM Uniform"} {
			if got, _, err := FindSampler(text); err != nil || got.Name != s.Name {
				t.Errorf("%q is sampler %q, %v; want %q", text, got.Name, err, s.Name)
			}
		}
		if s.Schedules[0] != ScheduleAutomatic {
			t.Errorf("%s: the first schedule is %s, want automatic", s.Name, s.Schedules[0])
		}
	}
	for _, s := range Schedules() {
		for _, text := range []string{s.Name, s.Label, strings.ToUpper(s.Name)} {
			if got, err := FindSchedule(text); err != nil || got != s {
				t.Errorf("%q is schedule %q, %v; want %q", text, got.Name, err, s.Name)
			}
		}
	}
	for class, name := range classes {
		if _, _, err := FindSampler(name); err != nil {
			t.Errorf("%s: %v", class, err)
		}
	}
}

// TestStrength: image-to-image runs the end of the trajectory.
func TestStrength(t *testing.T) {
	for _, tt := range []struct {
		strength float64
		want     int
	}{{0, 20}, {1, 20}, {0.75, 15}, {0.5, 10}, {0.99, 19}, {0.05, 1}} {
		all, err := New(Options{Steps: 20}, StableDiffusion())
		if err != nil {
			t.Fatal(err)
		}
		steps, err := New(Options{Steps: 20, Strength: tt.strength}, StableDiffusion())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(steps, all[20-tt.want:]) {
			t.Errorf("strength %g: steps are not the last %d", tt.strength, tt.want)
		}
	}
}

// TestPerfectModel: a model that knows x_0 brings any start to x_0, whatever it
// predicts; its output is the training target. So targets, predictions and
// samplers agree on what an output means.
func TestPerfectModel(t *testing.T) {
	const x0 = 0.7
	for _, prediction := range []string{PredictEpsilon, PredictVelocity, PredictSample} {
		for _, sampler := range Samplers() {
			cfg := StableDiffusion()
			cfg.PredictionType, cfg.SetAlphaToOne = prediction, true
			schedule := mustSchedule(t, cfg)
			steps, err := New(Options{Sampler: sampler.Name, Steps: 20, Eta: 0.5}, cfg)
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
					t.Errorf("%s, %s, step %d: x̂0 is %g, want %g", sampler.Name, prediction, i, predicted[0], x0)
				}
				if i == len(steps)-1 && !near(x[0], x0, 1e-9) {
					t.Errorf("%s, %s: ends at %g, want %g", sampler.Name, prediction, x[0], x0)
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
		for _, sampler := range Samplers() {
			steps, err := New(Options{Sampler: sampler.Name, Steps: 5}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range steps {
				if (s.Clip != 0) != clip || (len(s.Denoised) > 0) != clip {
					t.Errorf("%s, clip_sample %v, step %d: %+v", sampler.Name, clip, i, s)
				}
			}
		}
	}
}
