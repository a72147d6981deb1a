package gpu_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/half"
	"latent/gpu/safetensors"
)

// goldens reads what make_ops_golden.py wrote.
type goldens struct{ *safetensors.File }

func (g goldens) get(t *testing.T, name string, shape []int) []float32 {
	t.Helper()
	v, ok := g.Get(name)
	if !ok {
		return nil
	}
	if shape != nil && !slices.Equal(v.Shape, shape) {
		t.Fatalf("%s has shape %v, the table says %v", name, v.Shape, shape)
	}
	f, err := half.Float32s(v.DType, v.Data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Values and gradients of PyTorch in float64 for a part of the table: what the
// reference device itself is checked by.
func TestOpsAsPyTorch(t *testing.T) {
	file, err := safetensors.Open("testdata/ops.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	g := goldens{file}
	unused := map[string]bool{}
	for _, name := range file.Names() {
		if row, ok := strings.CutSuffix(name, ".y"); ok {
			unused[row] = true
		}
	}
	for _, r := range rows {
		if !unused[r.name] {
			continue
		}
		delete(unused, r.name)
		t.Run(r.name, func(t *testing.T) {
			var in, grads [][]float32
			for k, x := range r.in {
				in = append(in, g.get(t, fmt.Sprintf("%s.in.%d", r.name, k), x.shape))
				grads = append(grads, g.get(t, fmt.Sprintf("%s.grad.%d", r.name, k), x.shape))
			}
			w := func(int) []float32 { return g.get(t, r.name+".w", nil) }
			want := g.get(t, r.name+".y", nil)
			onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
				for _, dtype := range dtypes {
					got := r.evaluateAt(dev, dtype, in, w)
					compare(t, dtype.String()+" value", got.value, want, r.value.of(dtype))
					for k := range grads {
						compare(t, fmt.Sprint(dtype, " gradient ", k), got.grads[k], grads[k], r.grad.of(dtype))
					}
				}
			})
		})
	}
	for name := range unused {
		t.Errorf("there is no row %q in the table", name)
	}
}
