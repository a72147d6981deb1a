package nn

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/half"
	"latent/gpu/safetensors"
)

// inFiles is what the process has in memory of files, in bytes.
func inFiles(t *testing.T) int {
	t.Helper()
	data, _ := os.ReadFile("/proc/self/status")
	_, rest, ok := strings.Cut(string(data), "RssFile:")
	if !ok {
		t.Skip("this system does not tell")
	}
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// A mapped file leaves memory as it is loaded, converted or not, and a second load
// finds it whole.
func TestLoadLetsGoOfTheFile(t *testing.T) {
	const n = 2048
	values := numbers(n * n)
	for _, from := range []string{safetensors.F16, safetensors.F32} {
		data, err := half.Bytes(from, values)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := safetensors.Write(path, []safetensors.Entry{{Name: "weight", DType: from, Shape: []int{n, n}, Data: data}}, nil); err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		m, dev := NewEmbedding(n, n), reference(t)
		before := inFiles(t)
		if err := Load(m, dev, gpu.Float32, f); err != nil {
			t.Fatal(err)
		}
		if more := inFiles(t) - before; more > len(data)/4 {
			t.Errorf("%s: %d bytes of %d are still in memory", from, more, len(data))
		}
		first := m.Weight.T.ReadBytes()
		if err := Reload(f, Params(m)...); err != nil {
			t.Fatal(err)
		}
		if want, _ := half.Float32s(from, data); !bytes.Equal(first, m.Weight.T.ReadBytes()) || m.Weight.T.Float32s()[n*n-1] != want[n*n-1] {
			t.Errorf("%s: other values", from)
		}
	}
}
