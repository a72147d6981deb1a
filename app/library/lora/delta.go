package lora

import (
	"fmt"

	"latent/gpu"
	"latent/gpu/half"
	"latent/gpu/safetensors"
)

// Files hold kernels as [O,C,KH,KW], the device as [O,KH,KW,C]. Here a weight is
// a matrix of O rows, and its columns are (c,k) in files, (k,c) on the device,
// with K = KH·KW.

// matrix is a shape as rows and columns.
func matrix(v safetensors.View) (rows, cols int) {
	if len(v.Shape) == 0 {
		return 1, 1
	}
	cols = 1
	for _, n := range v.Shape[1:] {
		cols *= n
	}
	return v.Shape[0], cols
}

// shape is that of ΔW as a matrix, or what is wrong with the factors.
func (m *module) shape() (out, in int, err error) {
	fits := func(a, b int, what string) {
		if a != b && err == nil {
			err = fmt.Errorf("its factors do not fit one another: %s of %d and %d", what, a, b)
		}
	}
	of := func(name string) (rows, cols int) { return matrix(m.factors[name]) }
	// product is up[O,r]·down[r,C·K], or with a mid[r,r,K] between them, where
	// LyCORIS has up[r,O] and kohya up[O,r].
	product := func(up, mid, down string, turned bool) (int, int) {
		o, r := of(up)
		if turned {
			o, r = r, o
		}
		s, c := of(down)
		if !m.has(mid) {
			fits(r, s, "ranks")
			return o, c
		}
		i, jk := of(mid)
		j := 1
		if shape := m.factors[mid].Shape; len(shape) > 1 {
			j = shape[1]
		}
		fits(r, i, "ranks")
		fits(s, j, "ranks")
		return o, c * (jk / j)
	}
	switch m.kind() {
	case "LoRA", "LoCon":
		out, in = product("up", "mid", "down", false)
	case "LoHa":
		out, in = product("hada_w1_a", "hada_t1", "hada_w1_b", m.has("hada_t1"))
		o, i := product("hada_w2_a", "hada_t2", "hada_w2_b", m.has("hada_t2"))
		fits(out, o, "outputs")
		fits(in, i, "inputs")
	case "LoKr":
		a, b := of("lokr_w1")
		if !m.has("lokr_w1") {
			a, b = product("lokr_w1_a", "", "lokr_w1_b", false)
		}
		p, q := of("lokr_w2")
		switch {
		case m.has("lokr_w2"):
		case m.has("lokr_w2_a") && m.has("lokr_w2_b"):
			p, q = product("lokr_w2_a", "lokr_t2", "lokr_w2_b", m.has("lokr_t2"))
		default:
			return 0, 0, fmt.Errorf("it is a LoKr without lokr_w2")
		}
		out, in = a*p, b*q
	case "difference":
		if m.has("diff") {
			out, in = of("diff")
		}
		if m.has("diff_b") {
			o, i := of("diff_b")
			fits(i, 1, "columns")
			if m.has("diff") {
				fits(out, o, "outputs")
			}
			out = o
		}
	}
	return out, in, err
}

// kernel tells whether the factors can be of a kernel of K elements: the columns
// of those that are for the kernel alone are K, those of others are divided by it.
func (m *module) kernel(k int) bool {
	for _, name := range []string{"mid", "hada_t1", "hada_t2", "lokr_t2"} {
		if v, ok := m.factors[name]; ok {
			if _, jk := matrix(v); jk != v.Shape[min(1, len(v.Shape)-1)]*k {
				return false
			}
		}
	}
	for _, name := range []string{"down", "hada_w1_b", "hada_w2_b", "lokr_w2", "lokr_w2_b"} {
		mid := map[string]string{"down": "mid", "hada_w1_b": "hada_t1", "hada_w2_b": "hada_t2", "lokr_w2_b": "lokr_t2"}[name]
		if m.has(mid) {
			continue
		}
		if v, ok := m.factors[name]; ok {
			if _, c := matrix(v); c%k != 0 {
				return false
			}
		}
	}
	return true
}

// floats are a factor's values.
func (m *module) floats(name string) []float32 {
	v := m.factors[name]
	f, err := half.Float32s(v.DType, v.Data)
	if err != nil {
		panic(err) // check has looked at the format
	}
	safetensors.Release(v.Data) // until a strength changes
	return f
}

// A lowRank is ΔW as up[O,r]·down[r,(c,k)].
type lowRank struct {
	up, down []float32
	o, r     int
}

// lowRank multiplies what stands between the outer factors into down. ok is
// false for ΔW that are no single product.
func (m *module) lowRank(dev *gpu.Device) (l lowRank, ok bool) {
	if k := m.kind(); k != "LoRA" && k != "LoCon" {
		return lowRank{}, false
	}
	return m.product(dev, "up", "mid", "down"), true
}

