//go:build unix

package safetensors

import (
	"fmt"
	"math"
	"os"
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapped are the files that are in memory now.
var mapped struct {
	sync.Mutex
	files [][]byte
}

// Map returns the bytes of a file, paged in by the kernel when they are
// touched, and the function that gives them back. They are only to be read.
func Map(path string) ([]byte, func() error, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() // the mapping outlives it
	stat, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	switch size := stat.Size(); {
	case !stat.Mode().IsRegular():
		return nil, nil, fmt.Errorf("%s: not a regular file", path)
	case size == 0: // which mmap refuses
		return nil, func() error { return nil }, nil
	case size > math.MaxInt:
		return nil, nil, fmt.Errorf("%s: %d bytes are more than this system can map", path, size)
	default:
		data, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return nil, nil, fmt.Errorf("mapping %s: %w", path, err)
		}
		mapped.Lock()
		defer mapped.Unlock()
		mapped.files = append(mapped.files, data)
		return data, func() error { return unmap(data) }, nil
	}
}

func unmap(data []byte) error {
	mapped.Lock() // nothing of it is released from here on
	defer mapped.Unlock()
	mapped.files = slices.DeleteFunc(mapped.files, func(f []byte) bool { return unsafe.SliceData(f) == unsafe.SliceData(data) })
	return unix.Munmap(data)
}

// faultAround is what Linux pages in together where one page is touched, in
// windows of that size.
const faultAround = 64 << 10

// Release says that these bytes are not wanted for now. Those of a file that Map
// mapped no longer count as the process's memory; touched again they are read
// again, so it does no harm where others use the same bytes or pages. Bytes from
// elsewhere stay as they are.
func Release(data []byte) {
	if len(data) == 0 {
		return
	}
	mapped.Lock()
	defer mapped.Unlock()
	for _, f := range mapped.files {
		// Unsigned, a distance that is negative is beyond every file's end.
		at := uintptr(unsafe.Pointer(unsafe.SliceData(data))) - uintptr(unsafe.Pointer(unsafe.SliceData(f)))
		if at >= uintptr(len(f)) {
			continue
		}
		from := int(at) / faultAround * faultAround
		to := min((int(at)+len(data)+faultAround-1)/faultAround*faultAround, len(f))
		_ = unix.Madvise(f[from:to], unix.MADV_DONTNEED) // advice
		return
	}
}
