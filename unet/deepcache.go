package unet

import "latent/gpu"

// Deep is what a whole pass leaves for the shallow ones after it: it changes little
// from one time to the next (Ma et al. 2024, "DeepCache", section 3).
type Deep struct {
	Features *gpu.Tensor // [N,h,w,C]: what the last layer reads beside its skip connection
	Control  *gpu.Tensor // [N,h,w,C]: what ControlNets add to that connection; nil without
}

// Tensors are those that there are.
func (d Deep) Tensors() []*gpu.Tensor {
	if d.Control == nil {
		return []*gpu.Tensor{d.Features}
	}
	return []*gpu.Tensor{d.Features, d.Control}
}

// DeepOf is the opposite of Tensors.
func DeepOf(ts []*gpu.Tensor) Deep {
	d := Deep{Features: ts[0]}
	if len(ts) > 1 {
		d.Control = ts[1]
	}
	return d
}

// ForwardDeep is ForwardCode that keeps what ForwardShallow goes by.
func (m *Model) ForwardDeep(x, code, cond *gpu.Tensor, added *Added, controls ...Residuals) (y *gpu.Tensor, d Deep) {
	out := x.Device().Scope(func() []*gpu.Tensor {
		temb := m.embedTime(code, cond, added)
		h, skips := m.encode(x, nil, temb, cond)
		h, skips = control(h, skips, controls)
		d := Deep{Features: m.ascend(h, skips, temb, cond)}
		if len(controls) > 0 {
			d.Control = sum(nil, controls, func(r Residuals) *gpu.Tensor { return r.Down[0] })
		}
		return append([]*gpu.Tensor{m.top(d.Features, skips[0], temb, cond)}, d.Tensors()...)
	})
	return out[0], DeepOf(out[1:])
}

// ForwardShallow is ForwardCode by way of the first convolution and the last layer
// alone, which see x, the time and the text as ever.
func (m *Model) ForwardShallow(x, code, cond *gpu.Tensor, added *Added, d Deep) *gpu.Tensor {
	return x.Device().Scope1(func() *gpu.Tensor {
		temb := m.embedTime(code, cond, added)
		skip := m.enter(x, nil)
		if d.Control != nil {
			skip = gpu.Add(skip, d.Control)
		}
		return m.top(d.Features, skip, temb, cond)
	})
}