func (m *module) product(dev *gpu.Device, up, mid, down string) lowRank {
	rows, cols := matrix(m.factors[up])
	l := lowRank{up: m.floats(up), down: m.floats(down), o: rows, r: cols}
	t, tucker := m.factors[mid]
	if !tucker {
		return l
	}
	if mid != "mid" { // LyCORIS has the outer factor turned
		l.up, l.o, l.r = transpose(l.up, rows, cols), cols, rows
	}
	// down'[i,(c,k)] = Σⱼ mid[i,j,k]·down[j,c], as [(i,k),j]·[c,j]ᵀ on the device.
	i, jk := matrix(t)
	j, c := matrix(m.factors[down])
	k := jk / j
	y := dev.Scope1(func() *gpu.Tensor {
		x := dev.FromFloat32(swap(m.floats(mid), i, j, k), gpu.Float32, i*k, j)
		w := dev.FromFloat32(transpose(l.down, j, c), gpu.Float32, c, j)
		return gpu.Linear(x, w, nil, nil)
	})
	l.down = swap(y.Float32s(), i, k, c)
	y.Free()
	return l
}

// fill writes the factors, up times s, into their places among those of other
// ΔW of the same weight: up'[O,R] and down'[(k,c),R], so that up'·down'ᵀ is the
// sum of all.
func (l lowRank) fill(up, down []float32, total, at, k int, s float32) {
	for o := range l.o {
		row := up[o*total+at:]
		for i, v := range l.up[o*l.r : (o+1)*l.r] {
			row[i] = v * s
		}
	}
	c := len(l.down) / l.r / k
	for i := range l.r {
		row := l.down[i*c*k : (i+1)*c*k]
		for ci := range c {
			for ki := range k {
				down[(ki*c+ci)*total+at+i] = row[ci*k+ki]
			}
		}
	}
}

// dense makes ΔW[O,(k,c)] on the device.
func (m *module) dense(dev *gpu.Device, k int) *gpu.Tensor {
	return dev.Scope1(func() *gpu.Tensor {
		switch m.kind() {
		case "LoHa": // (A₁·B₁) ⊙ (A₂·B₂)
			a := m.product(dev, "hada_w1_a", "hada_t1", "hada_w1_b").dense(dev, k)
			b := m.product(dev, "hada_w2_a", "hada_t2", "hada_w2_b").dense(dev, k)
			return gpu.Mul(a, b)
		case "LoKr":
			return m.kronecker(dev, k)
		default:
			out, in := matrix(m.factors["diff"])
			return dev.FromFloat32(swap(m.floats("diff"), out, in/k, k), gpu.Float32, out, in)
		}
	})
}

func (l lowRank) dense(dev *gpu.Device, k int) *gpu.Tensor { return l.addTo(nil, dev, k, 1) }

// addTo is w[O,(k,c)] + s·ΔW; a w of nil is 0.
func (l lowRank) addTo(w *gpu.Tensor, dev *gpu.Device, k int, s float32) *gpu.Tensor {
	up, down := make([]float32, len(l.up)), make([]float32, len(l.down))
	l.fill(up, down, l.r, 0, k, s)
	return gpu.Linear(dev.FromFloat32(up, gpu.Float32, l.o, l.r), dev.FromFloat32(down, gpu.Float32, len(down)/l.r, l.r), nil, w)
}

// kronecker is w1 ⊗ w2: ΔW[(a,p),(b,q,k)] = w1[a,b]·w2[p,q,k].
func (m *module) kronecker(dev *gpu.Device, k int) *gpu.Tensor {
	var w1 []float32
	a, b := matrix(m.factors["lokr_w1"])
	if m.has("lokr_w1") {
		w1 = m.floats("lokr_w1")
	} else {
		l := m.product(dev, "lokr_w1_a", "", "lokr_w1_b")
		w1, a, b = l.dense(dev, 1).Float32s(), l.o, len(l.down)/l.r
	}
	var w2 []float32 // [p,k,q]
	p, qk := matrix(m.factors["lokr_w2"])
	if m.has("lokr_w2") {
		w2 = swap(m.floats("lokr_w2"), p, qk/k, k)
	} else {
		l := m.product(dev, "lokr_w2_a", "lokr_t2", "lokr_w2_b")
		w2, p, qk = l.dense(dev, k).Float32s(), l.o, len(l.down)/l.r
	}
	q := qk / k
	out := make([]float32, len(w1)*len(w2))
	for ai := range a {
		for pi := range p {
			row := out[(ai*p+pi)*b*qk:]
			for ki := range k {
				src := w2[(pi*k+ki)*q : (pi*k+ki+1)*q]
				for bi := range b {
					dst, f := row[(ki*b+bi)*q:], w1[ai*b+bi]
					for i, v := range src {
						dst[i] = f * v
					}
				}
			}
		}
	}
	return dev.FromFloat32(out, gpu.Float32, a*p, b*qk)
}

// transpose turns [a,b] into [b,a].
func transpose(x []float32, a, b int) []float32 { return swap(x, 1, a, b) }

// swap turns [n,a,b] into [n,b,a].
func swap(x []float32, n, a, b int) []float32 {
	if a == 1 || b == 1 {
		return x
	}
	out := make([]float32, len(x))
	for i := range n {
		src, dst := x[i*a*b:(i+1)*a*b], out[i*a*b:(i+1)*a*b]
		for r := range a {
			for c, v := range src[r*b : (r+1)*b] {
				dst[c*a+r] = v
			}
		}
	}
	return out
}
