package torchfile

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"

	"latent/gpu/nn/golden/memory"
)

// archive makes a zip file.
func archive(t *testing.T, files map[string]string, method uint16) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestSpeed) })
	for name, content := range files {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Whatever a file says, reading it takes no more memory than some times its size.
func TestHostileFiles(t *testing.T) {
	text := func(s string) string {
		return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
	}
	const n = 3000
	pairs := "ccollections\nOrderedDict\nq\x00](" + strings.Repeat("NN\x86", n) + "eq\x01"
	many := map[string]string{"a/data.pkl": "\x80\x02}."}
	for i := range n {
		many[fmt.Sprint("a/data/", i)] = ""
	}
	huge := "\x80\x02}" + text("w") + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") +
		"J\xff\xff\xff\x7ftQK\x00(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ft(J\x01\x00\x00\x00K\x00tNNtRs."
	for _, c := range []struct {
		what string
		data []byte
		want string
	}{
		{"a dictionary made again and again", []byte("\x80\x02" + pairs + strings.Repeat("h\x00h\x01\x85R", n) + "."), "copies a list without end"},
		{"empty lists", []byte("\x80\x02" + strings.Repeat("]", 1<<18) + "."), "none of torch.save"},
		{"empty dictionaries", []byte("\x80\x02" + strings.Repeat("}", 1<<18) + "."), "none of torch.save"},
		{"a value kept under many numbers", []byte("\x80\x04N" + strings.Repeat("\x94", 1<<18) + "."), "none of torch.save"},
		{"deep tuples", []byte("\x80\x02)" + strings.Repeat("\x85", 1<<18) + "."), "none of torch.save"},
		{"marks", []byte("\x80\x02" + strings.Repeat("(", 1<<18) + "."), "takes what it has not made"},
		{"a text of 2 GB", []byte("\x80\x02X\xff\xff\xff\x7fa."), "ends too early"},
		{"a packed program", archive(t, map[string]string{"a/data.pkl": strings.Repeat("\x80\x02", 8<<20)}, zip.Deflate), "compressed"},
		{"many files", archive(t, many, zip.Store), "without tensors"},
		{"a vast tensor", archive(t, map[string]string{"a/data.pkl": huge, "a/data/0": "0123"}, zip.Store), "reach beyond its storage of 4 bytes"},
	} {
		var err error
		took := memory.Allocated(func() { _, err = Parse(c.data) })
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
		t.Logf("%s: %.1f times its %d bytes", c.what, float64(took)/float64(len(c.data)), len(c.data))
		if took > 200*len(c.data)+1<<16 {
			t.Errorf("%s: %d bytes for a file of %d", c.what, took, len(c.data))
		}
	}
}

// Long names inside long names are refused before they are put together.
func TestNamesWithoutEnd(t *testing.T) {
	inner := newDict()
	for i := range 5000 {
		inner.set(int64(i), &tensor{})
	}
	for range 8 {
		outer := newDict()
		outer.set(strings.Repeat("n", 1000), inner)
		inner = outer
	}
	var err error
	took := memory.Allocated(func() { err = newFile(100_000).collect(inner) })
	if err == nil || took > 4<<20 {
		t.Errorf("%d bytes, %v", took, err)
	}
}
