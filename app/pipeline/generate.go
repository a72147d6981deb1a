package pipeline

import (
	"context"
	"strconv"
	"sync"
	"time"

	"latent/app/gallery"
	"latent/app/library"
	"latent/gpu"
	"latent/noise"
	"latent/scheduler"
)

// Generate paints the pictures of a request with m, on m's device. Picture k is,
// bit for bit, the one that req.At(k) alone gives. It stops within a step when
// ctx ends and returns ctx.Err() with the pictures finished by then.
func Generate(ctx context.Context, m *library.Model, req Request, progress func(Progress)) (out []Picture, err error) {
	var b beside
	defer b.nets.close()
	defer b.scaler.close()
	defer func() {
		if lost := b.patches.clear(); err == nil {
			err = lost
		}
	}()
	return generate(ctx, m, &b, req, progress)
}

// beside is what stays open with a model from one request to the next. The zero value
// holds nothing.
type beside struct {
	patches patches // LoRAs on the weights
	nets    nets
	scaler  scaler
}

// generate is Generate for a model with what stays open beside it.
func generate(ctx context.Context, m *library.Model, b *beside, req Request, progress func(Progress)) (out []Picture, err error) {
	defer gpu.Catch(&err)
	if err := req.Validate(m); err != nil {
		return nil, err
	}
	req = req.withDefaults(m)
	if h := req.Hires; h != nil {
		if h.Upscaler, err = h.upscaler(req.UpscalerFolder); err != nil {
			return nil, err
		}
	}
	if progress == nil {
		progress = func(Progress) {}
	}
	g, err := newGeneration(m, req, progress)
	if err != nil {
		return nil, err
	}
	if g.loras, err = b.patches.set(m, req); err != nil {
		return nil, err
	}
	controls, err := b.nets.set(m, req)
	if err != nil {
		return nil, err
	}
	g.guides = newGuides(req, controls)
	g.scaler = &b.scaler
	if err = g.scaler.set(m, req); err != nil {
		return nil, err
	}
	m.VAE.Tiling = req.Tiling
	defer func() {
		m.VAE.Rescue, m.UNet.Rescue = nil, nil
		for _, c := range controls {
			c.Rescue = nil
		}
	}()
	m.Device.NoGrad(func() {
		m.Device.Scope(func() []*gpu.Tensor {
			if err = ctx.Err(); err != nil {
				return nil
			}
			if err = g.prepare(); err != nil {
				return nil
			}
			for k := range req.Count {
				var p Picture
				if p, err = g.paint(ctx, k); err != nil {
					return nil
				}
				out = append(out, p)
			}
			return nil
		})
	})
	return out, err
}

// generation is a request under way.
type generation struct {
	*library.Model
	req      Request
	progress func(Progress)
	passes   []*pass
	canvas   *canvas // nil without a picture to begin at
	cond     *conditions

	moments, masked *gpu.Tensor // of the canvas [1,h,w,2C]; masked for a U-Net that inpaints
	mask            *gpu.Tensor // [1,h,w,1], 1 where the canvas is painted

	guides []*guide // in the order of the request's controls
	scaler *scaler  // holds an ESRGAN if the request wants one

	loras  []gallery.Pair             // names and hashes
	hashes func() (model, vae string) // of the files

	// Of the pass under way:
	replays map[bool]*replay // by whether they run the whole U-Net
	deep    []*gpu.Tensor    // what its last whole pass left, see unet.Deep
	kept    *State           // where the next step runs it

	eager bool // nothing is captured: the device failed to

	k     int // picture under way
	start time.Time
	done  int // steps of all pictures, without those before Resume
}

// pass is a trajectory at one size.
type pass struct {
	index         int
	stage         string
	width, height int // pixels
	steps         []scheduler.Step
	first         int // steps of the passes before

	// Of the picture under way:
	known, z *gpu.Tensor // the latents to begin at (nil: none), and the noise
	extra    *gpu.Tensor // [1,h,w,1+C], what a U-Net that inpaints reads beside the latent: mask, masked latents
}

func newGeneration(m *library.Model, req Request, progress func(Progress)) (*generation, error) {
	g := &generation{Model: m, req: req, progress: progress, start: time.Now(), replays: map[bool]*replay{}}
	steps, err := scheduler.New(req.options(), m.Scheduler)
	if err != nil {
		return nil, err
	}
	g.passes = []*pass{{stage: StageDenoise, width: req.Width, height: req.Height, steps: steps}}
	if h := req.Hires; h != nil {
		second, err := scheduler.New(req.hiresOptions(), m.Scheduler)
		if err != nil {
			return nil, err
		}
		g.passes = append(g.passes, &pass{index: 1, stage: StageHires, width: h.Width, height: h.Height, steps: second, first: len(steps)})
	}
	g.hashes = sync.OnceValues(g.hash)
	go g.hashes() // gigabytes take seconds, the first time
	g.cond, err = g.newConditions()
	return g, err
}

// steps of a picture.
func (g *generation) steps() int {
	last := g.passes[len(g.passes)-1]
	return last.first + len(last.steps)
}

