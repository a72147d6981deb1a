package gpu

import "fmt"

// Capturer is a backend that can record what it is asked to do and do it again
// with one call. While it records nothing is computed, and the host can neither
// read nor write tensors.
type Capturer interface {
	Capture(f func()) (Recording, error)
}

// Recording is what a Capturer recorded.
type Recording interface {
	Run()
	Free()
}

// Graph is a recorded computation on tensors that stay in place: Replay reads the
// memory that its function read, and overwrites Outputs. What the function
// computed on the host (coefficients, shapes) is fixed; what changes from one
// replay to the next must lie in tensors, written with Tensor.Write or CopyFrom.
type Graph struct {
	Outputs []*Tensor

	d    *Device
	rec  Recording
	pool map[int][]Buffer // the memory of all that lived in between
}

// Captures tells whether the device can record what it does.
func (d *Device) Captures() bool {
	_, ok := d.b.(Capturer)
	return ok
}

// Capture computes f and records it: f must do the same operations at every call,
// read nothing back and make no gradients. It is called twice: once to compute
// Outputs, which finds the memory that the graph then keeps for itself, and once
// to be recorded. A device that cannot record gives an error.
func (d *Device) Capture(f func() []*Tensor) (g *Graph, err error) {
	c, ok := d.b.(Capturer)
	if !ok {
		return nil, fmt.Errorf("%s cannot record what it does", d.Info().Name)
	}
	check(d.tape == nil, "capture", "gradients are recorded")
	g = &Graph{d: d, pool: map[int][]Buffer{}}
	var first []*Tensor
	saved, scopes := d.pool, d.scopes
	d.pool, d.lent, d.scopes = g.pool, saved, nil
	defer func() {
		d.recording = false
		for _, t := range first {
			t.Free()
		}
		d.pool, d.lent, d.scopes = saved, nil, scopes
		if err != nil {
			for _, t := range g.Outputs {
				t.Free()
			}
			g.give()
		}
	}()
	defer Catch(&err)
	first = d.Scope(f)
	for _, t := range first { // room for Outputs beside them
		size := t.s.buf.Size()
		d.pool[size] = append(d.pool[size], d.fresh(size))
	}
	d.recording, d.lent = true, nil
	if g.rec, err = c.Capture(func() { g.Outputs = d.Scope(f) }); err != nil {
		return g, err
	}
	for i, t := range g.Outputs {
		t.CopyFrom(first[i])
	}
	return g, nil
}

// give gives the graph's free memory to the device.
func (g *Graph) give() {
	for size, free := range g.pool {
		g.d.pool[size] = append(g.d.pool[size], free...)
	}
	g.pool = nil
}

// Replay computes Outputs anew.
func (g *Graph) Replay() {
	g.rec.Run()
	for _, t := range g.Outputs {
		t.Changed()
	}
}

// Free gives the graph's memory back, Outputs included.
func (g *Graph) Free() {
	g.rec.Free()
	d := g.d
	saved := d.pool
	d.pool = g.pool
	for _, t := range g.Outputs {
		t.Free()
	}
	d.pool = saved
	g.give()
	g.Outputs = nil
}
