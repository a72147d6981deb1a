//go:build cuda

package cuda

import (
	"fmt"
	"os"
	"testing"

	"latent/gpu"
	layers "latent/gpu/nn"
	"latent/unet"
)

func (s size) String() string {
	name := fmt.Sprintf("%v %d×%d×%d", s.product, s.m, s.n, s.k)
	if s.taps > 1 {
		name += fmt.Sprintf(" (%d taps)", s.taps)
	}
	if s.batch > 1 {
		name += fmt.Sprintf(" ·%d", s.batch)
	}
	if s.gated {
		name += " gated"
	}
	return name
}

// request is a product as it was asked for.
type request struct {
	size
	plan  plan
	args  matmulArgs
	count int
}

// config gives the U-Net of Stable Diffusion 1.5, or of SDXL.
func config(arch string) (c unet.Config, height, context int) {
	c = unet.Default()
	if arch == "sd15" {
		c.CrossAttentionDim = unet.Ints{768}
		return c, 64, 768
	}
	c.DownBlockTypes = []string{"DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"}
	c.UpBlockTypes = []string{"CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"}
	c.BlockOutChannels = []int{320, 640, 1280}
	c.TransformerLayersPerBlock = unet.Ints{1, 2, 10}
	c.AttentionHeadDim = unet.Ints{5, 10, 20}
	c.CrossAttentionDim = unet.Ints{2048}
	c.UseLinearProjection = true
	return c, 128, 2048
}

// dryStep goes through a step of two samples without computing it, in bf16, and
// gives what it launched, the products, and the bytes of all operands.
func dryStep(t *testing.T, dev *gpu.Device, arch string) (counts map[string]int, products []*request, bytes float64) {
	c, height, context := config(arch)
	m, err := unet.New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { told, planned = nil, nil }()
	counts = map[string]int{}
	told = func(f function) bool {
		counts[f.name]++
		return true
	}
	known := map[size]*request{}
	planned = func(p product, pl plan, dtype gpu.DType, a matmulArgs, batch int) {
		s := a.size(p, pl.tile, batch, dev.Info().Threads)
		if known[s] == nil {
			known[s] = &request{s, pl, a, 0}
			products = append(products, known[s])
		}
		known[s].count++
	}
	const largest = 1280 * 9 * 2560
	half, full := dev.Empty(gpu.BFloat16, largest), dev.Empty(gpu.Float32, largest) // all parameters lie there
	for _, p := range layers.Params(m) {
		p.T = half
		if p.Kind >= layers.Bias {
			p.T = full
		}
		p.T = gpu.Reshape(gpu.Rows(p.T, 0, p.Len()), p.Shape...)
	}
	x, code := dev.Empty(gpu.BFloat16, 2, height, height, 4), dev.Empty(gpu.BFloat16, 2, 320)
	cond := dev.Empty(gpu.BFloat16, 2, 77, context)
	clear(counts)
	for _, op := range dev.Profile(func() { m.ForwardCode(x, code, cond, nil) }) {
		bytes += op.Bytes
	}
	return counts, products, bytes
}

// efficiency is the share of the arithmetic's rate that a plan should reach.
func (r *request) efficiency(g gpuSize) (steps, share float64) {
	steps = r.plan.cost(r.m, r.n, r.k, r.batch, g)
	ideal := float64(r.m) * float64(r.n) * float64(r.k) * float64(r.batch) / (128 * 128 * stepK) / float64(g.processors)
	return steps, ideal / steps
}

// TestPlans prints what is chosen for each product of a step where LATENT_PLANS
// names an architecture; STANDIN_MEMORY must hold SDXL's tensors. By the estimate a
// step of Stable Diffusion 1.5 keeps the arithmetic of 132 processors busy for more
// than half of its products' time.
func TestPlans(t *testing.T) {
	const test = "TestPlans"
	if !inner(test) {
		t.Log(again(t, test, "STANDIN_PROCESSORS=132", "STANDIN_SHARED=228"))
		return
	}
	arch := os.Getenv("LATENT_PLANS")
	if arch == "" {
		arch = "sd15"
	}
	dev := openTest(t, "cuda")
	_, products, _ := dryStep(t, dev, arch)
	g := gpuSize{132, 228 << 10}
	var busy, all float64
	for _, r := range products {
		steps, share := r.efficiency(g)
		busy, all = busy+float64(r.count)*steps*share, all+float64(r.count)*steps
		blocks := (r.m + r.plan.m - 1) / r.plan.m * ((r.n + r.plan.n - 1) / r.plan.n) * r.batch * r.plan.splits
		fmt.Printf("%-36s ×%-3d %-14s %2d parts %5d blocks %7.0f steps %4.0f %%\n", r.size, r.count, r.plan.name, r.plan.splits, blocks, steps, 100*share)
	}
	fmt.Printf("%s: %.0f steps, %.0f %% busy\n", arch, all, 100*busy/all)
	if arch == "sd15" && busy/all < 0.5 {
		t.Errorf("busy for %.0f %% of the time", 100*busy/all)
	}
}
