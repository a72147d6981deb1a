package trainer

import (
	"fmt"
	"os"
	"time"
	"unsafe"

	"latent/gpu/half"
	"latent/gpu/safetensors"
)

// cache holds the training set as the denoiser sees it.
type cache struct {
	h, w, c int
	latents []uint16  // [n,h,w,c], f16, scaled
	ids     [][]int32 // token ids by caption
	empty   []int32   // token ids of the empty prompt
}

func (c *cache) len() int { return len(c.ids) }

// latent writes picture i's latents into dst.
func (c *cache) latent(i int, dst []float32) {
	n := c.h * c.w * c.c
	half.F32sFromF16s(dst, c.latents[i*n:(i+1)*n])
}

// cacheLatents encodes every picture once, or reads what an earlier run kept.
func (r *run) cacheLatents() (*cache, error) {
	vc := r.model.VAE.Config
	scale, n := r.Data.Resolution/r.model.VAE.Config.Factor(), r.data.Len()
	c := &cache{h: scale, w: scale, c: vc.LatentChannels, empty: r.model.Tokenizer.Encode("")}
	size, length := c.h*c.w*c.c, len(c.empty)
	path := r.statePath("latents.safetensors")
	if _, err := os.Stat(path); err == nil {
		return c, c.read(path, n, length)
	}

	c.latents, c.ids = make([]uint16, n*size), make([][]int32, n)
	const per = 16
	start := time.Now()
	direct := func(k int) (batch, error) {
		b := batch{size: r.Data.Resolution}
		pix := r.Data.Resolution * r.Data.Resolution * 3
		for i := k * per; i < min((k+1)*per, n); i++ {
			rgb, caption, err := r.data.Sample(i)
			if err != nil {
				return b, err
			}
			b.pixels = append(b.pixels, make([]float32, pix)...)
			toFloat(b.pixels[len(b.pixels)-pix:], rgb)
			b.captions = append(b.captions, caption)
		}
		return b, nil
	}
	next := prefetch(r.ctx, direct)
	defer next.stop()
	for k := 0; k*per < n; k++ {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		b, err := next.get(k)
		if err != nil {
			return nil, err
		}
		z := r.encodeMean(b.pixels, len(b.captions))
		for i := range z {
			z[i] = (z[i] - float32(vc.ShiftFactor)) * float32(vc.ScalingFactor)
		}
		half.F16sFromF32s(c.latents[k*per*size:], z)
		for i, text := range b.captions {
			c.ids[k*per+i] = r.model.Tokenizer.Encode(text)
		}
		done := k*per + len(b.captions)
		rate := float64(done) / time.Since(start).Seconds()
		r.progress(Progress{Stage: "latents", Step: done, Of: n, Rate: rate, Left: time.Duration(float64(n-done) / rate * float64(time.Second))})
	}
	return c, c.write(path)
}

func (c *cache) write(path string) error {
	ids := make([]int32, 0, len(c.ids)*len(c.empty))
	for _, row := range c.ids {
		ids = append(ids, row...)
	}
	return safetensors.Write(path, []safetensors.Entry{
		{Name: "latents", DType: safetensors.F16, Shape: []int{len(c.ids), c.h, c.w, c.c}, Data: bytesOf(c.latents)},
		{Name: "ids", DType: safetensors.I32, Shape: []int{len(c.ids), len(c.empty)}, Data: bytesOf(ids)},
	}, nil)
}

func (c *cache) read(path string, n, length int) error {
	f, err := safetensors.Open(path)
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	defer f.Close()
	z, ok1 := f.Get("latents")
	ids, ok2 := f.Get("ids")
	size := c.h * c.w * c.c
	if !ok1 || !ok2 || len(z.Data) != 2*n*size || len(ids.Data) != 4*n*length {
		return fmt.Errorf("checkpoint %s does not fit the recipe: remove it to encode the pictures again", path)
	}
	c.latents = make([]uint16, n*size)
	copy(bytesOf(c.latents), z.Data)
	all := make([]int32, n*length)
	copy(bytesOf(all), ids.Data)
	for i := range n {
		c.ids = append(c.ids, all[i*length:(i+1)*length])
	}
	return nil
}

// bytesOf views little-endian numbers as bytes.
func bytesOf[T uint16 | int32](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(*new(T))))
}
