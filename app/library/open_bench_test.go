//go:build unix

package library

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"latent/gpu"
	_ "latent/gpu/host"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
	"latent/scheduler"
	"latent/unet"
)

var fullSizeFile = flag.String("fullsize", "", "with -bench FullSize: where to write a Stable Diffusion 1.5 of 2.1 GB with random weights; kept if it is there")

// writeFullSize writes a model in one file with random F16 weights.
func writeFullSize(b *testing.B, path string, family Family) {
	pattern := make([]byte, 1<<20)
	state := uint64(1)
	for i := 0; i < len(pattern); i += 2 {
		state = state*6364136223846793005 + 1442695040888963407
		pattern[i], pattern[i+1] = byte(state>>40), byte(state>>56)&0x83|0x28 // about ±0.03 to 0.1
	}
	var entries []safetensors.Entry
	for name, shape := range fullSize(b, family, 4) {
		n := 2
		for _, d := range shape {
			n *= d
		}
		entries = append(entries, safetensors.Entry{Name: name, DType: safetensors.F16, Shape: shape, Stream: func(w io.Writer) error {
			for n > 0 {
				k := min(n, len(pattern))
				if _, err := w.Write(pattern[:k]); err != nil {
					return err
				}
				n -= k
			}
			return nil
		}})
	}
	if err := safetensors.Write(path, entries, nil); err != nil {
		b.Fatal(err)
	}
}

// cpuSeconds is the time that the process has computed.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// peak is the process's largest resident size and what it holds of files, in
// bytes, since the last reset.
func peak() (rss int) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			for _, c := range rest {
				if c >= '0' && c <= '9' {
					rss = 10*rss + int(c-'0')
				}
			}
		}
	}
	return rss << 10
}

// Opening a file of 2.1 GB from a warm cache, F16 to the device's type.
func BenchmarkOpenFullSize(b *testing.B) {
	if *fullSizeFile == "" {
		b.Skip("-fullsize is not given")
	}
	if _, err := os.Stat(*fullSizeFile); err != nil {
		writeFullSize(b, *fullSizeFile, SD1)
	}
	f, err := os.Open(*fullSizeFile) // warms the cache
	if err != nil {
		b.Fatal(err)
	}
	n, _ := io.Copy(io.Discard, f)
	f.Close()
	for _, dtype := range []gpu.DType{gpu.BFloat16, gpu.Float32} {
		b.Run(dtype.String(), func(b *testing.B) {
			dev, err := gpu.Open("host")
			if err != nil {
				b.Skip(err)
			}
			defer dev.Close()
			b.SetBytes(n)
			before := cpuSeconds()
			for b.Loop() {
				m, err := Open(*fullSizeFile, dev, dtype)
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				b.ReportMetric(cpuSeconds()-before, "cpu-s/op")
				b.ReportMetric(float64(peak())/1e9, "GB-anon")
				b.ReportMetric(float64(dev.Memory().Peak)/1e9, "GB-device-peak")
				m.Close()
				dev.Trim()
				runtime.GC()
				before = cpuSeconds()
				b.StartTimer()
			}
		})
	}
}

// Identification reads a header of 1130 tensors.
func BenchmarkIdentify(b *testing.B) {
	path := filepath.Join(b.TempDir(), "m.safetensors")
	writeHeader(b, path, fullSize(b, SD1, 4), nil)
	for b.Loop() {
		if i := Identify(path); i.Err != nil {
			b.Fatal(i.Err)
		}
	}
}

// Names are mapped without the tensors' bytes.
func BenchmarkMap(b *testing.B) {
	path := filepath.Join(b.TempDir(), "m.safetensors")
	writeHeader(b, path, fullSize(b, SD1, 4), nil)
	f, err := OpenTensors(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	c := publishedConfigs(SD1, 4, scheduler.PredictEpsilon, false)
	u, err := unet.New(c.unet)
	if err != nil {
		b.Fatal(err)
	}
	var src nn.Source
	for b.Loop() {
		src = ldmSource(f, ldmUNet, u, c.unet.LDMName)
	}
	_ = src
}
