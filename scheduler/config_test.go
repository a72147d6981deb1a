package scheduler

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// sd15 is the file of Stable Diffusion 1.5, whose class is not one of ours.
const sd15 = `{
  "_class_name": "PNDMScheduler",
  "_diffusers_version": "0.6.0",
  "beta_end": 0.012,
  "beta_schedule": "scaled_linear",
  "beta_start": 0.00085,
  "num_train_timesteps": 1000,
  "set_alpha_to_one": false,
  "skip_prk_steps": true,
  "steps_offset": 1,
  "trained_betas": null
}`

func TestParseConfig(t *testing.T) {
	got := mustParse(t, []byte(sd15))
	want := StableDiffusion()
	want.ClassName = "PNDMScheduler"
	want.TimestepSpacing = ""
	want.Extra = map[string]json.RawMessage{
		"_diffusers_version": json.RawMessage(`"0.6.0"`),
		"skip_prk_steps":     json.RawMessage("true"),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("config is %+v, want %+v", got, want)
	}
	if ddim := mustParse(t, []byte(`{"_class_name": "DDIMScheduler"}`)); !ddim.ClipSample || !ddim.SetAlphaToOne {
		t.Error("a DDIM file without clip_sample and set_alpha_to_one must mean true, as in diffusers")
	}
}

func TestConfigRoundTrip(t *testing.T) {
	want := mustParse(t, []byte(sd15))
	want.TrainedBetas = make([]float64, 1000)
	for i := range want.TrainedBetas {
		want.TrainedBetas[i] = 0.001
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := mustParse(t, data); !reflect.DeepEqual(got, want) {
		t.Errorf("config is %+v, want %+v", got, want)
	}
}

// TestParseConfigErrors: each error is one line that names the key and, where
// there is a choice, the choices.
func TestParseConfigErrors(t *testing.T) {
	for _, tt := range []struct{ file, want string }{
		{``, "not a JSON object"},
		{`null`, "not a JSON object"},
		{`[1]`, "not a JSON object"},
		{`<html>`, "not a JSON object"},
		{`{"_class_name": 3}`, "_class_name"},
		{`{"_class_name": "FlowMatchEulerDiscreteScheduler"}`, "flow-matching"},
		{`{"prediction_type": "flow"}`, "epsilon, v_prediction, sample"},
		{`{"beta_schedule": "laplace"}`, "linear, scaled_linear, squaredcos_cap_v2"},
		{`{"timestep_spacing": "even"}`, "leading, trailing, linspace"},
		{`{"num_train_timesteps": 0}`, "num_train_timesteps is 0"},
		{`{"num_train_timesteps": 1000000000}`, "num_train_timesteps is 1000000000"},
		{`{"num_train_timesteps": "many"}`, "num_train_timesteps"},
		{`{"num_train_timesteps": 1, "rescale_betas_zero_snr": true}`, "2 or more"},
		{`{"beta_start": 0}`, "between 0 and 1"},
		{`{"beta_end": 1}`, "between 0 and 1"},
		{`{"beta_end": 1e400}`, "beta_end"},
		{`{"trained_betas": [0.1, 0.2]}`, "trained_betas holds 2"},
		{`{"trained_betas": [0.1, 2], "num_train_timesteps": 2}`, "trained_betas[1] is 2"},
		{`{"steps_offset": -1}`, "steps_offset is -1"},
		{`{"clip_sample": true, "clip_sample_range": 0}`, "clip_sample_range is 0"},
		{`{"thresholding": true}`, "thresholding"},
	} {
		_, err := ParseConfig([]byte(tt.file))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error is %v, want one line with %q", tt.file, err, tt.want)
		}
	}
}

// FuzzParseConfig: whatever ParseConfig accepts makes finite steps or an error,
// and survives being written and read.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(sd15))
	f.Add([]byte(`{"prediction_type": "v_prediction", "rescale_betas_zero_snr": true, "timestep_spacing": "trailing"}`))
	f.Add([]byte(`{"num_train_timesteps": 2, "trained_betas": [0.1, 0.999]}`))
	f.Add([]byte(`{"num_train_timesteps": 1, "variance_type": "fixed_large"}`))
	f.Add([]byte(`{"BETA_START": "x", "a": {"b": [null]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := ParseConfig(data)
		if err != nil {
			return
		}
		written, err := json.Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseConfig(written)
		if err != nil {
			t.Fatalf("%s is written as %s: %v", data, written, err)
		}
		if rewritten, _ := json.Marshal(again); string(rewritten) != string(written) {
			t.Fatalf("%s is written as %s, then as %s", data, written, rewritten)
		}
		if cfg.NumTrainTimesteps > 2000 {
			return // valid, but slow
		}
		for _, sampler := range Samplers() {
			for _, n := range []int{1, 3} {
				steps, err := New(Options{Sampler: sampler.Name, Steps: n, Eta: 1}, cfg)
				if err == nil {
					checkFinite(t, steps)
				}
			}
		}
	})
}
