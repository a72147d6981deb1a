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

// Capture records f, which must do the same operations at every call, read nothing
// back and make no gradients. It runs f twice: once for its memory, which the
// graph then keeps for itself, and once to record it. A device that cannot record
// gives an error.
func (d *Device) Capture(f func() []*Tensor) (g *Graph, err error) {
	c, ok := d.b.(Capturer)
	if !ok {
		return nil, fmt.Errorf("%s cannot record what it does", d.Info().Name)
	}
	check(d.tape == nil, "capture", "gradients are recorded")
	g = &Graph{d: d, pool: map[int][]Buffer{}}
	saved, scopes := d.pool, d.scopes
	d.pool, d.scopes = g.pool, nil
	defer func() {
		if err != nil {
			d.Trim() // of the graph's pool
		}
		d.pool, d.scopes = saved, scopes
	}()
	defer Catch(&err)
	for _, t := range d.Scope(f) {
		t.Free()
	}
	d.recording = true
	defer func() { d.recording = false }()
	g.rec, err = c.Capture(func() { g.Outputs = d.Scope(f) })
	if err != nil {
		for _, t := range g.Outputs {
			t.Free()
		}
	}
	return g, err
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
	for size, free := range g.pool {
		d.pool[size] = append(d.pool[size], free...)
	}
	g.pool, g.Outputs = nil, nil
}
