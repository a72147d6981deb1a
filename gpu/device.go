package gpu

import (
	"fmt"
	"sort"
	"strings"
)

var drivers = map[string]func(arg string) (Backend, error){}

// Register makes a backend available to Open under name. It is called from
// the init function of the backend's package.
func Register(name string, open func(arg string) (Backend, error)) { drivers[name] = open }

// Drivers lists the registered names in order.
func Drivers() []string {
	var names []string
	for n := range drivers {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Open returns the device called "driver" or "driver:argument" ("cuda:1").
// "auto" takes the best that opens: cuda, then host, then reference.
func Open(name string) (*Device, error) {
	if name == "" || name == "auto" {
		var last error
		for _, n := range []string{"cuda", "host", "reference"} {
			if _, ok := drivers[n]; !ok {
				continue
			}
			d, err := Open(n)
			if err == nil {
				return d, nil
			}
			last = err
		}
		if last == nil {
			last = fmt.Errorf("no device is built into this program")
		}
		return nil, last
	}
	driver, arg, _ := strings.Cut(name, ":")
	open, ok := drivers[driver]
	if !ok {
		return nil, fmt.Errorf("unknown device %q: choose one of auto, %s", name, strings.Join(Drivers(), ", "))
	}
	b, err := open(arg)
	if err != nil {
		return nil, fmt.Errorf("device %s: %w", name, err)
	}
	return New(b), nil
}

// New makes a device of a backend that is in no list.
func New(b Backend) *Device {
	d := &Device{b: b, pool: map[int][]Buffer{}}
	if r, ok := b.(Reclaimer); ok {
		r.Reclaim(d.Trim)
	}
	return d
}

// Device allocates tensors and runs operations on them. It belongs to one
// goroutine.
type Device struct {
	b      Backend
	scopes []*scope
	tape   *tape
	pool   map[int][]Buffer // free buffers by size
	mem    MemoryStats

	// Under Capture: what it may take of the free buffers outside, and that no
	// new memory can be had.
	lent      map[int][]Buffer
	recording bool
}

// MemoryStats counts bytes: held by tensors, held in all, and the most that
// was held by tensors at once.
type MemoryStats struct{ InUse, Reserved, Peak int }

// Info describes the device.
func (d *Device) Info() Info { return d.b.Info() }

// Memory tells how much device memory is taken.
func (d *Device) Memory() MemoryStats { return d.mem }

// ResetPeak starts a new measurement of MemoryStats.Peak.
func (d *Device) ResetPeak() { d.mem.Peak = d.mem.InUse }

// Trim gives cached memory that no tensor uses back to the system.
func (d *Device) Trim() {
	for _, pool := range []map[int][]Buffer{d.pool, d.lent} {
		for size, free := range pool {
			for _, b := range free {
				d.b.Free(b)
				d.mem.Reserved -= size
			}
		}
		clear(pool)
	}
}

// Close releases the device; its tensors must not be used afterwards.
func (d *Device) Close() {
	d.Trim()
	d.b.Close()
}

// storage is memory shared by a tensor and its views.
type storage struct {
	buf     Buffer
	version uint64
	scope   *scope // nil: permanent
	freed   bool
}

// roundUp gives the size class of an allocation: few classes make the cache
// hit, at most an eighth is wasted.
func roundUp(n int) int {
	const small = 4096
	if n <= small {
		return (n + 255) &^ 255
	}
	step := small
	for step*16 <= n {
		step *= 2
	}
	return (n + step - 1) / step * step
}

func (d *Device) alloc(bytes int) *storage {
	size := roundUp(max(bytes, 1))
	buf := take(d.pool, size)
	if buf == nil {
		buf = d.fresh(size)
	}
	d.mem.InUse += size
	d.mem.Peak = max(d.mem.Peak, d.mem.InUse)
	s := &storage{buf: buf}
	if n := len(d.scopes); n > 0 {
		s.scope = d.scopes[n-1]
		s.scope.owned = append(s.scope.owned, s)
	}
	return s
}

// fresh gets a buffer that is not of the pool.
func (d *Device) fresh(size int) Buffer {
	if buf := take(d.lent, size); buf != nil {
		return buf
	}
	buf, err := d.b.Alloc(size)
	if err != nil && !d.recording {
		d.Trim()
		buf, err = d.b.Alloc(size)
	}
	if err != nil {
		fail("memory", "cannot get %d MiB on %s (%d MiB in use): %w", size>>20, d.Info().Name, d.mem.InUse>>20, err)
	}
	d.mem.Reserved += size
	return buf
}

// take takes a free buffer out of a pool; nil if there is none of that size.
func take(pool map[int][]Buffer, size int) Buffer {
	free := pool[size]
	if len(free) == 0 {
		return nil
	}
	pool[size] = free[:len(free)-1]
	return free[len(free)-1]
}

func (d *Device) free(s *storage) {
	if s.freed {
		return
	}
	s.freed = true
	size := s.buf.Size()
	d.pool[size] = append(d.pool[size], s.buf)
	d.mem.InUse -= size
}

type scope struct{ owned []*storage }

// Scope runs f and then frees every tensor made inside it but the ones that f
// returns, which pass to the enclosing scope (or stay until Free where there
// is none). While gradients are recorded the tensors live as long as the tape.
func (d *Device) Scope(f func() []*Tensor) []*Tensor {
	if d.tape != nil {
		return f()
	}
	s := &scope{}
	depth := len(d.scopes)
	d.scopes = append(d.scopes, s)
	var out []*Tensor
	defer func() {
		d.scopes = d.scopes[:depth]
		for _, t := range out {
			d.adopt(t.s, s)
		}
		for _, st := range s.owned {
			if st.scope == s {
				d.free(st)
			}
		}
	}()
	out = f()
	return out
}

// Scope1 is Scope for a function with one result.
func (d *Device) Scope1(f func() *Tensor) *Tensor {
	return d.Scope(func() []*Tensor { return []*Tensor{f()} })[0]
}

// adopt moves st out of the closing scope s into the one that is now current.
func (d *Device) adopt(st *storage, s *scope) {
	if st.scope != s {
		return
	}
	st.scope = nil
	if n := len(d.scopes); n > 0 {
		st.scope = d.scopes[n-1]
		st.scope.owned = append(st.scope.owned, st)
	}
}

// Permanent runs f so that tensors made in it outlive every scope: they are
// freed by Tensor.Free alone. Parameters and optimiser state are made so.
func (d *Device) Permanent(f func()) {
	saved := d.scopes
	d.scopes = nil
	defer func() { d.scopes = saved }()
	f()
}
