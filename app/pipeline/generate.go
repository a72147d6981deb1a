package pipeline

import (
	"context"
	"fmt"
	"image"
	"math"
	"time"

	"latent/app/library"
	"latent/gpu"
	"latent/noise"
	"latent/scheduler"
)

// Generate paints the pictures of a request with m, on m's device. Picture k is,
// bit for bit, the one that Seed+k alone gives. It stops within a step when ctx
// ends and returns ctx.Err() with the pictures finished by then.
func Generate(ctx context.Context, m *library.Model, req Request, progress func(Progress)) (out []Picture, err error) {
	defer gpu.Catch(&err)
	if err := req.Validate(m); err != nil {
		return nil, err
	}
	req = req.withDefaults()
	if progress == nil {
		progress = func(Progress) {}
	}
	steps, err := scheduler.New(req.schedule(), m.Scheduler)
	if err != nil {
		return nil, err
	}
	g := &generation{Model: m, req: req, steps: steps, start: time.Now()}
	m.Device.NoGrad(func() {
		m.Device.Scope(func() []*gpu.Tensor {
			g.cond = g.encode()
			for k := range req.Count {
				var img *image.NRGBA
				if img, err = g.paint(ctx, k, progress); err != nil {
					return nil
				}
				out = append(out, Picture{img, req.Seed + uint64(k), req.recipe(m, k)})
			}
			return nil
		})
	})
	return out, err
}

// generation is a request under way.
type generation struct {
	*library.Model
	req   Request
	steps []scheduler.Step
	cond  *gpu.Tensor // [1,L,D], or [2,L,D] with guidance: negative prompt, prompt
	start time.Time
	done  int // steps of all pictures
}

func (g *generation) guided() bool { return g.req.Guidance > 1 }

// encode turns the prompts into what the U-Net attends to.
func (g *generation) encode() *gpu.Tensor {
	ids := [][]int32{g.Tokenizer.Encode(g.req.Prompt)}
	if g.guided() {
		ids = [][]int32{g.Tokenizer.Encode(g.req.Negative), ids[0]}
	}
	return g.Device.Scope1(func() *gpu.Tensor { return g.Text.Forward(ids).LastHidden })
}

// paint makes picture k: noise, the reverse process, the decoder.
func (g *generation) paint(ctx context.Context, k int, progress func(Progress)) (*image.NRGBA, error) {
	src, err := noise.Open(g.req.RNG, g.req.Seed+uint64(k))
	if err != nil {
		return nil, err
	}
	var picture *image.NRGBA
	g.Device.Scope(func() []*gpu.Tensor {
		h := &history{}
		h.push(&h.x, gpu.Scale(float32(g.steps[0].Init), g.noise(src)))
		for i, s := range g.steps {
			if err = ctx.Err(); err != nil {
				return nil
			}
			if err = g.step(i, s, h, src, k, progress); err != nil {
				return nil
			}
		}
		picture, err = g.decode(h.x[0])
		return nil
	})
	return picture, err
}

// noise draws a latent of N(0,1) numbers, [1,h,w,C] Float32.
func (g *generation) noise(src noise.Source) *gpu.Tensor {
	f := g.VAE.Config.Factor()
	h, w, c := g.req.Height/f, g.req.Width/f, g.VAE.Config.LatentChannels
	z := make([]float32, h*w*c)
	noise.Latent(src, z, h, w, c)
	return g.Device.FromFloat32(z, gpu.Float32, 1, h, w, c)
}

// history holds what steps look back on, the present first.
type history struct{ x, output, denoised []*gpu.Tensor }

// depth is how far any sampler looks back.
const depth = 4

func (h *history) push(list *[]*gpu.Tensor, t *gpu.Tensor) {
	*list = append([]*gpu.Tensor{t}, *list...)
	if len(*list) > depth {
		(*list)[depth].Free()
		*list = (*list)[:depth]
	}
}

