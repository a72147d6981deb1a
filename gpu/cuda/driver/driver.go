//go:build cuda

// Package driver finds NVIDIA's driver at run time and adds what gorgonia.org/cu
// lacks: launches that tell their error, pinned memory, more shared memory, and
// graphs made by capturing a stream.
package driver

// #cgo linux LDFLAGS: -ldl
// #cgo windows LDFLAGS: -L${SRCDIR}/../lib
// #include "driver.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"unsafe"
)

// ErrNone says that there is no driver to load.
var ErrNone = errors.New("no NVIDIA driver")

// Result is an error code of the driver.
type Result int

func (r Result) Error() string {
	return fmt.Sprintf("%s (CUDA error %d)", C.GoString(C.driver_error(C.int(r))), int(r))
}

// The errors that callers tell apart.
const (
	OutOfMemory Result = C.CUDA_ERROR_OUT_OF_MEMORY
	NoDevice    Result = C.CUDA_ERROR_NO_DEVICE
)

func result(r C.int) error {
	if r == 0 {
		return nil
	}
	return Result(r)
}

// Start loads the driver, once. LATENT_CUDA_DRIVER names another library
// than the driver's own.
var Start = sync.OnceValue(func() error {
	name := os.Getenv("LATENT_CUDA_DRIVER")
	if name == "" {
		name = C.DRIVER
	}
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	switch r := C.driver_start(s); r {
	case -1:
		return ErrNone
	case C.CUDA_ERROR_NO_DEVICE:
		return errors.New("the NVIDIA driver finds no GPU")
	case 0:
		return nil
	default:
		return fmt.Errorf("the NVIDIA driver does not start (CUDA error %d)", int(r))
	}
})

// Launch is a kernel with its grid, and where it runs. Context, Function and
// Stream are the driver's handles.
type Launch struct {
	Context, Function, Stream unsafe.Pointer
	Grid                      [3]uint32
	Threads, Shared           uint32
}

// Run starts the kernel. args is the struct of its arguments, without pointers to
// Go memory.
func (l Launch) Run(args unsafe.Pointer, size uintptr) error {
	dims := [7]C.uint{C.uint(l.Grid[0]), C.uint(l.Grid[1]), C.uint(l.Grid[2]), C.uint(l.Threads), 1, 1, C.uint(l.Shared)}
	return result(C.driver_launch(l.Context, l.Function, &dims[0], l.Stream, args, C.size_t(size)))
}

// AllowShared lets a kernel have more dynamic shared memory than 48 KiB.
func AllowShared(function unsafe.Pointer, bytes int) error {
	return result(C.int(C.cuFuncSetAttribute(C.CUfunction(function), C.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, C.int(bytes))))
}

// PreferShared asks that a multiprocessor's memory be shared memory as far as it
// can, and not L1 cache, while the kernel runs. It is a wish: there is no error.
func PreferShared(function unsafe.Pointer) {
	C.cuFuncSetAttribute(C.CUfunction(function), C.CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, 100)
}

// SharedLimit is the most shared memory that a block may have, in bytes.
func SharedLimit(device int) (int, error) {
	var v C.int
	err := result(C.int(C.cuDeviceGetAttribute(&v, C.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, C.CUdevice(device))))
	return int(v), err
}

// Pinned is host memory that the GPU reads and writes at full speed.
type Pinned struct {
	p unsafe.Pointer
	n int
}

// NewPinned allocates n bytes.
func NewPinned(n int) (Pinned, error) {
	var p unsafe.Pointer
	if err := result(C.int(C.cuMemHostAlloc(&p, C.size_t(n), 0))); err != nil {
		return Pinned{}, err
	}
	return Pinned{p, n}, nil
}

// Bytes are the memory itself.
func (p Pinned) Bytes() []byte { return unsafe.Slice((*byte)(p.p), p.n) }

// Free gives the memory back.
func (p Pinned) Free() {
	if p.p != nil {
		C.cuMemFreeHost(p.p)
	}
}

// Graph is a captured sequence of launches, ready to run again.
type Graph struct{ exec C.CUgraphExec }

// Capture records what f submits to the stream instead of running it. The
// goroutine stays on its thread meanwhile. An error of f ends the capture.
func Capture(context, stream unsafe.Pointer, f func()) (g *Graph, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := result(C.int(C.cuCtxSetCurrent(C.CUcontext(context)))); err != nil {
		return nil, err
	}
	s := C.CUstream(stream)
	if err := result(C.int(C.cuStreamBeginCapture(s, C.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL))); err != nil {
		return nil, err
	}
	var graph C.CUgraph
	ended := false
	end := func() error {
		ended = true
		return result(C.int(C.cuStreamEndCapture(s, &graph)))
	}
	defer func() {
		if !ended { // f panicked
			_ = end()
		}
		if graph != nil {
			C.cuGraphDestroy(graph)
		}
	}()
	f()
	if err := end(); err != nil {
		return nil, err
	}
	g = &Graph{}
	if err := result(C.int(C.cuGraphInstantiateWithFlags(&g.exec, graph, 0))); err != nil {
		return nil, err
	}
	return g, nil
}

// Run submits the graph to the stream.
func (g *Graph) Run(context, stream unsafe.Pointer) error {
	if err := result(C.int(C.cuCtxSetCurrent(C.CUcontext(context)))); err != nil {
		return err
	}
	return result(C.int(C.cuGraphLaunch(g.exec, C.CUstream(stream))))
}

// Free destroys the graph.
func (g *Graph) Free() { C.cuGraphExecDestroy(g.exec) }
