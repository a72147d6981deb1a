package trainer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
	"unsafe"

	"latent/gpu"
	"latent/gpu/half"
	"latent/gpu/safetensors"
)

// cache holds the training set as the denoiser sees it.
type cache struct {
	latents []uint16   // of all pictures one after another, each [h,w,c], f16, scaled
	shapes  [][3]int32 // h, w, c
	first   []int      // element that each picture begins at
	sizes   []sizes
	ids     [][][]int32 // token ids by text encoder and picture
	empty   [][]int32   // of the empty prompt
}

func (c *cache) len() int { return len(c.shapes) }

// latent writes picture i's latents into dst.
func (c *cache) latent(i int, dst []float32) {
	half.F32sFromF16s(dst, c.latents[c.first[i]:c.first[i]+len(dst)])
}

func (c *cache) add(h, w, ch int, latents []uint16, s sizes, ids [][]int32) {
	c.first = append(c.first, len(c.latents))
	c.latents = append(c.latents, latents...)
	c.shapes = append(c.shapes, [3]int32{int32(h), int32(w), int32(ch)})
	c.sizes = append(c.sizes, s)
	for k := range c.ids {
		c.ids[k] = append(c.ids[k], ids[k])
	}
}

// encodedAtOnce is how many pixels the autoencoder is given at once: 16 pictures
// of 128×128, one of 512×512.
const encodedAtOnce = 16 * 128 * 128

// cacheLatents encodes every picture once, or reads what an earlier run kept.
func (r *run) cacheLatents() (*cache, error) {
	encoders := r.model.Encoders()
	c := &cache{ids: make([][][]int32, len(encoders))}
	for _, e := range encoders {
		c.empty = append(c.empty, e.Tokenizer.Encode(""))
	}
	n, path := r.data.Len(), r.statePath(latentsFile)
	if exists(path) {
		return c, c.read(path, n, r.cacheKey())
	}
	start := time.Now()
	next := ahead(r.ctx, r.data.Sample)
	defer next.stop()
	var pending []sample
	for i := range n {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		r.between()
		s, err := next.get(i)
		if err != nil {
			if err := r.leaveOut(i, err); err != nil {
				return nil, err
			}
			continue
		}
		if len(pending) > 0 && (pending[0].width != s.width || pending[0].height != s.height || (len(pending)+1)*s.width*s.height > encodedAtOnce) {
			r.encode(c, pending)
			pending = pending[:0]
		}
		pending = append(pending, s)
		rate := float64(i+1) / time.Since(start).Seconds()
		r.progress(Progress{Stage: "latents", Step: i + 1, Of: n, Rate: rate, Left: time.Duration(float64(n-i-1) / rate * float64(time.Second))})
	}
	if len(pending) > 0 {
		r.encode(c, pending)
	}
	// From now on the pictures of the training are these.
	if err := r.strike(); err != nil {
		return nil, err
	}
	if err := r.keepRoll(); err != nil {
		return nil, err
	}
	return c, c.write(path, r.cacheKey())
}

// encode adds pictures of one size to the cache.
func (r *run) encode(c *cache, list []sample) {
	vc := r.model.VAE.Config
	pixels := make([]float32, 0, len(list)*len(list[0].rgb))
	for _, s := range list {
		at := len(pixels)
		pixels = pixels[:at+len(s.rgb)]
		toFloat(pixels[at:], s.rgb)
	}
	h, w := list[0].height, list[0].width
	z := r.encodeMean(pixels, len(list), h, w)
	for i := range z {
		z[i] = (z[i] - float32(vc.ShiftFactor)) * float32(vc.ScalingFactor)
	}
	f, size := vc.Factor(), len(z)/len(list)
	latents := make([]uint16, size)
	for i, s := range list {
		half.F16sFromF32s(latents, z[i*size:(i+1)*size])
		var ids [][]int32
		for _, e := range r.model.Encoders() {
			ids = append(ids, e.Tokenizer.Encode(s.caption))
		}
		c.add(h/f, w/f, vc.LatentChannels, latents, s.sizes, ids)
	}
}

