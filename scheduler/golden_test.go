package scheduler

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"
)

// goldens is testdata/goldens.json, made with diffusers by make_goldens.py.
type goldens struct {
	Tables []struct {
		Config        json.RawMessage
		Timesteps     []int
		Betas         []float64
		AlphasCumprod []float64 `json:"alphas_cumprod"`
	}
	Timesteps []struct {
		Config    json.RawMessage
		Steps     int
		Timesteps []int
	}
	Betas []struct{ Share, Quantile float64 }

	Trajectories []trajectory
}

// trajectory is a run of a diffusers scheduler: at each call of the model the
// timestep, x after it, and where it was asked for what inpainting would have put
// into known regions before it.
type trajectory struct {
	Options
	Config    json.RawMessage
	Timesteps []float64
	X, Known  []float64
}

// goldenX0 and goldenZ are the latent and the noise that trajectories start from.
const goldenX0, goldenZ = -0.8, 1.1

// goldenNoise is the noise of the i-th call of the model.
func goldenNoise(i int) float64 { return 1.2 * math.Sin(1.7*float64(i)+1) }

func readGoldens(t *testing.T) goldens {
	t.Helper()
	data, err := os.ReadFile("testdata/goldens.json")
	if err != nil {
		t.Fatal(err)
	}
	var g goldens
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Tables) == 0 || len(g.Timesteps) == 0 || len(g.Trajectories) == 0 {
		t.Fatal("goldens.json is empty")
	}
	return g
}

func mustParse(t *testing.T, data []byte) Config {
	t.Helper()
	cfg, err := ParseConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func mustSchedule(t *testing.T, cfg Config) *Schedule {
	t.Helper()
	s, err := NewSchedule(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTables compares β and ᾱ with diffusers computing in float64. (In its
// float32 a product of a thousand factors loses up to 1e-5 of its value.)
func TestTables(t *testing.T) {
	const tolerance = 1e-11 // of the goldens' 12 digits
	for _, g := range readGoldens(t).Tables {
		s := mustSchedule(t, mustParse(t, g.Config))
		for i, step := range g.Timesteps {
			// β is a difference of ᾱ, of which it loses digits.
			if got, want := s.Beta(step), g.Betas[i]; !near(got, want, tolerance) {
				t.Errorf("%s: β_%d is %g, want %g", g.Config, step, got, want)
			}
			if got, want := s.AlphaBar(step), g.AlphasCumprod[i]; !near(got, want, tolerance*want) {
				t.Errorf("%s: ᾱ_%d is %g, want %g", g.Config, step, got, want)
			}
		}
	}
}

func TestBetaQuantile(t *testing.T) {
	for _, g := range readGoldens(t).Betas {
		if got := betaQuantile(g.Share, 0.6); !near(got, g.Quantile, 1e-14+1e-12*g.Quantile) {
			t.Errorf("the quantile at %g is %g, want %g", g.Share, got, g.Quantile)
		}
	}
}

func TestTimesteps(t *testing.T) {
	for _, g := range readGoldens(t).Timesteps {
		s := mustSchedule(t, mustParse(t, g.Config))
		got, err := s.Timesteps(g.Steps, "")
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, g.Timesteps) {
			t.Errorf("%s, %d steps: timesteps are %v, want %v", g.Config, g.Steps, got, g.Timesteps)
		}
	}
}

// TestTrajectories runs every sampler beside diffusers, which is made to compute
// in float64 too; what is left is rounding, and that of the goldens to 10 digits.
func TestTrajectories(t *testing.T) {
	const tolerance = 1e-8
	for _, g := range readGoldens(t).Trajectories {
		cfg := mustParse(t, g.Config)
		steps, err := New(g.Options, cfg)
		if err != nil {
			t.Errorf("%+v, %s: %v", g.Options, g.Config, err)
			continue
		}
		if len(steps) != len(g.X) {
			t.Errorf("%+v, %s: %d calls of the model, want %d", g.Options, g.Config, len(steps), len(g.X))
			continue
		}
		x := steps[0].Init * goldenZ
		if g.Strength != 0 {
			x = steps[0].StartSignal*goldenX0 + steps[0].StartNoise*goldenZ
		}
		var noise [][]float64
		for i, s := range steps {
			noise = append(noise, []float64{goldenNoise(i)})
			if !near(s.Timestep, g.Timesteps[i], 1e-3) {
				t.Errorf("%+v, %s: timestep %d is %g, want %g", g.Options, g.Config, i, s.Timestep, g.Timesteps[i])
			}
			// In the middle of an interval diffusers takes the level at its end.
			if g.Known != nil && !(g.Sampler == "dpmpp_sde" && i%2 == 1) {
				if known := s.StartSignal*goldenX0 + s.StartNoise*goldenZ; !nearly(known, g.Known[i], tolerance) {
					t.Errorf("%+v, %s: known region at call %d is %g, want %g", g.Options, g.Config, i, known, g.Known[i])
				}
			}
		}
		failed := false
		sample(steps, []float64{x}, fakeModel, noise, func(i int, x, _ []float64) {
			if !failed && !nearly(x[0], g.X[i], tolerance) {
				failed = true // and with it all that follows
				t.Errorf("%+v, %s: x after call %d is %v, want %v", g.Options, g.Config, i, x, g.X[i])
			}
		})
	}
}

// nearly reports whether a is near b, relative to b where that is greater than 1:
// x̂0 of an ε model divides by √ᾱ_t and grows to 15.
func nearly(a, b, tolerance float64) bool { return near(a, b, tolerance*max(1, math.Abs(b))) }

// fakeModel is the model of make_goldens.py.
func fakeModel(_ int, x []float64, t float64) []float64 {
	return []float64{0.6*x[0]*math.Cos(t/300) + 0.4*math.Sin(t/100)}
}

// sample applies the steps to x as Step's documentation says, looking back as
// far as they ask, and shows x and x̂0 after each.
func sample(steps []Step, x []float64, model func(i int, x []float64, t float64) []float64, noise [][]float64, show func(i int, x, x0 []float64)) {
	var xs, outs, x0s [][]float64 // newest first
	for i, step := range steps {
		scaled := combine(len(x), []float64{step.InputScale}, [][]float64{x})
		out := model(i, scaled, step.Timestep)
		x0 := combine(len(x), []float64{step.PredictX, step.PredictOutput}, [][]float64{x, out})
		if step.Clip != 0 {
			for j := range x0 {
				x0[j] = min(max(x0[j], -step.Clip), step.Clip)
			}
		}
		xs, outs, x0s = slices.Insert(xs, 0, x), slices.Insert(outs, 0, out), slices.Insert(x0s, 0, x0)
		x = combine(len(x),
			slices.Concat(step.X, step.Output, step.Denoised, []float64{step.Noise}),
			slices.Concat(xs[:len(step.X)], outs[:len(step.Output)], x0s[:len(step.Denoised)], noise[i:i+1]))
		show(i, x, x0)
	}
}

// combine returns Σᵢ coefficients[i]·vectors[i], of n elements.
func combine(n int, coefficients []float64, vectors [][]float64) []float64 {
	sum := make([]float64, n)
	for i, c := range coefficients {
		for j, v := range vectors[i] {
			sum[j] += c * v
		}
	}
	return sum
}

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance }
