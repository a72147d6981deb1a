package pipeline

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"latent/gpu/nn/golden"
	"latent/gpu/safetensors"
	"latent/scheduler"
)

// In each mode a picture that is stopped after any step and gone on with, over a
// file and in another engine, comes out the same.
func TestResumedPictureIsTheSame(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	for name, change := range modes {
		t.Run(name, func(t *testing.T) {
			req := request()
			req.Sampler = "ddpm"
			change(&req)
			var states []*State
			whole, err := e.Generate(t.Context(), dir, req, func(p Progress) {
				if p.State != nil {
					states = append(states, p.State())
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			other := start(t)
			for i, s := range states {
				path := filepath.Join(t.TempDir(), "half.safetensors")
				if err := WriteState(path, s); err != nil {
					t.Fatal(err)
				}
				resumed := req
				if resumed.Resume, err = ReadState(path); err != nil {
					t.Fatal(err)
				}
				steps := 0
				out, err := other.Generate(t.Context(), dir, resumed, func(p Progress) {
					if p.State != nil {
						steps++
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(whole, out); diff != "" {
					t.Errorf("gone on after %d steps the picture differs: %s", i+1, diff)
				}
				if want := len(states) - i - 1; steps != want {
					t.Errorf("gone on after %d steps it takes %d, want %d", i+1, steps, want)
				}
			}
			req.Resume, req.Seed = states[0], req.Seed+1
			if _, err := e.Generate(t.Context(), dir, req, nil); err == nil || !strings.Contains(err.Error(), "another request") {
				t.Errorf("goes on with the picture of another seed: %v", err)
			}
		})
	}
}

// Samplers that look back, or draw noise, go on as well.
func TestEverySamplerResumes(t *testing.T) {
	e, dir := start(t), tinyModel(t, 1)
	for _, sampler := range scheduler.SamplerNames() {
		t.Run(sampler, func(t *testing.T) {
			req := request()
			req.Sampler, req.Steps = sampler, 5
			if sampler == "plms" { // which cannot start from pure noise
				req.Schedule = scheduler.ScheduleDDIMUniform
			}
			var states []*State
			whole, err := e.Generate(t.Context(), dir, req, func(p Progress) {
				if p.State != nil {
					states = append(states, p.State())
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range states {
				req.Resume = s
				if diff := cmp.Diff(whole, paint(t, e, dir, req)); diff != "" {
					t.Errorf("gone on after %d steps the picture differs: %s", s.Step, diff)
				}
			}
		})
	}
}

func FuzzReadState(f *testing.F) {
	path := filepath.Join(f.TempDir(), "half.safetensors")
	s := &State{Step: 1, request: "r", rng: []byte{1}, shape: []int{1, 1, 1, 2}, tensors: map[string][]float32{"x.0": {1, 2}}}
	if err := WriteState(path, s); err != nil {
		f.Fatal(err)
	}
	f.Add(golden.Read(f, path))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := safetensors.Parse(data)
		if err != nil {
			return
		}
		s, err := parseState(file)
		if err != nil {
			return
		}
		for name, v := range s.tensors {
			if n := s.shape[0] * s.shape[1] * s.shape[2] * s.shape[3]; len(v) != n {
				t.Errorf("%s has %d numbers, want those of %v", name, len(v), s.shape)
			}
		}
	})
}
