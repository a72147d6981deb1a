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
	Trajectories []trajectory
}

// trajectory is a run of a diffusers scheduler: the noise it drew, and x_t and
// x̂0 after each step.
type trajectory struct {
	Config       json.RawMessage
	Sampler      string
	Steps        int
	Eta          float64
	Start        []float64
	Noise, X, X0 [][]float64
}

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

// TestTables compares β and ᾱ. diffusers computes them in float32, where a
// product of a thousand factors loses up to 1e-5 of its value.
func TestTables(t *testing.T) {
	for _, g := range readGoldens(t).Tables {
		s := mustSchedule(t, mustParse(t, g.Config))
		for i, step := range g.Timesteps {
			if got, want := s.Beta(step), g.Betas[i]; !near(got, want, 2e-6+1e-5*want) {
				t.Errorf("%s: β_%d is %g, want %g", g.Config, step, got, want)
			}
			if got, want := s.AlphaBar(step), g.AlphasCumprod[i]; !near(got, want, 1e-7+1e-5*want) {
				t.Errorf("%s: ᾱ_%d is %g, want %g", g.Config, step, got, want)
			}
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

// TestTrajectories runs DDIM and DDPM beside diffusers, which computes in
// float32.
func TestTrajectories(t *testing.T) {
	const tolerance = 1e-5
	for _, g := range readGoldens(t).Trajectories {
		cfg := mustParse(t, g.Config)
		steps, err := New(Options{Sampler: g.Sampler, Steps: g.Steps, Eta: g.Eta}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		sample(steps, g.Start, fakeModel, g.Noise, func(i int, x, x0 []float64) {
			for j := range x {
				// x̂0 of an ε model divides by √ᾱ_t and grows to 15; its error with it.
				worst = max(worst, math.Abs(x[j]-g.X[i][j])/max(1, math.Abs(g.X[i][j])),
					math.Abs(x0[j]-g.X0[i][j])/max(1, math.Abs(g.X0[i][j])))
			}
		})
		if !(worst <= tolerance) {
			t.Errorf("%s, %d steps, eta %g, %s: off by %.2g", g.Sampler, g.Steps, g.Eta, g.Config, worst)
		}
	}
}

// fakeModel is the model of make_goldens.py.
func fakeModel(x []float64, t float64) []float64 {
	out := make([]float64, len(x))
	for i := range x {
		ramp := float64(i) / float64(len(x))
		out[i] = 0.6*x[i]*math.Cos(t/300) + 0.8*math.Sin(t/100)*ramp
	}
	return out
}

// sample applies the steps to x as Step's documentation says, looking back as
// far as they ask, and shows x and x̂0 after each.
func sample(steps []Step, x []float64, model func(x []float64, t float64) []float64, noise [][]float64, show func(i int, x, x0 []float64)) {
	var xs, outs, x0s [][]float64 // newest first
	for i, step := range steps {
		scaled := combine(len(x), []float64{step.InputScale}, [][]float64{x})
		out := model(scaled, step.Timestep)
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
