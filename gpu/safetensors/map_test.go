package safetensors

import (
	"bytes"
	"io"
	"path/filepath"
	"runtime"
	"testing"

	"latent/gpu/nn/golden/memory"
)

func TestRelease(t *testing.T) {
	const size = 16 << 20
	want := make([]byte, size)
	for i := range want {
		want[i] = byte(i*7 + i>>12)
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	err := Write(path, []Entry{{Name: "a", DType: U8, Shape: []int{size}, Stream: func(w io.Writer) error {
		_, err := w.Write(want)
		return err
	}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	v, _ := f.Get("a")
	for _, span := range [][2]int{{0, size}, {5, 6}, {size / 3, size / 2}, {size - 1, size}, {7, 7}} {
		if !bytes.Equal(v.Data, want) {
			t.Fatal("the bytes have changed")
		}
		Release(v.Data[span[0]:span[1]])
	}
	if !bytes.Equal(v.Data, want) {
		t.Error("the bytes have changed")
	}
	if runtime.GOOS == "linux" {
		full := memory.OfFiles(t)
		Release(v.Data)
		if less := full - memory.OfFiles(t); less < size*9/10 {
			t.Errorf("%d bytes of %d left memory", less, size)
		}
	}
	heap := bytes.Clone(want)
	Release(heap)
	if !bytes.Equal(heap, want) {
		t.Error("bytes that are of no file have changed")
	}
	Release(nil)
	f.Close()
	Release(v.Data) // of no file any more
}