// step applies one scheduler.Step: out = model(x), then a linear combination.
func (g *generation) step(i int, s scheduler.Step, h *history, src noise.Source, k int, progress func(Progress)) error {
	dev := g.Device
	h.push(&h.output, dev.Scope1(func() *gpu.Tensor { return g.predict(h.x[0], s) }))
	h.push(&h.denoised, dev.Scope1(func() *gpu.Tensor {
		x0 := gpu.Combine([]float32{float32(s.PredictX), float32(s.PredictOutput)}, h.x[0], h.output[0])
		if s.Clip != 0 {
			x0 = gpu.Clamp(x0, -float32(s.Clip), float32(s.Clip))
		}
		return x0
	}))
	h.push(&h.x, dev.Scope1(func() *gpu.Tensor {
		var coef []float32
		var terms []*gpu.Tensor
		for _, part := range []struct {
			c  []float64
			ts []*gpu.Tensor
		}{{s.X, h.x}, {s.Output, h.output}, {s.Denoised, h.denoised}} {
			for j, c := range part.c {
				coef, terms = append(coef, float32(c)), append(terms, part.ts[j])
			}
		}
		if s.Noise != 0 {
			coef, terms = append(coef, float32(s.Noise)), append(terms, g.noise(src))
		}
		return gpu.Combine(coef, terms...)
	}))
	if !h.x[0].Finite() {
		return fmt.Errorf("step %d of %d gave numbers that are not finite: try --precision f32", i+1, len(g.steps))
	}
	g.done++
	p := Progress{Image: k + 1, Images: g.req.Count, Step: i + 1, Steps: len(g.steps)}
	left := g.req.Count*len(g.steps) - g.done
	p.Left = time.Since(g.start) / time.Duration(g.done) * time.Duration(left)
	if g.req.Preview > 0 && i+1 < len(g.steps) && (i+1)%g.req.Preview == 0 {
		p.Preview = g.preview(h.denoised[0])
	}
	progress(p)
	return nil
}

// predict runs the U-Net, with guidance on both prompts as one batch:
// ε = ε(∅) + g·(ε(prompt) − ε(∅))  (Ho & Salimans 2022, eq. 6, with g = 1+w).
func (g *generation) predict(x *gpu.Tensor, s scheduler.Step) *gpu.Tensor {
	if s.InputScale != 1 {
		x = gpu.Scale(float32(s.InputScale), x)
	}
	x = gpu.Cast(x, g.DType)
	t := []float32{float32(s.Timestep)}
	if !g.guided() {
		return gpu.Cast(g.UNet.Forward(x, t, g.cond, nil), gpu.Float32)
	}
	t = append(t, t[0])
	out := gpu.Cast(g.UNet.Forward(gpu.Stack(x, x), t, g.cond, nil), gpu.Float32)
	scale := float32(g.req.Guidance)
	return gpu.Combine([]float32{1 - scale, scale}, gpu.Rows(out, 0, 1), gpu.Rows(out, 1, 2))
}

// decode turns latents [1,h,w,C] into the picture.
func (g *generation) decode(z *gpu.Tensor) (*image.NRGBA, error) {
	var img *image.NRGBA
	var err error
	g.Device.Scope(func() []*gpu.Tensor {
		var y *gpu.Tensor
		if y, err = g.VAE.Decode(gpu.Cast(z, g.DType)); err != nil {
			return nil
		}
		if !y.Finite() {
			err = fmt.Errorf("the autoencoder gave numbers that are not finite: try --precision f32")
			return nil
		}
		img = toImage(y.Float32s(), y.Dim(2), y.Dim(1))
		return nil
	})
	return img, err
}

// toImage maps [h,w,3] in [−1,1] to 8 bits, rounding as diffusers does.
func toImage(v []float32, w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		for c := range 3 {
			u := min(max(v[3*i+c]/2+0.5, 0), 1)
			img.Pix[4*i+c] = uint8(math.RoundToEven(float64(u * 255)))
		}
		img.Pix[4*i+3] = 255
	}
	return img
}

// smallPicture is the largest area in pixels that is cheap enough to decode for
// a preview.
const smallPicture = 256 * 256

// preview shows the latents x̂₀: decoded where that is cheap, else their first
// channels as colours, one pixel each.
func (g *generation) preview(x0 *gpu.Tensor) image.Image {
	if g.req.Width*g.req.Height <= smallPicture {
		if img, err := g.decode(x0); err == nil {
			return img
		}
	}
	z, h, w, c := x0.Float32s(), x0.Dim(1), x0.Dim(2), x0.Dim(3)
	rgb := make([]float32, 3*h*w)
	for i := range h * w {
		for k := range 3 {
			rgb[3*i+k] = z[i*c+k%c] / 3
		}
	}
	return toImage(rgb, w, h)
}
