package gpu_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"latent/gpu"
)

// caught runs f behind Catch.
func caught(f func()) (err error) {
	defer gpu.Catch(&err)
	f()
	return nil
}

func TestScopeFreesAllButItsResults(t *testing.T) {
	onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
		x := dev.Full(2, gpu.Float32, 16, 64)
		before := dev.Memory().InUse
		y := dev.Scope1(func() *gpu.Tensor {
			inner := dev.Scope1(func() *gpu.Tensor { return gpu.Mul(gpu.Add(x, x), x) })
			return gpu.Reshape(gpu.Add(inner, x), 64, 16) // a view passes its memory on
		})
		if got, want := dev.Memory().InUse-before, y.Bytes(); got != want {
			t.Errorf("%d bytes are held, want %d", got, want)
		}
		if v := y.Float32s(); v[0] != 10 || v[len(v)-1] != 10 {
			t.Errorf("result %v, want 10", v[0])
		}
		y.Free()
		y.Free() // twice does no harm
		if got := dev.Memory().InUse; got != before {
			t.Errorf("%d bytes leaked", got-before)
		}
	})
}

func TestScopeFreesOnPanic(t *testing.T) {
	dev := open(t, "reference")
	err := caught(func() {
		dev.Scope(func() []*gpu.Tensor {
			a := dev.Full(1, gpu.Float32, 3)
			dev.Scope(func() []*gpu.Tensor { return []*gpu.Tensor{gpu.Mul(a, dev.Full(1, gpu.Float32, 4))} })
			return []*gpu.Tensor{a}
		})
	})
	if err == nil || dev.Memory().InUse != 0 {
		t.Errorf("error %v, %d bytes leaked", err, dev.Memory().InUse)
	}
	// The scope is closed: what is made now stays.
	x := dev.Full(1, gpu.Float32, 3)
	dev.Scope(func() []*gpu.Tensor { return nil })
	if dev.Memory().InUse == 0 || x.Float32s()[0] != 1 {
		t.Error("a tensor made after the panic was freed")
	}
}

func TestPermanentOutlivesScopes(t *testing.T) {
	dev := open(t, "reference")
	var p *gpu.Tensor
	dev.Scope(func() []*gpu.Tensor {
		dev.Permanent(func() { p = dev.Full(3, gpu.Float32, 5) })
		return nil
	})
	if other := dev.Full(4, gpu.Float32, 5); p.Float32s()[0] != 3 || other.Float32s()[0] != 4 {
		t.Error("permanent memory was given away")
	}
	p.Free()
}

func TestMemoryIsReused(t *testing.T) {
	dev := open(t, "reference")
	for range 10 {
		dev.Full(1, gpu.Float32, 1000).Free()
	}
	m := dev.Memory()
	if m.InUse != 0 || m.Reserved < 4000 || m.Reserved >= 8000 || m.Peak != m.Reserved {
		t.Errorf("%+v after ten tensors of 4000 bytes, one at a time", m)
	}
	a, b := dev.Full(1, gpu.Float32, 1000), dev.Full(1, gpu.Float32, 1000)
	if got := dev.Memory(); got.Peak != 2*m.Peak {
		t.Errorf("peak %d with two tensors, %d with one", got.Peak, m.Peak)
	}
	a.Free()
	b.Free()
	dev.ResetPeak()
	dev.Trim()
	if m := dev.Memory(); m != (gpu.MemoryStats{}) {
		t.Errorf("%+v after Trim", m)
	}
}

// An eighth of an allocation is wasted at most, from the smallest size on.
func TestSizeClasses(t *testing.T) {
	dev := open(t, "reference")
	for n := 1; n < 1<<26; n += 1 + n/7 {
		x := dev.Empty(gpu.Float32, n)
		held := dev.Memory().InUse
		if held < x.Bytes() || held > x.Bytes()+max(x.Bytes()/8, 4096) {
			t.Errorf("%d bytes are held for %d", held, x.Bytes())
		}
		x.Free()
		dev.Trim()
	}
}

func TestDifferentiateFreesAllButGradients(t *testing.T) {
	onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
		x := param(dev, weights(2*4*4*6), 2, 4, 4, 6)
		b := newBlock(dev, "memory", 6)
		before := dev.Memory().InUse
		for range 3 {
			dev.Differentiate(1, func() *gpu.Tensor { return sumWeighted(b.forward(x)) })
			b.takeGrads()
			x.ZeroGrad()
			if got := dev.Memory().InUse; got != before {
				t.Fatalf("%d bytes leaked", got-before)
			}
		}
	})
}

func TestTensorsInAndOut(t *testing.T) {
	onEveryDevice(t, func(t *testing.T, dev *gpu.Device) {
		values := []float32{0, 1, -1.5, 1.00390625, 65504, -3.0517578125e-05}
		for _, dtype := range dtypes {
			rounded := dev.FromFloat32(values, dtype, 2, 3).Float32s()
			x := dev.Full(7, dtype, 2, 3)
			version := x.Version()
			x.Write(values)
			if !slices.Equal(x.Float32s(), rounded) {
				t.Errorf("%v: Write gives %v, FromFloat32 %v", dtype, x.Float32s(), rounded)
			}
			y := dev.FromBytes(x.ReadBytes(), dtype, 2, 3)
			if !slices.Equal(y.Float32s(), rounded) {
				t.Errorf("%v: bytes come back as %v, want %v", dtype, y.Float32s(), rounded)
			}
			y.Write(make([]float32, 6))
			y.WriteBytes(x.ReadBytes())
			if !slices.Equal(y.Float32s(), rounded) {
				t.Errorf("%v: WriteBytes gives %v, want %v", dtype, y.Float32s(), rounded)
			}
			if x.Version() == version {
				t.Errorf("%v: Write does not count as a change", dtype)
			}
			if dtype == gpu.Float32 && !slices.Equal(rounded, values) {
				t.Errorf("f32 changes %v into %v", values, rounded)
			}
		}
		if v := dev.FromFloat32([]float32{1.00390625, 1.01171875}, gpu.BFloat16, 2).Float32s(); v[0] != 1 || v[1] != 1.015625 {
			t.Errorf("bf16 rounds to %v, want ties to even", v)
		}
	})
}

