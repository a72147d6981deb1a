//go:build cuda

package cuda

import (
	"fmt"
	"runtime"
	"strconv"
	"unsafe"

	"gorgonia.org/cu"

	"latent/gpu"
	"latent/gpu/cuda/driver"
)

func init() { gpu.Register("cuda", open) }

// backend is the state behind one open device: everything runs on one stream.
type backend struct {
	info       gpu.Info
	device     cu.Device
	context    cu.CUContext
	stream     cu.Stream
	processors int
	size       gpuSize
	measured   map[size]choice

	blockShared int // the most shared memory that a block may have, in bytes

	modules   map[string]cu.Module
	functions map[function]kernel
	buffers   map[*buffer]struct{}
	scratch   scratch
	staging   *staging
	capturing bool
	recorded  int // recordings that live: they hold addresses of scratch memory
	outgrown  []cu.DevicePtr
	trim      func() // frees memory that no tensor uses
}

// open takes the number of the GPU; none is the first.
func open(arg string) (gpu.Backend, error) {
	ordinal := 0
	if arg != "" {
		var err error
		if ordinal, err = strconv.Atoi(arg); err != nil || ordinal < 0 {
			return nil, fmt.Errorf("%q is no number of a GPU: write cuda, or cuda:1 for the second", arg)
		}
	}
	if err := start(); err != nil {
		return nil, err
	}
	b, err := openDevice(ordinal)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// start loads the driver.
func start() error {
	if err := driver.Start(); err != nil {
		return Unavailable{err.Error()}
	}
	return nil
}

func openDevice(ordinal int) (*backend, error) {
	n, err := cu.NumDevices()
	if err != nil {
		return nil, fmt.Errorf("the NVIDIA driver finds no GPU: %w", err)
	}
	if ordinal >= n {
		return nil, fmt.Errorf("there are %d GPUs, counted from 0", n)
	}
	b := &backend{modules: map[string]cu.Module{}, functions: map[function]kernel{}, buffers: map[*buffer]struct{}{}}
	if b.measured, err = measured(); err != nil {
		return nil, err
	}
	if b.device, err = cu.GetDevice(ordinal); err != nil {
		return nil, err
	}
	name, memory, capability, err := describe(b.device)
	if err != nil {
		return nil, err
	}
	if v, err := strconv.ParseFloat(capability, 64); err != nil || v < 8 {
		return nil, Unavailable{fmt.Sprintf("%s has compute capability %s, and 8.0 (Ampere) or newer is needed", name, capability)}
	}
	if b.processors, err = b.device.Attribute(cu.MultiprocessorCount); err != nil {
		return nil, err
	}
	b.size.processors = b.processors
	if b.size.shared, err = b.device.Attribute(cu.MaxSharedMemoryPerMultiprocessor); err != nil {
		return nil, err
	}
	limit, err := driver.SharedLimit(ordinal)
	if err != nil {
		return nil, err
	}
	const static = 1 << 10 // of a kernel's own
	b.blockShared = limit - static
	if b.context, err = b.device.RetainPrimaryCtx(); err != nil {
		return nil, err
	}
	defer b.enter()()
	if b.stream, err = cu.MakeStream(cu.NonBlocking); err == nil {
		b.staging, err = newStaging()
	}
	if err != nil {
		b.Close()
		return nil, err
	}
	b.info = gpu.Info{
		Name:    fmt.Sprintf("cuda:%d", ordinal),
		Detail:  fmt.Sprintf("%s, %d GiB, compute capability %s", name, (memory+1<<29)>>30, capability),
		Compute: gpu.BFloat16,
		Threads: b.processors,
	}
	return b, nil
}

func (b *backend) Info() gpu.Info { return b.info }

// enter makes the device's context current on the thread that the goroutine has
// now, and keeps it there until what it returns is called.
func (b *backend) enter() func() {
	runtime.LockOSThread()
	if err := cu.SetCurrentContext(b.context); err != nil {
		runtime.UnlockOSThread()
		fail("device", err)
	}
	return runtime.UnlockOSThread
}

// Close frees everything, the memory of tensors that still exist included. Errors
// have no one left to matter to.
func (b *backend) Close() {
	defer b.enter()()
	if b.stream.C() != nil {
		_ = b.stream.Synchronize()
	}
	for buf := range b.buffers {
		_ = cu.MemFree(buf.p)
	}
	clear(b.buffers)
	b.scratch.free()
	b.freeOutgrown()
	if b.staging != nil {
		b.staging.free()
	}
	for _, m := range b.modules {
		_ = m.Unload()
	}
	if b.stream.C() != nil {
		_ = b.stream.Destroy()
	}
	_ = b.device.ReleasePrimaryCtx()
}

// fail panics as operations do.
func fail(op string, err error) { panic(&gpu.Error{Op: op, Err: err}) }

func must(op string, err error) {
	if err != nil {
		fail(op, fmt.Errorf("the GPU failed: %w", err))
	}
}

// buffer is device memory.
type buffer struct {
	p    cu.DevicePtr
	size int
}

func (b *buffer) Size() int { return b.size }

func (b *backend) Alloc(n int) (gpu.Buffer, error) {
	if b.capturing {
		return nil, fmt.Errorf("memory was asked for while launches were recorded")
	}
	defer b.enter()()
	p, err := cu.MemAlloc(int64(n))
	if err != nil {
		return nil, err
	}
	buf := &buffer{p, n}
	b.buffers[buf] = struct{}{}
	return buf, nil
}

// Free waits for what still runs: the driver's free does so anyway.
func (b *backend) Free(buf gpu.Buffer) {
	defer b.enter()()
	h := buf.(*buffer)
	delete(b.buffers, h)
	_ = b.stream.Synchronize()
	_ = cu.MemFree(h.p)
}

// ptr is the address of a tensor's first element; 0 for an absent tensor.
func ptr(t *gpu.Tensor) uint64 {
	if t == nil {
		return 0
	}
	return uint64(t.Buffer().(*buffer).p) + uint64(t.Offset())
}

// handle is the driver's pointer inside a type of cu that has nothing else.
func handle[T any](v T) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&v)) }

