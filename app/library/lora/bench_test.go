//go:build unix

package lora

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
	"latent/unet"
)

// cpuSeconds is the time that all threads of the process have computed.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// BenchmarkSet puts a LoRA of rank 32, and a DoRA, for all of the attention on the
// U-Net of Stable Diffusion 1.5, changes its strength, and takes it off.
func BenchmarkSet(b *testing.B) {
	for _, dtype := range []gpu.DType{gpu.BFloat16, gpu.Float32} {
		for _, kind := range []string{"LoRA", "DoRA"} {
			b.Run(fmt.Sprint(dtype, " ", kind), func(b *testing.B) { benchmarkSet(b, dtype, kind == "DoRA") })
		}
	}
}

func benchmarkSet(b *testing.B, matrices gpu.DType, dora bool) {
	dev, err := gpu.Open("auto")
	if err != nil {
		b.Fatal(err)
	}
	defer dev.Close()
	cfg := unet.Default()
	cfg.CrossAttentionDim = unet.Ints{768}
	m, err := unet.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	const rank = 32
	var entries []safetensors.Entry
	touched := 0
	add := func(name string, shape ...int) {
		n := 2
		for _, s := range shape {
			n *= s
		}
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(i%7) << 2 // small numbers of both signs or none, no NaN
		}
		entries = append(entries, safetensors.Entry{Name: name, DType: safetensors.F16, Shape: shape, Data: data})
	}
	dev.Permanent(func() {
		for _, p := range nn.Params(m) {
			dtype := matrices
			if p.Kind >= nn.Bias {
				dtype = gpu.Float32
			}
			p.T = dev.Full(0.02, dtype, p.Shape...)
			layer, kind := cutLast(p.Key)
			if strings.Contains(layer, "attentions") && kind == "weight" && p.Kind <= nn.Kernel {
				name := "lora_unet_" + strings.ReplaceAll(layer, ".", "_")
				add(name+".lora_down.weight", rank, p.Len()/p.Shape[0])
				add(name+".lora_up.weight", p.Shape[0], rank)
				if dora {
					add(name+".dora_scale", p.Shape[0], 1)
				}
				touched += p.Len()
			}
		}
	})
	defer nn.Free(m)
	path := filepath.Join(b.TempDir(), "x.safetensors")
	if err := safetensors.Write(path, entries, nil); err != nil {
		b.Fatal(err)
	}
	entries = nil
	f, err := Read(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	p := New(map[string]any{UNet: m}, nil)
	b.Logf("%s: %d layers, %d M weights", dev.Info().Detail, len(f.modules), touched>>20)
	for _, c := range []struct {
		name        string
		first, next []Use
	}{
		{"apply", nil, []Use{{f, 1, 1}}}, {"change", []Use{{f, 1, 1}}, []Use{{f, 0.5, 1}}}, {"remove", []Use{{f, 1, 1}}, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			cpu := 0.0
			for b.Loop() {
				b.StopTimer()
				set(b, p, c.first...)
				b.StartTimer()
				before := cpuSeconds()
				set(b, p, c.next...)
				cpu += cpuSeconds() - before
			}
			b.ReportMetric(cpu/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(touched)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mweights/s")
		})
	}
}
