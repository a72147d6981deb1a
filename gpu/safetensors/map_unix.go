//go:build unix

package safetensors

import (
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

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
		return data, func() error { return unix.Munmap(data) }, nil
	}
}
