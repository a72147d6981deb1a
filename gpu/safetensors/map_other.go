//go:build !unix

package safetensors

import "os"

// Map reads the file where there is no mmap.
func Map(path string) ([]byte, func() error, error) {
	data, err := os.ReadFile(path)
	return data, func() error { return nil }, err
}

// Release is for files that are mapped.
func Release([]byte) {}
