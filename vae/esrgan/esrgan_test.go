package esrgan

import (
	"encoding/binary"
	"encoding/json"
	"image"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/gpu/safetensors"

	_ "latent/gpu/host"
	_ "latent/gpu/reference"
)

// memory are tensors without a file.
type memory map[string]safetensors.View

func (m memory) Names() []string { return slices.Sorted(maps.Keys(m)) }

func (m memory) Get(name string) (safetensors.View, bool) { v, ok := m[name]; return v, ok }

// value is that of make_golden.py.
func value(seed int, shape []int, scale float64) safetensors.View {
	n := 1
	for _, s := range shape {
		n *= s
	}
	out := make([]byte, 0, 4*n)
	for i := range uint32(n) {
		h := i*2654435761 + uint32(seed*40503)
		h ^= h >> 15
		h *= 2246822519
		h ^= h >> 13
		v := float32(h>>8)/(1<<23) - 1
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v*float32(scale)))
	}
	return safetensors.View{DType: "F32", Shape: shape, Data: out}
}

func file(t *testing.T, name string) memory {
	t.Helper()
	var files map[string][][4]json.RawMessage
	if err := json.Unmarshal(golden.Read(t, "testdata/files.json"), &files); err != nil {
		t.Fatal(err)
	}
	out := memory{}
	for _, row := range files[name] {
		var key string
		var shape []int
		var seed int
		var scale float64
		for i, v := range []any{&key, &shape, &seed, &scale} {
			if err := json.Unmarshal(row[i], v); err != nil {
				t.Fatal(err)
			}
		}
		out[key] = value(seed, shape, scale)
	}
	return out
}

func open(t *testing.T, dev *gpu.Device, dtype gpu.DType, src nn.Source) *Net {
	t.Helper()
	src = Source(src)
	cfg, err := ConfigOf(src)
	if err != nil {
		t.Fatal(err)
	}
	n, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := nn.Load(n, dev, dtype, src); err != nil {
		t.Fatal(err)
	}
	return n
}

// averaged puts weights beside others that do not count.
func averaged(m memory) memory {
	out := memory{}
	for k, v := range m {
		out["params_ema."+k] = v
		out["params."+k] = safetensors.View{DType: "F32", Shape: v.Shape, Data: make([]byte, len(v.Data))}
	}
	return out
}

func TestEqualsSpandrel(t *testing.T) {
	scales := map[string]int{"real_x4": 4, "real_x2": 2, "middle_x4": 4, "first_x4": 4, "first_x2": 2, "first_x1": 1}
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for name, scale := range scales {
			t.Run(name, func(t *testing.T) {
				src := file(t, name)
				if strings.HasPrefix(name, "real") {
					src = averaged(src)
				}
				n := open(t, dev, gpu.Float32, src)
				if n.Config.Scale() != scale {
					t.Fatalf("scale %d, want %d", n.Config.Scale(), scale)
				}
				f := golden.Open(t, "testdata/golden.safetensors")
				v, shape := f.Float32s("x")
				h, w, s := shape[1], shape[2], n.Config.Shuffle
				x := dev.FromFloat32(unshuffle(v, h, w, s), gpu.Float32, 1, h/s, w/s, 3*s*s)
				f.Close(name, n.Forward(x), 1e-4)
			})
		}
	})
}

// unshuffle is what shuffled does, for numbers that no picture holds.
func unshuffle(v []float32, h, w, s int) []float32 {
	out := make([]float32, len(v))
	for y := range h {
		for x := range w {
			for c := range 3 {
				out[((y/s*(w/s)+x/s)*3+c)*s*s+y%s*s+x%s] = v[(y*w+x)*3+c]
			}
		}
	}
	return out
}

// A picture of several tiles is the one that is enlarged whole, though a pixel depends
// on more than a tile's border.
func TestEnlarge(t *testing.T) {
	dev, err := gpu.Open("auto")
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	r := rand.New(rand.NewPCG(1, 2))
	img := image.NewNRGBA(image.Rect(0, 0, tile+31, 45))
	for i := range img.Pix {
		img.Pix[i] = uint8(r.Uint32())
	}
	for _, name := range []string{"real_x2", "first_x1"} {
		n := open(t, dev, gpu.Float32, file(t, name))
		// Quieter, lest the random network reach black and white everywhere.
		n.Last.Weight.T.Write(make([]float32, n.Last.Weight.Len()))
		w := n.Last.Weight.T.Float32s()
		for i := range w {
			w[i] = float32(r.NormFloat64()) * 0.02
		}
		n.Last.Weight.T.Write(w)
		n.Last.Bias.T.Write([]float32{0.5, 0.5, 0.5})
		done := 0
		got, err := n.Enlarge(t.Context(), dev, img, func(d, all int) { done = d*10 + all })
		if err != nil || done != 22 {
			t.Fatalf("%v, progress %d", err, done)
		}
		scale, s := n.Config.Scale(), n.Config.Shuffle
		w0, h0 := (img.Rect.Dx()+s-1)/s, (img.Rect.Dy()+s-1)/s
		want := image.NewNRGBA(image.Rect(0, 0, img.Rect.Dx()*scale, img.Rect.Dy()*scale))
		if got.Rect != want.Rect {
			t.Fatalf("%s: %v, want %v", name, got.Rect, want.Rect)
		}
		y := n.Forward(dev.FromFloat32(shuffled(img, image.Point{}, w0, h0, s), gpu.Float32, 1, h0, w0, 3*s*s))
		put(want, y.Float32s(), y.Dim(2), img.Rect, image.Point{}, scale)
		differ, levels := 0, map[uint8]bool{}
		for i := range want.Pix {
			levels[want.Pix[i]] = true
			if d := int(want.Pix[i]) - int(got.Pix[i]); d < -1 || d > 1 {
				differ++
			}
		}
		if differ > 0 || len(levels) < 32 {
			t.Errorf("%s: %d of %d values differ, %d levels", name, differ, len(want.Pix), len(levels))
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"no blocks":  {Shuffle: 1, Doubling: 2, Width: 64, Growth: 32},
		"endless":    {Shuffle: 1, Doubling: 2, Width: 64, Growth: 32, Blocks: 1 << 30},
		"shrinking":  {Shuffle: 4, Doubling: 1, Width: 64, Growth: 32, Blocks: 1},
		"no squares": {Shuffle: 3, Doubling: 2, Width: 64, Growth: 32, Blocks: 1},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	grey := memory{"conv_first.weight": {DType: "F32", Shape: []int{64, 1, 3, 3}}}
	if _, err := ConfigOf(Source(grey)); err == nil {
		t.Error("a network of grey pictures is taken")
	}
}

func FuzzSource(f *testing.F) {
	for _, name := range []string{"model.1.sub.0.RDB1.conv1.0.weight", "model.3.weight", "params.conv_up1.bias", "RRDB_trunk.0.RDB1.conv1.weight", "conv_up-1.weight", "model.-3.weight", "."} {
		f.Add(name, 4)
	}
	f.Fuzz(func(t *testing.T, name string, n int) {
		src := Source(memory{name: {DType: "F32", Shape: []int{n, 3, 3, 3}}})
		if cfg, err := ConfigOf(src); err == nil {
			New(cfg)
		}
	})
}
