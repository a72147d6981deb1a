package nn

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/half"
	_ "latent/gpu/reference"
	"latent/gpu/safetensors"
)

func reference(t testing.TB) *gpu.Device {
	t.Helper()
	dev, err := gpu.Open("reference")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dev.Close)
	return dev
}

// parse makes a file of entries, its tensors at odd places if odd is set.
func parse(t testing.TB, odd bool, entries ...safetensors.Entry) *safetensors.File {
	t.Helper()
	if odd {
		entries = append(entries, safetensors.Entry{Name: "odd", DType: safetensors.U8, Shape: []int{1}, Data: []byte{1}})
	}
	var b bytes.Buffer
	if err := safetensors.WriteTo(&b, entries, nil); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	if odd {
		data = append([]byte{0}, data...)[1:]
	}
	f, err := safetensors.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// numbers are n values that no two formats round alike.
func numbers(n int) []float32 {
	out := make([]float32, n)
	state := uint32(7)
	for i := range out {
		state = state*1664525 + 1013904223
		out[i] = (float32(state>>8)/(1<<23) - 1) * float32(int(1)<<(i%12)) / 64
	}
	return out
}

// written are numbers in a format, those of 8 bits any that are finite.
func written(t *testing.T, format string, values []float32) []byte {
	t.Helper()
	table := half.Float8(format)
	if table == nil {
		data, err := half.Bytes(format, values)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	data := make([]byte, len(values))
	for i, v := range values {
		if data[i] = byte(math.Float32bits(v) >> 11); table[data[i]]-table[data[i]] != 0 {
			data[i] ^= 0x40
		}
	}
	return data
}

type layers struct {
	Conv  *Conv2d    `key:"conv"`
	Point *Conv2d    `key:"point"`
	Lin   *Linear    `key:"lin"`
	Table *Embedding `key:"table"`
}

// Every format becomes every other, kernels turned to channels last, exactly as
// one number at a time would be; large parameters are many pieces.
func TestLoadConverts(t *testing.T) {
	const in, out = 301, 130 // a kernel of several pieces, none of which divides evenly
	build := func() *layers {
		return &layers{NewConv2d(in, out, 3, 1, 1), NewConv2d(5, 3, 1, 1, 0), NewLinear(7, 5, true), NewEmbedding(3, 4)}
	}
	for _, from := range []string{safetensors.F32, safetensors.F16, safetensors.BF16, safetensors.F8E4M3, safetensors.F8E5M2} {
		for _, to := range []gpu.DType{gpu.Float32, gpu.Float16, gpu.BFloat16} {
			for _, odd := range []bool{false, true} {
				t.Run(fmt.Sprint(from, to, odd), func(t *testing.T) {
					m := build()
					want := map[string][]float32{}
					var entries []safetensors.Entry
					for _, p := range Params(m) {
						data := written(t, from, numbers(p.Len()))
						entries = append(entries, safetensors.Entry{Name: p.Key, DType: from, Shape: fileShape(p.Param), Data: data})
						v, err := half.Float32s(from, data)
						if err != nil {
							t.Fatal(err)
						}
						if p.Kind == Kernel { // [O,C,K] to [O,K,C]
							turned := make([]float32, len(v))
							c, k := p.Shape[3], p.Shape[1]*p.Shape[2]
							for o := range p.Shape[0] {
								for i := range c {
									for j := range k {
										turned[(o*k+j)*c+i] = v[(o*c+i)*k+j]
									}
								}
							}
							v = turned
						}
						want[p.Key] = rounded(t, v, p.dtype(to))
					}
					f := parse(t, odd, entries...)
					src := Renamed(f, func(name string) string { return strings.Replace(name, "odd", "position_ids", 1) })
					if err := Load(m, reference(t), to, src); err != nil {
						t.Fatal(err)
					}
					for _, p := range Params(m) {
						if p.T.DType() != p.dtype(to) || !slices.Equal(p.T.Shape(), p.Shape) {
							t.Errorf("%s is %v", p.Key, p.T)
						}
						if got := p.T.Float32s(); !slices.Equal(got, want[p.Key]) {
							t.Errorf("%s has other values", p.Key)
						}
					}
				})
			}
		}
	}
}

func rounded(t *testing.T, v []float32, to gpu.DType) []float32 {
	t.Helper()
	name := map[gpu.DType]string{gpu.Float32: "F32", gpu.Float16: "F16", gpu.BFloat16: "BF16"}[to]
	data, err := half.Bytes(name, v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := half.Float32s(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What Entries writes Load reads.
func TestEntriesTurnBack(t *testing.T) {
	dev := reference(t)
	m, again := NewConv2d(70, 3, 3, 1, 1), NewConv2d(70, 3, 3, 1, 1)
	m.Weight.T = dev.FromFloat32(numbers(m.Weight.Len()), gpu.Float32, m.Weight.Shape...)
	m.Bias.T = dev.FromFloat32(numbers(3), gpu.Float32, 3)
	if err := Load(again, dev, gpu.Float32, parse(t, false, Entries(m, "F32", nil)...)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(again.Weight.T.Float32s(), m.Weight.T.Float32s()) {
		t.Error("other weights")
	}
}

// A matrix cut in three and one stored the other way round.
func TestMapped(t *testing.T) {
	numbers := func(n int) []byte {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(i)
		}
		data, _ := half.Bytes("F32", v)
		return data
	}
	f := parse(t, false,
		safetensors.Entry{Name: "qkv", DType: "F32", Shape: []int{6, 3}, Data: numbers(18)},
		safetensors.Entry{Name: "turned", DType: "F32", Shape: []int{3, 2}, Data: numbers(6)},
		safetensors.Entry{Name: "more", DType: "F32", Shape: []int{1}, Data: numbers(1)},
		safetensors.Entry{Name: "ignored", DType: "F32", Shape: []int{1}, Data: numbers(1)},
	)
	m := &struct {
		Q *Linear `key:"q"`
		K *Linear `key:"k"`
		P *Linear `key:"p"`
	}{NewLinear(3, 2, false), NewLinear(3, 2, false), NewLinear(3, 2, false)}
	places := map[string]Place{
		"q.weight": {Name: "qkv", Part: 0, Of: 3}, "k.weight": {Name: "qkv", Part: 1, Of: 3},
		"p.weight": {Name: "turned", Transpose: true},
	}
	view := func(wanted bool) Source {
		return Mapped(f, m, func(key string) Place { return places[key] }, func(name string) bool { return wanted && name == "more" })
	}
	if err := Load(m, reference(t), gpu.Float32, view(true)); err == nil || err.Error() != "weights do not fit the model: 1 unexpected (more)" {
		t.Errorf("what is left over: %v", err)
	}
	if err := Load(m, reference(t), gpu.Float32, view(false)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		l    *Linear
		want []float32
	}{{m.Q, []float32{0, 1, 2, 3, 4, 5}}, {m.K, []float32{6, 7, 8, 9, 10, 11}}, {m.P, []float32{0, 2, 4, 1, 3, 5}}} {
		if got := c.l.Weight.T.Float32s(); !slices.Equal(got, c.want) {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
	places["k.weight"] = Place{Name: "qkv", Part: 1, Of: 4} // 6 rows in four parts
	if err := Load(m, reference(t), gpu.Float32, view(false)); err == nil || !strings.Contains(err.Error(), "k.weight [6 3], want [2 3]") {
		t.Errorf("parts that do not divide: %v", err)
	}
}

// Reload gives back what Load gave, into the same memory.
func TestReload(t *testing.T) {
	dev := reference(t)
	f := parse(t, false,
		safetensors.Entry{Name: "weight", DType: safetensors.F16, Shape: []int{2, 3, 2, 2}, Data: bytes.Repeat([]byte{1, 60, 2, 188}, 12)},
		safetensors.Entry{Name: "bias", DType: safetensors.F32, Shape: []int{2}, Data: []byte{0, 0, 128, 63, 0, 0, 0, 64}})
	c := NewConv2d(3, 2, 2, 1, 0)
	if err := Load(c, dev, gpu.BFloat16, f); err != nil {
		t.Fatal(err)
	}
	params := Params(c)
	var want [][]byte
	for _, p := range params {
		want = append(want, p.T.ReadBytes())
		p.T.Write(numbers(p.Len()))
	}
	storage, version := c.Weight.T.Storage(), c.Weight.T.Version()
	if err := Reload(f, params...); err != nil {
		t.Fatal(err)
	}
	for i, p := range params {
		if !bytes.Equal(p.T.ReadBytes(), want[i]) {
			t.Errorf("%s is not what it was", p.Key)
		}
	}
	if c.Weight.T.Storage() != storage || c.Weight.T.Version() == version {
		t.Error("caches of the weight would not know that it changed")
	}
	c.Weight.Shape = []int{2, 2, 2, 4}
	if err := Reload(f, params...); err == nil {
		t.Error("another shape was read")
	}
}

// Conversion of a kernel of the U-Net to channels last.
func BenchmarkConvert(b *testing.B) {
	for _, c := range []struct {
		from string
		to   gpu.DType
	}{
		{safetensors.F16, gpu.BFloat16}, {safetensors.F16, gpu.Float32}, {safetensors.BF16, gpu.BFloat16},
		{safetensors.F32, gpu.BFloat16}, {safetensors.F8E4M3, gpu.BFloat16},
	} {
		b.Run(fmt.Sprintf("%v to %v", c.from, c.to), func(b *testing.B) {
			dev := reference(b)
			conv := NewConv2d(1280, 160, 3, 1, 1)
			t := dev.Empty(c.to, conv.Weight.Shape...)
			v := safetensors.View{DType: c.from, Data: make([]byte, conv.Weight.Len()*formats[c.from].size)}
			b.SetBytes(int64(len(v.Data)))
			for b.Loop() {
				stream(pieces(conv.Weight, t, v))
			}
		})
	}
}
