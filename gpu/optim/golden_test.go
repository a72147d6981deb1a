package optim_test

import (
	"math"
	"testing"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/nn/golden"
	"latent/gpu/optim"
	"latent/textencoder"
	"latent/unet"
)

// models loads the small U-Net and text encoder of testdata.
func models(t *testing.T, dev *gpu.Device) (*unet.Model, *textencoder.Model) {
	t.Helper()
	uc, err := unet.ParseConfig(golden.Read(t, "testdata/unet/config.json"))
	if err != nil {
		t.Fatal(err)
	}
	u, err := unet.New(uc)
	if err != nil {
		t.Fatal(err)
	}
	tc, err := textencoder.ParseConfig(golden.Read(t, "testdata/text_encoder/config.json"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := textencoder.New(tc)
	if err != nil {
		t.Fatal(err)
	}
	for folder, m := range map[string]any{"unet": u, "text_encoder": text} {
		if err := nn.Load(m, dev, gpu.Float32, golden.Open(t, "testdata", folder, "model.safetensors")); err != nil {
			t.Fatal(err)
		}
	}
	return u, text
}

// part is element i of a tensor's first axis.
func part(f *golden.File, name string, i int) ([]float32, []int) {
	data, shape := f.Float32s(name)
	n := len(data) / shape[0]
	return data[i*n : (i+1)*n], shape[1:]
}

// Ten steps: forward, gradients, clipping, the schedule's rate and the update
// must all be torch's for the losses to stay together.
func TestTenStepsEqualTorch(t *testing.T) {
	const steps, warmup, lr = 10, 3, 3e-3
	golden.EachDevice(t, func(t *testing.T, dev *gpu.Device) {
		for _, name := range []string{"constant", "cosine"} {
			t.Run(name, func(t *testing.T) {
				u, text := models(t, dev)
				f := golden.Open(t, "testdata/golden.safetensors")
				opt, err := optim.New(append(nn.Trainable(u), nn.Trainable(text)...), optim.Config{
					Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, WeightDecay: 0.1, ClipNorm: 1,
				})
				if err != nil {
					t.Fatal(err)
				}
				rate, err := optim.NewSchedule(name, lr, warmup, steps)
				if err != nil {
					t.Fatal(err)
				}
				wantLoss, _ := f.Float32s(name + ".loss")
				wantNorm, _ := f.Float32s(name + ".norm")
				worst := 0.0
				for i := range steps {
					x, shape := part(f, "x", i)
					target, _ := part(f, "target", i)
					times, _ := part(f, "t", i)
					flat, idShape := part(f, "ids", i)
					ids := make([][]int32, idShape[0])
					for j, v := range flat {
						ids[j/idShape[1]] = append(ids[j/idShape[1]], int32(v))
					}
					loss := dev.Differentiate(1, func() *gpu.Tensor {
						y := u.Forward(dev.FromFloat32(x, gpu.Float32, shape...), times, text.Forward(ids).LastHidden, nil)
						return gpu.MSE(y, dev.FromFloat32(target, gpu.Float32, shape...), nil)
					})
					norm := opt.Step(rate(i))
					off := math.Abs(float64(loss/wantLoss[i]) - 1)
					worst = max(worst, off)
					if !(off < 1e-4) {
						t.Errorf("step %d: loss %v, torch has %v", i, loss, wantLoss[i])
					}
					if off := math.Abs(norm/float64(wantNorm[i]) - 1); !(off < 1e-3) {
						t.Errorf("step %d: gradient norm %v, torch has %v", i, norm, wantNorm[i])
					}
				}
				t.Logf("losses within %.1e", worst)
				// A kernel, which decays, and a vector, which does not.
				f.Close(name+".conv_in", u.ConvIn.Weight.T, 1e-4)
				f.Close(name+".final_layer_norm", text.TextModel.FinalLayerNorm.Weight.T, 1e-4)
			})
		}
	})
}
