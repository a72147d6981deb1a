package trainer

import (
	"fmt"
	"io"

	"latent/gpu"
	"latent/gpu/safetensors"
	"latent/textencoder"
)

// texts makes what the U-Net attends to of a batch's captions. Where the text
// encoders do not move, each caption is encoded once and kept in a file.
type texts struct {
	*run
	cache *cache
	file  *safetensors.File // nil: the encoders are run each time
	rows  []int             // of the file, by picture
}

// encodings prepares the texts of the cache. trained says that the text encoders
// move.
func (r *run) encodings(c *cache, trained bool) (*texts, error) {
	t := &texts{run: r, cache: c}
	if trained {
		return t, nil
	}
	// Row 0 is the empty prompt.
	unique := [][][]int32{c.empty}
	seen := map[string]int{fmt.Sprint(c.empty): 0}
	for i := range c.len() {
		ids := t.ids(i, false)
		key := fmt.Sprint(ids)
		if _, ok := seen[key]; !ok {
			seen[key] = len(unique)
			unique = append(unique, ids)
		}
		t.rows = append(t.rows, seen[key])
	}
	path := r.statePath(textFile)
	if !exists(path) {
		if err := t.write(path, unique); err != nil {
			return nil, err
		}
	}
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %s: %w", path, err)
	}
	context, _ := f.Get("context")
	if f.Metadata()["data"] != r.cacheKey() || len(context.Shape) != 3 || context.Shape[0] != len(unique) {
		f.Close()
		return nil, fmt.Errorf("checkpoint %s %w: remove it to encode the captions again", path, errOtherData)
	}
	t.file = f
	return t, nil
}

// ids are picture i's tokens by text encoder.
func (t *texts) ids(i int, dropped bool) [][]int32 {
	if dropped {
		return t.cache.empty
	}
	var out [][]int32
	for k := range t.cache.ids {
		out = append(out, t.cache.ids[k][i])
	}
	return out
}

// forward encodes rows of tokens, each by text encoder.
func (t *texts) forward(rows [][][]int32) (cond textencoder.Cond) {
	var contexts []*gpu.Tensor
	for k, e := range t.model.Encoders() {
		var ids [][]int32
		for _, row := range rows {
			ids = append(ids, row[k])
		}
		out := e.Model.Forward(ids)
		z := out.Hidden[len(out.Hidden)-e.Layer]
		if e.Norm {
			z = out.LastHidden // where a norm follows, the last layer is read
		}
		contexts = append(contexts, z)
		if e.Model.TextProjection != nil {
			cond.Pooled = out.Pooled
		}
	}
	cond.Context = gpu.Concat(contexts...)
	return cond
}

// batch is the conditioning of pictures, of which some have lost their captions.
func (t *texts) batch(pictures []int, dropped []bool) (cond textencoder.Cond) {
	if t.file == nil {
		var rows [][][]int32
		for k, i := range pictures {
			rows = append(rows, t.ids(i, dropped[k]))
		}
		cond = t.forward(rows)
	} else {
		rows := make([]int, len(pictures))
		for k, i := range pictures {
			if !dropped[k] {
				rows[k] = t.rows[i]
			}
		}
		cond = textencoder.Cond{Context: t.kept("context", rows), Pooled: t.kept("pooled", rows)}
	}
	for k, d := range dropped {
		if d && t.model.ZeroNegative {
			cond = cond.Zero(k)
		}
	}
	return cond
}

// kept takes rows of a tensor out of the file; nil where there is none.
func (t *texts) kept(name string, rows []int) *gpu.Tensor {
	v, ok := t.file.Get(name)
	if !ok {
		return nil
	}
	size := len(v.Data) / v.Shape[0]
	data := make([]byte, 0, len(rows)*size)
	for _, row := range rows {
		data = append(data, v.Data[row*size:(row+1)*size]...)
	}
	return t.dev.FromBytes(data, t.dtype, append([]int{len(rows)}, v.Shape[1:]...)...)
}

var formats = map[gpu.DType]string{gpu.Float32: safetensors.F32, gpu.BFloat16: safetensors.BF16, gpu.Float16: safetensors.F16}

// write encodes captions one after another into a file.
func (t *texts) write(path string, captions [][][]int32) error {
	encode := func(row [][]int32, f func(cond textencoder.Cond)) {
		t.dev.Scope(func() []*gpu.Tensor {
			f(t.forward([][][]int32{row}))
			return nil
		})
	}
	var entries []safetensors.Entry
	add := func(name string, shape []int, of func(textencoder.Cond) *gpu.Tensor) {
		entries = append(entries, safetensors.Entry{
			Name: name, DType: formats[t.dtype], Shape: append([]int{len(captions)}, shape[1:]...),
			Stream: func(w io.Writer) (err error) {
				defer gpu.Catch(&err)
				for _, row := range captions {
					if err := t.ctx.Err(); err != nil {
						return err
					}
					encode(row, func(cond textencoder.Cond) { _, err = w.Write(of(cond).ReadBytes()) })
					if err != nil {
						return err
					}
				}
				return nil
			},
		})
	}
	encode(captions[0], func(cond textencoder.Cond) {
		add("context", cond.Context.Shape(), func(c textencoder.Cond) *gpu.Tensor { return c.Context })
		if cond.Pooled != nil {
			add("pooled", cond.Pooled.Shape(), func(c textencoder.Cond) *gpu.Tensor { return c.Pooled })
		}
	})
	return safetensors.Write(path, entries, map[string]string{"data": t.cacheKey()})
}

func (t *texts) close() {
	if t.file != nil {
		t.file.Close()
	}
}