func TestMisuseGivesErrors(t *testing.T) {
	dev := open(t, "reference")
	full := func(shape ...int) *gpu.Tensor { return dev.Full(1, gpu.Float32, shape...) }
	for _, c := range []struct {
		op   string
		call func()
	}{
		{"conv2d", func() { gpu.Conv2d(full(1, 4, 4, 3), full(5, 3, 3, 4), nil, nil, same) }},
		{"conv2d", func() { gpu.Conv2d(full(1, 2, 2, 3), full(5, 3, 3, 3), nil, nil, gpu.Conv{Stride: 1}) }},
		{"conv2d", func() { gpu.Conv2d(full(1, 4, 4, 3), full(5, 3, 3, 3), nil, nil, gpu.Conv{}) }},
		{"conv2d", func() { gpu.Conv2d(full(1, 4, 4, 3), full(5, 3, 3, 3), full(4), nil, same) }},
		{"conv2d", func() { gpu.Conv2d(full(1, 4, 4, 3), gpu.Cast(full(5, 3, 3, 3), gpu.BFloat16), nil, nil, same) }},
		{"linear", func() { gpu.Linear(full(2, 3), full(5, 4), nil, nil) }},
		{"linear", func() { gpu.Linear(full(2, 3), full(5, 3), nil, full(2, 4)) }},
		{"attention", func() { gpu.Attention(full(1, 2, 6), full(1, 2, 6), full(1, 2, 6), 4, false) }},
		{"attention", func() { gpu.Attention(full(1, 2, 6), full(1, 3, 6), full(1, 3, 6), 2, true) }},
		{"attention", func() { gpu.Attention(full(1, 2, 6), full(1, 3, 6), full(1, 2, 6), 2, false) }},
		{"group norm", func() { gpu.GroupNorm(full(1, 2, 6), full(6), full(6), 4, 1e-5, false) }},
		{"layer norm", func() { gpu.LayerNorm(full(1, 2, 6), full(5), full(6), 1e-5) }},
		{"embedding", func() { gpu.Embedding(full(4, 3), dev.FromInt32([]int32{4}, 1)) }},
		{"embedding", func() { gpu.Embedding(full(4, 3), dev.FromInt32([]int32{-1}, 1)) }},
		{"geglu", func() { gpu.GEGLU(full(2, 3)) }},
		{"mul", func() { gpu.Mul(full(2, 3), full(3, 2)) }},
		{"combine", func() { gpu.Combine([]float32{1}, full(2), full(2)) }},
		{"combine", func() { gpu.Add(full(2, 3), full(3, 2)) }},
		{"add channels", func() { gpu.AddChannels(full(2, 4, 3), full(2, 4)) }},
		{"reshape", func() { gpu.Reshape(full(2, 3), 5) }},
		{"rows", func() { gpu.Rows(full(2, 3), 1, 3) }},
		{"channels", func() { gpu.Channels(full(2, 3), 2, 4) }},
		{"concat", func() { gpu.Concat(full(2, 3), full(3, 3)) }},
		{"stack", func() { gpu.Stack(full(2, 3), full(2, 4)) }},
		{"upsample", func() { gpu.Upsample2x(full(2, 3)) }},
		{"avgpool", func() { gpu.AvgPool2x(full(1, 3, 4, 2)) }},
		{"mse", func() { gpu.MSE(full(2, 3), full(2, 4), nil) }},
		{"l1", func() { gpu.L1(full(2, 3), full(2, 4)) }},
		{"gaussian sample", func() { gpu.GaussianSample(full(2, 4), full(2, 3)) }},
		{"kl", func() { gpu.GaussianKL(full(2, 3)) }},
		{"empty", func() { dev.Empty(gpu.Float32, 2, -1) }},
		{"item", func() { full(2).Item() }},
		{"write", func() { full(2).Write([]float32{1}) }},
	} {
		err := caught(c.call)
		var e *gpu.Error
		switch {
		case !errors.As(err, &e):
			t.Errorf("%s: error %v", c.op, err)
		case e.Op != c.op:
			t.Errorf("%s: error names %s", c.op, e.Op)
		case strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "%!"):
			t.Errorf("%s: error is no clear line: %v", c.op, err)
		}
	}
}

func TestCatchLetsOtherPanicsPass(t *testing.T) {
	defer func() {
		if recover() != "other" {
			t.Error("the panic was swallowed")
		}
	}()
	_ = caught(func() { panic("other") })
}

func TestOpen(t *testing.T) {
	if _, err := gpu.Open("abacus"); err == nil || !strings.Contains(err.Error(), "reference") {
		t.Errorf("error %v does not say what there is", err)
	}
	open(t, "auto")
}