// report tells how far the picture is: step steps of pass p are done.
func (g *generation) report(stage string, p *pass, step int, more func(*Progress)) {
	out := Progress{Image: g.k + 1, Images: g.req.Count, Stage: stage, Step: p.first + step, Steps: g.steps(), Rescued: g.born()}
	if g.done > 0 {
		left := (g.req.Count-g.k)*g.steps() - out.Step
		out.Left = time.Since(g.start) / time.Duration(g.done) * time.Duration(left)
	}
	if more != nil {
		more(&out)
	}
	g.progress(out)
}

// prepare encodes what all pictures share.
func (g *generation) prepare() (err error) {
	g.report(StageEncode, g.passes[0], 0, nil)
	if err = g.encode(); err != nil {
		return err
	}
	if g.Inpaints() && g.req.Mask == nil {
		for _, p := range g.passes {
			if p.extra, err = g.blank(p); err != nil {
				return err
			}
		}
	}
	if g.req.Init == nil {
		return g.embedHints()
	}
	c := newCanvas(g.req)
	g.canvas = c
	if err = g.embedHints(); err != nil {
		return err
	}
	if g.moments, err = g.encodePixels(values(c.init, nil), g.req.Width, g.req.Height); err != nil {
		return err
	}
	if c.hard == nil {
		return nil
	}
	f := g.VAE.Config.Factor()
	g.mask = g.Device.FromFloat32(latentMask(c.hard, g.req.Width, g.req.Height, f), gpu.Float32, 1, g.req.Height/f, g.req.Width/f, 1)
	if g.Inpaints() {
		g.masked, err = g.encodePixels(values(c.init, c.hard), g.req.Width, g.req.Height)
	}
	return err
}

// paint makes picture k: noise, the reverse process, the decoder.
func (g *generation) paint(ctx context.Context, k int) (out Picture, err error) {
	g.k = k
	req := g.req.At(k)
	src, err := noise.Open(req.RNG, req.Seed)
	if err != nil {
		return out, err
	}
	out = Picture{Seed: req.Seed, Recipe: g.recipe(req)}
	g.Device.Scope(func() []*gpu.Tensor {
		var x *gpu.Tensor
		var last *pass
		for i, p := range g.passes {
			if req.Resume != nil && i < req.Resume.Pass {
				continue
			}
			var stopped int
			if x, stopped, err = g.run(ctx, i, x, src, req); err != nil {
				return nil
			}
			if last = p; stopped > 0 {
				out.Recipe.Extra = append(out.Recipe.Extra, gallery.Pair{Key: "Stopped after steps", Value: strconv.Itoa(stopped)})
				break
			}
		}
		g.report(StageDecode, last, len(last.steps), nil)
		out.Image, err = g.decode(x)
		return nil
	})
	out.Rescued = g.born()
	out.Recipe.ModelHash, out.Recipe.VAEHash = g.hashes()
	if err == nil && g.canvas != nil {
		out.Image = g.canvas.finish(out.Image)
	}
	return out, err
}

// run is a pass: from the latents of the pass before (nil for the first) to its
// own. stopped, if not 0, says after how many steps of the picture it was ended.
func (g *generation) run(ctx context.Context, i int, before *gpu.Tensor, src noise.Source, req Request) (x *gpu.Tensor, stopped int, err error) {
	p := g.passes[i]
	h, from, err := g.enter(ctx, i, before, src, req)
	if err != nil {
		return nil, 0, err
	}
	defer g.dropDeep()
	defer g.drop()
	print := sync.OnceValue(func() string { return req.fingerprint(g.Model) })
	for s := from; s < len(p.steps); s++ {
		if err := ctx.Err(); err != nil {
			return nil, 0, err
		}
		select {
		case <-req.Skip:
			if len(h.denoised) > 0 {
				return h.denoised[0], p.first + s, nil
			}
		default:
		}
		if err := g.step(p, s, h, src); err != nil {
			return nil, 0, err
		}
		g.done++
		g.report(p.stage, p, s+1, func(out *Progress) {
			if n := req.Preview; n > 0 && s+1 < len(p.steps) && (s+1)%n == 0 {
				out.Preview = g.preview(h.denoised[0])
			}
			out.State = g.state(p, s+1, func() *State { return h.save(i, s+1, src, print()) })
		})
	}
	return h.x[0], 0, ctx.Err()
}

// enter gives the history with which pass i begins, and how many of its steps
// are done: none, or those of the picture to go on with.
func (g *generation) enter(ctx context.Context, i int, before *gpu.Tensor, src noise.Source, req Request) (h *history, done int, err error) {
	p, h := g.passes[i], &history{}
	r := req.Resume
	resumed := r != nil && r.Pass == i
	var x *gpu.Tensor
	switch {
	case i == 0: // also to go on: what is kept outside of the mask follows from the seed
		x = g.begin(p, req, src)
	case !resumed:
		x, err = g.enlarge(ctx, p, before, src)
	}
	if err != nil {
		return nil, 0, err
	}
	if resumed {
		h, err = r.restore(g.Device, src)
		return h, r.Step, err
	}
	h.push(&h.x, x)
	return h, 0, nil
}
