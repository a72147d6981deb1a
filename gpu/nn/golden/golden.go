// Package golden helps tests compare models with numbers that Python computed.
package golden

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
)

// EachDevice runs f as a subtest on every device that opens.
func EachDevice(t *testing.T, f func(t *testing.T, dev *gpu.Device)) {
	t.Helper()
	for _, name := range gpu.Drivers() {
		t.Run(name, func(t *testing.T) {
			dev, err := gpu.Open(name)
			if err != nil {
				t.Skip(err)
			}
			defer dev.Close()
			f(t, dev)
		})
	}
}

// File is an open safetensors file of float32 tensors.
type File struct {
	t testing.TB
	*safetensors.File
}

// Open opens the file and closes it at the test's end.
func Open(t testing.TB, path ...string) *File {
	t.Helper()
	f, err := safetensors.Open(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &File{t, f}
}

// Read reads a file whole.
func Read(t testing.TB, path ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Has tells whether the file holds a tensor.
func (f *File) Has(name string) bool {
	_, ok := f.Get(name)
	return ok
}

// Float32s returns a tensor's values and shape.
func (f *File) Float32s(name string) ([]float32, []int) {
	f.t.Helper()
	v, ok := f.Get(name)
	if !ok || v.DType != safetensors.F32 {
		f.t.Fatalf("golden file has no f32 tensor %q", name)
	}
	return floats(v.Data), v.Shape
}

// Tensor puts a tensor on a device, converted to dtype.
func (f *File) Tensor(dev *gpu.Device, dtype gpu.DType, name string) *gpu.Tensor {
	f.t.Helper()
	data, shape := f.Float32s(name)
	return dev.FromFloat32(data, dtype, shape...)
}

// Same fails the test where the entries are not the file's tensors, byte for
// byte.
func (f *File) Same(entries []safetensors.Entry) {
	f.t.Helper()
	if got, want := len(entries), len(f.Names()); got != want {
		f.t.Errorf("%d tensors, want %d", got, want)
	}
	for _, e := range entries {
		v, _ := f.Get(e.Name)
		if v.DType != e.DType || !slices.Equal(v.Shape, e.Shape) || !bytes.Equal(v.Data, e.Data) {
			f.t.Errorf("%s %s%v differs from the file's %s%v", e.Name, e.DType, e.Shape, v.DType, v.Shape)
		}
	}
}

// Close fails the test where got is farther from the tensor called name than
// tol, in the norm and relative to its norm.
func (f *File) Close(name string, got *gpu.Tensor, tol float64) {
	f.t.Helper()
	want, _ := f.Float32s(name)
	f.near(name, got.Float32s(), want, 0, tol)
}

// Gradients compares the gradient of every parameter of model with the samples
// under "grad.": its norm, then at most 32 elements at even steps. Where a
// gradient vanishes next to the largest one, as that of a bias of attention's
// keys, the rounding errors of the large ones are allowed.
func (f *File) Gradients(model any, tol float64) {
	f.t.Helper()
	grads := nn.Entries(model, safetensors.F32, func(p nn.Named) *gpu.Tensor {
		if p.T.Grad() == nil {
			f.t.Fatalf("no gradient reached %s", p.Key)
		}
		return p.T.Grad()
	})
	largest := 0.0
	for _, g := range grads {
		largest = max(largest, norm(floats(g.Data)))
	}
	for _, g := range grads {
		all := floats(g.Data)
		got := []float32{float32(norm(all))}
		step := (len(all) + 31) / 32
		for i := 0; i < len(all); i += step {
			got = append(got, all[i])
		}
		want, _ := f.Float32s("grad." + g.Name)
		f.near("grad."+g.Name, got, want, tol*largest, tol)
	}
}

func (f *File) near(name string, got, want []float32, floor, tol float64) {
	f.t.Helper()
	if len(got) != len(want) {
		f.t.Fatalf("%s has %d elements, want %d", name, len(got), len(want))
	}
	diff := make([]float32, len(want))
	for i := range want {
		diff[i] = got[i] - want[i]
	}
	// Not ≤: a NaN must fail.
	if e := norm(diff) / (norm(want) + floor); !(e < tol) {
		f.t.Errorf("%s: relative error %.2g, want < %.2g", name, e, tol)
	}
}

func norm(x []float32) float64 {
	s := 0.0
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	return math.Sqrt(s)
}

func floats(data []byte) []float32 {
	out := make([]float32, len(data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return out
}
