package golden

import (
	"encoding/json"
	"testing"

	"latent/gpu/nn"
	"latent/gpu/nn/golden/memory"
)

// Configs tests how a package reads a config.json and builds a model of it.
type Configs[C, M any] struct {
	Parse func(data []byte) (C, error)
	New   func(C) (M, error)
}

// Rewrites checks that a config.json says the same after it was read and written.
func (c Configs[C, M]) Rewrites(t *testing.T, name string, data []byte) {
	t.Helper()
	first, err := c.Parse(data)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	want, err := json.Marshal(first)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	again, err := c.Parse(want)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if got, _ := json.Marshal(again); string(got) != string(want) {
		t.Errorf("%s: after writing and reading\n%s\nwant\n%s", name, got, want)
	}
}

// Refuses checks that a config.json gives this error.
func (c Configs[C, M]) Refuses(t *testing.T, config, want string) {
	t.Helper()
	if _, err := c.Parse([]byte(config)); err == nil || err.Error() != want {
		t.Errorf("%s\ngot  %v\nwant %s", config, err, want)
	}
}

// Counts checks the number of parameters of the model of a config.json.
func (c Configs[C, M]) Counts(t *testing.T, name, config string, want int) {
	t.Helper()
	cfg, err := c.Parse([]byte(config))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	m, err := c.New(cfg)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if got := nn.Count(m); got != want {
		t.Errorf("%s has %d parameters, want %d", name, got, want)
	}
}

// Bounded checks that a config.json, which may ask for the largest model that there
// may be, is read and its model declared in so many bytes, garbage included.
func (c Configs[C, M]) Bounded(t *testing.T, config string, most int) {
	t.Helper()
	took := memory.Allocated(func() {
		if cfg, err := c.Parse([]byte(config)); err == nil {
			c.New(cfg)
		}
	})
	if took > most {
		t.Errorf("%.100s takes %d bytes, want at most %d", config, took, most)
	}
}

// Fuzz builds a model of whatever can be parsed.
func (c Configs[C, M]) Fuzz(f *testing.F, seeds ...[]byte) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := c.Parse(data)
		if err != nil {
			return
		}
		if _, err := c.New(cfg); err != nil {
			t.Errorf("a parsed configuration cannot be built: %v", err)
		}
	})
}
