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

// TestUsualSettingsStayUnwritten: what single samplers know is written only where
// it says something.
func TestUsualSettingsStayUnwritten(t *testing.T) {
	cfg := StableDiffusion()
	cfg.UseKarrasSigmas = true
	data, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]bool{"sigma_min": false, "solver_order": false, "algorithm_type": false, "use_karras_sigmas": true, "beta_end": true} {
		if got := strings.Contains(string(data), key); got != want {
			t.Errorf("%s holds %s: %v, want %v", data, key, got, want)
		}
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
		{`{"_class_name": "UniPCMultistepScheduler", "use_flow_sigmas": true}`, "flow-matching"},
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
		{`{"_class_name": "EDMEulerScheduler"}`, "EDM"},
		{`{"use_karras_sigmas": true, "use_beta_sigmas": true}`, "only one of"},
		{`{"sigma_min": -1}`, "sigma_min is -1"},
		{`{"sigma_min": 2, "sigma_max": 1}`, "must be below sigma_max = 1"},
		{`{"final_sigmas_type": "one"}`, "zero, sigma_min"},
		{`{"solver_order": 4}`, "solver_order is 4, must be 1 to 3"},
		{`{"original_inference_steps": 0}`, "original_inference_steps is 0"},
		{`{"timestep_scaling": 0}`, "timestep_scaling is 0"},
	} {
		_, err := ParseConfig([]byte(tt.file))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error is %v, want one line with %q", tt.file, err, tt.want)
		}
	}
}

// TestInfinity: Python writes numbers that JSON does not have; they mean the
// default, whether the key is one of ours or not.
func TestInfinity(t *testing.T) {
	got := mustParse(t, []byte(`{"lambda_min_clipped": -Infinity, "sigma_max": Infinity, "sigma_min": NaN, "note": "Infinity \" NaN", "list": [NaN]}`))
	if got.SigmaMax != 0 || got.SigmaMin != 0 {
		t.Errorf("sigma_min and sigma_max are %g and %g, want 0", got.SigmaMin, got.SigmaMax)
	}
	want := map[string]json.RawMessage{
		"note": json.RawMessage(`"Infinity \" NaN"`),
		"list": json.RawMessage(`["NaN"]`),
	}
	if !reflect.DeepEqual(got.Extra, want) {
		t.Errorf("extra keys are %s, want %s", got.Extra, want)
	}
	for _, file := range []string{`{"beta_end": Infin}`, `{"a": -`, `{"a": "\`, `-Infinity`, `NaN`} {
		if _, err := ParseConfig([]byte(file)); err == nil {
			t.Errorf("%s is accepted", file)
		}
	}
}

// FuzzParseConfig: whatever ParseConfig accepts makes finite steps or an error,
// with any options, and survives being written and read.
func FuzzParseConfig(f *testing.F) {
	for _, file := range []string{
		sd15,
		`{"prediction_type": "v_prediction", "rescale_betas_zero_snr": true, "timestep_spacing": "trailing"}`,
		`{"num_train_timesteps": 2, "trained_betas": [0.1, 0.999]}`,
		`{"num_train_timesteps": 1, "variance_type": "fixed_large", "original_inference_steps": 1}`,
		`{"BETA_START": "x", "a": {"b": [null]}, "lambda_min_clipped": -Infinity}`,
		`{"use_karras_sigmas": true, "sigma_min": 0.1, "sigma_max": 20, "final_sigmas_type": "sigma_min"}`,
		`{"solver_order": 3, "solver_type": "bh1", "lower_order_final": false, "prediction_type": "sample"}`,
	} {
		f.Add([]byte(file), "dpm++ 2m sde", "karras", 20, 0.0, 0.7)
		f.Add([]byte(file), "UniPC Beta", "", 5, 1.0, 0.0)
		f.Add([]byte(file), "", "Simple", 1, 0.0, 1.0)
	}
	f.Fuzz(func(t *testing.T, data []byte, sampler, schedule string, n int, eta, strength float64) {
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
		try := func(o Options) {
			steps, err := New(o, cfg)
			if err == nil {
				checkFinite(t, steps)
			} else if strings.Contains(err.Error(), "\n") {
				t.Fatalf("%+v: error %q is more than one line", o, err)
			}
		}
		try(Options{Sampler: sampler, Schedule: schedule, Steps: n, Eta: eta, Strength: strength})
		for _, s := range Samplers() {
			schedule := s.Schedules[uint(n)%uint(len(s.Schedules))]
			try(Options{Sampler: s.Name, Schedule: schedule, Steps: 1 + n&7, Eta: eta})
		}
	})
}
