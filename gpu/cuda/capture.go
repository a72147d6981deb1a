//go:build cuda

package cuda

import (
	"latent/gpu"
	"latent/gpu/cuda/driver"
)

// recording is a CUDA graph of the device's launches.
type recording struct {
	b     *backend
	graph *driver.Graph
}

// Capture records launches; kernels and scratch memory must be there already, as
// they are when f ran before.
func (b *backend) Capture(f func()) (gpu.Recording, error) {
	b.capturing = true
	defer func() { b.capturing = false }()
	g, err := driver.Capture(handle(b.context), handle(b.stream), f)
	if err != nil {
		return nil, err
	}
	b.recorded++
	return &recording{b, g}, nil
}

func (r *recording) Run() { must("replay", r.graph.Run(handle(r.b.context), handle(r.b.stream))) }

func (r *recording) Free() {
	defer r.b.enter()()
	_ = r.b.stream.Synchronize()
	r.graph.Free()
	if r.b.recorded--; r.b.recorded == 0 {
		r.b.freeOutgrown()
	}
}

// Synchronize waits until all is done that was asked of the device.
func (b *backend) Synchronize() {
	b.quiet("synchronize")
	defer b.enter()()
	must("synchronize", b.stream.Synchronize())
}
