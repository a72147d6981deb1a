package trainer

import (
	"strings"
	"testing"

	"latent/app/library/lora"
	"latent/gpu"
	_ "latent/gpu/host"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/gpu/optim"
	"latent/noise"
	"latent/textencoder"
	"latent/unet"
)

// small loads the U-Net and text encoder that PEFT trained a LoRA of.
func small(t *testing.T, dev *gpu.Device) (*unet.Model, *textencoder.Model) {
	t.Helper()
	const dir = "../../gpu/optim/testdata"
	uc, err := unet.ParseConfig(golden.Read(t, dir, "unet/config.json"))
	if err != nil {
		t.Fatal(err)
	}
	u, err := unet.New(uc)
	if err != nil {
		t.Fatal(err)
	}
	tc, err := textencoder.ParseConfig(golden.Read(t, dir, "text_encoder/config.json"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := textencoder.New(tc)
	if err != nil {
		t.Fatal(err)
	}
	for folder, m := range map[string]any{"unet": u, "text_encoder": text} {
		if err := nn.Load(m, dev, gpu.Float32, golden.Open(t, dir, folder, "model.safetensors")); err != nil {
			t.Fatal(err)
		}
	}
	return u, text
}

// Ten steps: which layers have adapters, what those compute, their gradients and
// both learning rates must be PEFT's for the losses to stay together.
func TestTenLoRAStepsEqualPEFT(t *testing.T) {
	const steps, warmup, lr, rank, alpha = 10, 3, 2e-2, 3, 2
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		u, text := small(t, dev)
		f := golden.Open(t, "testdata/lora/golden.safetensors")
		given := golden.Open(t, "../../gpu/optim/testdata/golden.safetensors")
		var params []nn.Named
		settings := LoRA{Rank: rank, Alpha: alpha, Conv: true, TextEncoder: true}
		for _, part := range []struct {
			name  string
			model any
		}{{lora.UNet, u}, {lora.Text1, text}} {
			list, err := nn.Adapt(part.model, dev, gpu.Float32, rank, float32(alpha)/rank, noise.NewRand(1),
				func(key string, _ *nn.Param) bool { return settings.adapts(part.name, key) })
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range list {
				a.Down.T.CopyFrom(f.Tensor(dev, gpu.Float32, "before."+part.name+"."+a.Key+".lora_down.weight"))
				params = append(params, prefixed(part.name+"."+a.Key+".", nn.Trainable(a.Adapter))...)
			}
		}
		adapted := 0
		for _, name := range f.Names() {
			if strings.HasPrefix(name, "before.") {
				adapted++
			}
		}
		if 2*adapted != len(params) {
			t.Fatalf("%d layers have adapters, PEFT's %d", len(params)/2, adapted)
		}
		opt, err := optim.New(params, optim.Config{
			Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.1, ClipNorm: 1,
			Rate: func(p nn.Named) float64 {
				if strings.HasPrefix(p.Key, lora.UNet) {
					return 1
				}
				return 0.5
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		rate, err := optim.NewSchedule("linear", lr, warmup, steps)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := f.Float32s("loss")
		part := func(name string, i int) ([]float32, []int) {
			data, shape := given.Float32s(name)
			n := len(data) / shape[0]
			return data[i*n : (i+1)*n], shape[1:]
		}
		for i := range steps {
			x, shape := part("x", i)
			target, _ := part("target", i)
			times, _ := part("t", i)
			flat, idShape := part("ids", i)
			ids := make([][]int32, idShape[0])
			for j, v := range flat {
				ids[j/idShape[1]] = append(ids[j/idShape[1]], int32(v))
			}
			var loss float32
			work := dev.Profile(func() {
				loss = dev.Differentiate(1, func() *gpu.Tensor {
					y := u.Forward(dev.FromFloat32(x, gpu.Float32, shape...), times, text.Forward(ids).LastHidden, nil)
					return gpu.MSE(y, dev.FromFloat32(target, gpu.Float32, shape...), nil)
				})
			})
			ofWeights := 0
			for _, op := range work {
				if strings.HasSuffix(op.Op, "weight's gradient") {
					ofWeights++
				}
			}
			if ofWeights != len(params) {
				t.Errorf("step %d: gradients of %d weights were computed for %d factors", i, ofWeights, len(params))
			}
			if d := loss/want[i] - 1; d > 1e-4 || d < -1e-4 {
				t.Errorf("step %d: loss %v, PEFT %v", i, loss, want[i])
			}
			opt.Step(rate(i))
		}
		for _, p := range params {
			if name := "after." + p.Key; f.Has(name) {
				f.Close(name, p.T, 1e-3)
			}
		}
		for _, p := range append(nn.Params(u), nn.Params(text)...) {
			if p.T.Grad() != nil {
				t.Errorf("the frozen %s has a gradient", p.Key)
			}
		}
	})
}
