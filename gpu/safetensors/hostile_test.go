package safetensors

import (
	"fmt"
	"strings"
	"testing"

	"latent/gpu/nn/golden/memory"
)

// Whatever a header says, reading it takes no more memory than some times its size.
func TestHostileHeaders(t *testing.T) {
	const n = 20000
	var empty, overlapping, metadata strings.Builder
	for i := range n {
		fmt.Fprintf(&empty, `,"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`, i)
		fmt.Fprintf(&overlapping, `,"%d":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}`, i)
		fmt.Fprintf(&metadata, `,"%d":""`, i)
	}
	one := func(s string) string { return `{"t":{"dtype":"F32","shape":` + s + `,"data_offsets":[0,8]}}` }
	for _, c := range []struct{ what, header, want string }{
		{"a million empty tensors, less", "{" + empty.String()[1:] + "}", ""},
		{"a thousand tensors in one byte", "{" + overlapping.String()[1:] + "}", "overlaps"},
		{"much metadata", `{"__metadata__":{` + metadata.String()[1:] + "}}", ""},
		{"a vast shape", one("[4611686018427387904,4611686018427387904]"), "impossible shape"},
		{"a long shape", one("[" + strings.Repeat("1,", 1<<20) + "2]"), "more than 64 sizes"},
		{"deep lists", one(strings.Repeat("[", 1<<20)), "not a size"},
		{"deep objects", strings.Repeat(`{"a":`, 1<<18), "unknown"},
		{"a long name", `{"` + strings.Repeat("n", 1<<20) + `":{"dtype":"U8","shape":[0],"data_offsets":[0,1]}}`, "takes 0 bytes"},
		{"a long type", `{"t":{"dtype":"` + strings.Repeat("n", 1<<20) + `","shape":[0],"data_offsets":[0,0]}}`, "unknown dtype"},
		{"a header that is not there", `{"t":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}}`, "truncated"},
	} {
		data := file(c.header, 0)
		if c.want == "overlaps" {
			data = file(c.header, 1)
		}
		var err error
		took := memory.Allocated(func() { _, err = Parse(data) })
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || len(err.Error()) > 500) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
		t.Logf("%s: %.1f times its %d bytes", c.what, float64(took)/float64(len(data)), len(data))
		if took > 64*len(data)+1<<16 {
			t.Errorf("%s: %d bytes for a file of %d", c.what, took, len(data))
		}
	}
}
