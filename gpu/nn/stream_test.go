package nn

import (
	"bytes"
	"path/filepath"
	"testing"

	"latent/gpu"
	"latent/gpu/half"
	"latent/gpu/nn/golden/memory"
	"latent/gpu/safetensors"
)

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
		before := memory.OfFiles(t)
		if err := Load(m, dev, gpu.Float32, f); err != nil {
			t.Fatal(err)
		}
		if more := memory.OfFiles(t) - before; more > len(data)/4 {
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
