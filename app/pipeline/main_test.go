package pipeline

import (
	"os"
	"testing"
)

// TestMain keeps hashes of the tests' models out of the user's cache.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "latent-cache-*")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_CACHE_HOME", dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}
