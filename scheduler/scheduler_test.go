package scheduler

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestHeunFromZeroSNR: the first interval, from σ = 4096, is a plain Euler step; the
// second is not.
func TestHeunFromZeroSNR(t *testing.T) {
	cfg := StableDiffusion()
	cfg.PredictionType, cfg.RescaleBetasZeroSNR, cfg.TimestepSpacing = PredictVelocity, true, SpacingTrailing
	steps, err := New(Options{Sampler: "heun", Steps: 3}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	var calls []float64
	for _, s := range steps {
		calls = append(calls, s.Timestep)
	}
	if want := []float64{999, 666, 332, 332}; !slices.Equal(calls, want) {
		t.Errorf("the model is called at %v, want %v", calls, want)
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
		{Options{Sampler: "fancy", Steps: 20}, valid, "choose one of ddim, euler, "},
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
		{Options{Steps: 10, Strength: 0.07}, valid, "choose a strength of 0.1 or more steps"},
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
	for text, want := range map[string][2]string{
		"DPM++ 2M Karras":          {"dpmpp_2m", "karras"},
		"DPM++ 2M SDE Karras":      {"dpmpp_2m_sde", "karras"},
		"DPM++ 2M SDE Exponential": {"dpmpp_2m_sde", "exponential"},
		"DPM++ 2M SDE Heun Karras": {"dpmpp_2m_sde_heun", "karras"},
		"DPM++ 2M SDE Heun":        {"dpmpp_2m_sde_heun", ""},
		"DPM++ SDE Karras":         {"dpmpp_sde", "karras"},
		"dpmpp_2m_sde_gpu":         {"dpmpp_2m_sde", ""},
		"dpmpp_sde_gpu_karras":     {"dpmpp_sde", "karras"},
		"euler_ancestral":          {"euler_a", ""},
		"uni_pc_bh2":               {"unipc", ""},
		"PLMS":                     {"plms", ""},
		"ddim_uniform":             {"ddim", "uniform"},
		"Euler Automatic":          {"euler", "automatic"},
		"k_euler":                  {},
		"Euler Wild":               {},
		"":                         {},
	} {
		sampler, schedule, err := FindSampler(text)
		if got := [2]string{sampler.Name, schedule}; got != want || (err == nil) != (want[0] != "") {
			t.Errorf("%q is %q, %v; want %q", text, got, err, want)
		}
	}
	for class, name := range classes {
		if got := mustParse(t, []byte(`{"_class_name": "`+class+`"}`)).Sampler(); got != name || !slices.Contains(SamplerNames(), got) {
			t.Errorf("%s is for sampler %s, want %s", class, got, name)
		}
	}
}

// TestStrength: image-to-image runs the end of the trajectory: at the same levels,
// and from the step on where the history is full by the same coefficients.
func TestStrength(t *testing.T) {
	for _, sampler := range Samplers() {
		for _, tt := range []struct {
			strength float64
			want     int
		}{{0, 20}, {1, 20}, {0.75, 15}, {0.5, 10}, {0.99, 19}, {0.05, 1}} {
			all, err := New(Options{Sampler: sampler.Name, Steps: 20}, StableDiffusion())
			if err != nil {
				t.Fatal(err)
			}
			steps, err := New(Options{Sampler: sampler.Name, Steps: 20, Strength: tt.strength}, StableDiffusion())
			if err != nil {
				t.Fatal(err)
			}
			first := len(all) - len(steps)
			if want := (20 - tt.want) * sampler.Calls; first != want && !(sampler.Name == "plms" && tt.want == 1 && first == want+1) {
				t.Errorf("%s, strength %g: %d steps left out, want %d", sampler.Name, tt.strength, first, want)
				continue
			}
			for i, got := range steps {
				want := all[first+i]
				if sampler.Name == "plms" && i < 2 { // the first step is taken twice
					continue
				}
				if got.Timestep != want.Timestep || got.StartSignal != want.StartSignal || got.StartNoise != want.StartNoise {
					t.Errorf("%s, strength %g, step %d: begins at %+v, want %+v", sampler.Name, tt.strength, i, got, want)
				}
				if i >= History && !reflect.DeepEqual(got, want) {
					t.Errorf("%s, strength %g, step %d: is %+v, want %+v", sampler.Name, tt.strength, i, got, want)
				}
			}
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
			x0, _ := s.predictions(timestep)
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
// x̂0 to the caller. The samplers that clip are those that do in diffusers.
func TestClipStaysSeparate(t *testing.T) {
	clipping := []string{"ddim", "ddpm", "heun", "lcm"}
	cfg := StableDiffusion()
	for _, clip := range []bool{false, true} {
		cfg.ClipSample = clip
		for _, sampler := range Samplers() {
			steps, err := New(Options{Sampler: sampler.Name, Steps: 5}, cfg)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range steps {
				want := clip && slices.Contains(clipping, sampler.Name)
				if (s.Clip != 0) != want || want && len(s.Denoised) == 0 {
					t.Errorf("%s, clip_sample %v, step %d: %+v", sampler.Name, clip, i, s)
				}
			}
		}
	}
}