// cacheKey tells what the latents were made of.
func (r *run) cacheKey() string {
	parts := []any{r.Base, r.Skeleton, r.Seed, r.dtype, r.Data}
	if f, ok := r.data.(*folder); ok && f.fixed {
		parts = append(parts, f.roll)
	}
	return digest(parts...)
}

func (c *cache) write(path, key string) error {
	n := c.len()
	entries := []safetensors.Entry{
		{Name: "latents", DType: safetensors.F16, Shape: []int{len(c.latents)}, Data: bytesOf(c.latents)},
		{Name: "shapes", DType: safetensors.I32, Shape: []int{n, 3}, Data: bytesOf(c.shapes)},
		{Name: "sizes", DType: safetensors.I32, Shape: []int{n, 6}, Data: bytesOf(c.sizes)},
	}
	for k, rows := range c.ids {
		var ids []int32
		for _, row := range rows {
			ids = append(ids, row...)
		}
		entries = append(entries, safetensors.Entry{Name: fmt.Sprint("ids.", k), DType: safetensors.I32, Shape: []int{n, len(ids) / n}, Data: bytesOf(ids)})
	}
	return safetensors.Write(path, entries, map[string]string{"data": key})
}

func (c *cache) read(path string, n int, key string) error {
	f, err := safetensors.Open(path)
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", path, err)
	}
	defer f.Close()
	if err := c.parse(f, n, key); err != nil {
		return fmt.Errorf("checkpoint %s %w: remove it to encode the pictures again", path, err)
	}
	return nil
}

var errOtherData = errors.New("does not fit the recipe")

func (c *cache) parse(f *safetensors.File, n int, key string) error {
	z, _ := f.Get("latents")
	shapes, _ := f.Get("shapes")
	told, _ := f.Get("sizes")
	if f.Metadata()["data"] != key || len(shapes.Data) != 12*n || len(told.Data) != 24*n || len(z.Data)%2 != 0 {
		return errOtherData
	}
	c.latents, c.shapes, c.sizes = make([]uint16, len(z.Data)/2), make([][3]int32, n), make([]sizes, n)
	copy(bytesOf(c.latents), z.Data)
	copy(bytesOf(c.shapes), shapes.Data)
	copy(bytesOf(c.sizes), told.Data)
	at := 0
	for _, s := range c.shapes {
		c.first = append(c.first, at)
		if s[0] < 1 || s[1] < 1 || s[2] < 1 || at > len(c.latents) {
			return errOtherData
		}
		at += int(s[0]) * int(s[1]) * int(s[2])
	}
	if at != len(c.latents) {
		return errOtherData
	}
	for k, empty := range c.empty {
		length := len(empty)
		ids, _ := f.Get(fmt.Sprint("ids.", k))
		if len(ids.Data) != 4*n*length {
			return errOtherData
		}
		all := make([]int32, n*length)
		copy(bytesOf(all), ids.Data)
		for i := range n {
			c.ids[k] = append(c.ids[k], all[i*length:(i+1)*length])
		}
	}
	return nil
}

// exists tells whether there is a file at path.
func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// bytesOf views little-endian numbers as bytes.
func bytesOf[T uint16 | int32 | [3]int32 | sizes](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(*new(T))))
}

// encodeMean gives the latents of n pictures, [n,h,w,c], before scaling.
func (r *run) encodeMean(pixels []float32, n, height, width int) []float32 {
	var out []float32
	r.dev.Scope(func() []*gpu.Tensor {
		m := r.model.VAE.Moments(r.dev.FromFloat32(pixels, r.dtype, n, height, width, 3))
		out = gpu.Channels(m, 0, m.Dim(3)/2).Float32s()
		return nil
	})
	return out
}
