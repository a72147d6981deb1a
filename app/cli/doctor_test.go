package cli

import (
	"io"
	"os"
	"strings"
	"testing"

	"latent/gpu/cuda"
)

// written is what f writes to a standard stream.
func written(t *testing.T, stream **os.File, f func()) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	saved := *stream
	*stream = w
	defer func() { *stream = saved }()
	text := make(chan string)
	go func() {
		b, _ := io.ReadAll(r)
		text <- string(b)
	}()
	f()
	w.Close()
	return <-text
}

// Without a driver the program says so once, and works.
func TestNoDriver(t *testing.T) {
	t.Setenv("LATENT_CUDA_DRIVER", "/nowhere/libcuda.so.1")
	report := written(t, &os.Stdout, func() {
		if err := doctor(t.Context(), nil); err != nil {
			t.Error(err)
		}
	})
	if !strings.Contains(report, "will be used:") {
		t.Errorf("doctor says nothing of use:\n%s", report)
	}
	if !cuda.Examine().Built {
		if !strings.Contains(report, "built without GPU support") {
			t.Errorf("doctor hides that there is no GPU support:\n%s", report)
		}
		t.Skip("this build has no GPU support")
	}
	const want = "no NVIDIA driver: using the CPU"
	if !strings.Contains(report, want) {
		t.Errorf("doctor does not say %q:\n%s", want, report)
	}
	said := written(t, &os.Stderr, func() {
		e, err := startEngine("cuda", "f32")
		if err != nil {
			t.Error(err)
			return
		}
		defer e.Close()
		if name := e.Info().Name; name != "host" && name != "reference" {
			t.Errorf("the device is %s", name)
		}
	})
	if said != want+"\n" {
		t.Errorf("it says %q, want %q", said, want)
	}
	if said := written(t, &os.Stderr, func() {
		e, err := startEngine("auto", "f32")
		if err != nil {
			t.Error(err)
			return
		}
		e.Close()
	}); said != "" {
		t.Errorf("nobody asked for a GPU, and it says %q", said)
	}
}