// scratch is memory for the length of one operation. It only grows: one stream
// keeps operations in order, so that each may use it from the start.
type scratch struct {
	p          cu.DevicePtr
	size, used int
}

// reserve begins an operation that will take n bytes in all, each part rounded up
// to 256.
func (b *backend) reserve(op string, n int) {
	s := &b.scratch
	s.used = 0
	if n <= s.size {
		return
	}
	if b.capturing {
		fail(op, fmt.Errorf("scratch memory must grow while launches are recorded"))
	}
	defer b.enter()()
	if b.recorded > 0 {
		if s.size > 0 {
			b.outgrown = append(b.outgrown, s.p)
		}
		*s = scratch{}
	} else {
		must(op, b.stream.Synchronize())
		s.free()
	}
	n = (n + 1<<20 - 1) >> 20 << 20
	p, err := cu.MemAlloc(int64(n))
	if err != nil && b.trim != nil {
		b.trim()
		p, err = cu.MemAlloc(int64(n))
	}
	if err != nil {
		fail(op, fmt.Errorf("cannot get %d MiB of scratch memory on %s: make the picture or the batch smaller: %w", n>>20, b.info.Name, err))
	}
	s.p, s.size = p, n
}

// take gives the next part of the scratch memory.
func (b *backend) take(n int) uint64 {
	s := &b.scratch
	at := s.used
	s.used += padded(n)
	if s.used > s.size {
		panic("cuda: an operation takes more scratch memory than it reserved")
	}
	return uint64(s.p) + uint64(at)
}

// Reclaim is told how to free what is cached.
func (b *backend) Reclaim(trim func()) { b.trim = trim }

func padded(n int) int { return (n + 255) &^ 255 }

// freeOutgrown frees scratch memory that only recordings still used.
func (b *backend) freeOutgrown() {
	for _, p := range b.outgrown {
		_ = cu.MemFree(p)
	}
	b.outgrown = nil
}

func (s *scratch) free() {
	if s.size > 0 {
		_ = cu.MemFree(s.p)
	}
	*s = scratch{}
}
