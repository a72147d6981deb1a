//go:build cuda

package cuda

import (
	"fmt"
	"unsafe"

	"gorgonia.org/cu"

	"latent/gpu"
	"latent/gpu/cuda/driver"
)

// staging is pinned memory in two halves: one is copied by the host while the GPU
// copies the other.
type staging struct {
	half [2]driver.Pinned
	done [2]cu.Event // the GPU has finished with the half
	next int
}

const stagingHalf = 2 << 20

func newStaging() (*staging, error) {
	s := &staging{}
	for i := range s.half {
		var err error
		if s.half[i], err = driver.NewPinned(stagingHalf); err != nil {
			return nil, err
		}
		if s.done[i], err = cu.MakeEvent(cu.DisableTiming); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *staging) free() {
	for i := range s.half {
		s.half[i].Free()
		_ = cu.DestroyEvent(&s.done[i])
	}
}

// turn waits until the next half is free, and takes it.
func (s *staging) turn() (i int, err error) {
	i = s.next
	s.next = 1 - i
	return i, s.done[i].Synchronize()
}

// Write returns when src was read; the copy ends before anything that follows it
// on the stream.
func (b *backend) Write(dst *gpu.Tensor, src []byte) { b.write("write", ptr(dst), src) }

func (b *backend) write(op string, dst uint64, src []byte) {
	b.quiet(op)
	defer b.enter()()
	s := b.staging
	for at := 0; at < len(src); {
		i, err := s.turn()
		must(op, err)
		n := copy(s.half[i].Bytes(), src[at:])
		must(op, cu.MemcpyHtoDAsync(cu.DevicePtr(dst+uint64(at)), first(s.half[i]), int64(n), b.stream))
		must(op, s.done[i].Record(b.stream))
		at += n
	}
}

// Read waits for all that was asked of the device before.
func (b *backend) Read(dst []byte, src *gpu.Tensor) { b.read("read", dst, ptr(src)) }

func (b *backend) read(op string, dst []byte, src uint64) {
	b.quiet(op)
	defer b.enter()()
	s := b.staging
	type part struct{ half, at, n int }
	var waiting []part
	drain := func(p part) {
		must(op, s.done[p.half].Synchronize())
		copy(dst[p.at:p.at+p.n], s.half[p.half].Bytes())
	}
	for at := 0; at < len(dst); {
		if len(waiting) == 2 {
			drain(waiting[0])
			waiting = waiting[1:]
		}
		i, err := s.turn()
		must(op, err)
		n := min(len(dst)-at, stagingHalf)
		must(op, cu.MemcpyDtoHAsync(first(s.half[i]), cu.DevicePtr(src+uint64(at)), int64(n), b.stream))
		must(op, s.done[i].Record(b.stream))
		waiting = append(waiting, part{i, at, n})
		at += n
	}
	for _, p := range waiting {
		drain(p)
	}
}

func first(p driver.Pinned) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(p.Bytes())) }

// quiet refuses what the host must wait for while launches are recorded.
func (b *backend) quiet(op string) {
	if b.capturing {
		fail(op, fmt.Errorf("the host cannot exchange data while launches are recorded"))
	}
}
