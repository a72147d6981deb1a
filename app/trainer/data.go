package trainer

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"latent/app/pictures"
	"latent/assets/postcard"
	"latent/noise"
)

// dataset gives square RGB pictures with captions by index.
type dataset interface {
	Len() int // how many there are; endless ones say how many to cache
	Endless() bool
	Sample(i int) (rgb []uint8, caption string, err error) // rgb is [size,size,3]
	Words() []string                                       // vocabulary for a tokenizer of its own
}

func openData(d Data, seed uint64) (dataset, error) {
	if d.Postcard > 0 {
		g, err := postcard.New(postcard.Config{Objects: d.Postcard, Size: d.Resolution})
		if err != nil {
			return nil, err
		}
		return postcards{g, d.Cache, seed << 32}, nil
	}
	return openFolder(d)
}

// postcards is the endless generator.
type postcards struct {
	*postcard.Generator
	cache int
	seed  uint64
}

func (p postcards) Len() int        { return p.cache }
func (p postcards) Endless() bool   { return true }
func (p postcards) Words() []string { return postcard.Words() }

func (p postcards) Sample(i int) ([]uint8, string, error) {
	rgb := make([]uint8, p.Size()*p.Size()*3)
	return rgb, p.SampleInto(p.seed+uint64(i), rgb), nil
}

// folder is a directory of pictures with captions in .txt files beside them.
type folder struct {
	Data
	files    []string
	captions []string
}

func openFolder(d Data) (*folder, error) {
	entries, err := os.ReadDir(d.Folder)
	if err != nil {
		return nil, fmt.Errorf("pictures in %s: %w", d.Folder, pathReason(err))
	}
	f := &folder{Data: d}
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".png", ".jpg", ".jpeg", ".webp":
			f.files = append(f.files, filepath.Join(d.Folder, e.Name()))
		}
	}
	if len(f.files) == 0 {
		return nil, fmt.Errorf("no pictures (.png, .jpg, .webp) in %s", d.Folder)
	}
	sort.Strings(f.files)
	for _, path := range f.files {
		text, err := os.ReadFile(strings.TrimSuffix(path, filepath.Ext(path)) + ".txt")
		caption := strings.TrimSpace(string(text))
		if err != nil || caption == "" {
			caption = d.Prompt
		}
		f.captions = append(f.captions, caption)
	}
	return f, nil
}

func (f *folder) Len() int {
	if f.Flip {
		return 2 * len(f.files)
	}
	return len(f.files)
}

func (f *folder) Endless() bool { return false }
func (f *folder) Words() []string {
	return strings.Fields(strings.ToLower(strings.Join(f.captions, " ")))
}

func (f *folder) Sample(i int) ([]uint8, string, error) {
	n, mirrored := i%len(f.files), i >= len(f.files)
	img, err := pictures.Load(f.files[n])
	if err != nil {
		return nil, "", err
	}
	size := f.Resolution
	img = pictures.Fill(img, size, size)
	rgb := make([]uint8, 0, size*size*3)
	for y := range size {
		for x := range size {
			at := x
			if mirrored {
				at = size - 1 - x
			}
			p := img.Pix[y*img.Stride+4*at:]
			rgb = append(rgb, p[0], p[1], p[2])
		}
	}
	return rgb, f.captions[n], nil
}

// toFloat maps 8-bit RGB to [−1, 1].
func toFloat(dst []float32, rgb []uint8) {
	for i, v := range rgb {
		dst[i] = float32(v)/127.5 - 1
	}
}

// shuffled is an endless sequence of shuffled passes over n items: item k is a
// function of seed and k alone, whoever asks.
type shuffled struct {
	mu    sync.Mutex // a batch may be loaded ahead and for the present step at once
	seed  uint64
	n     int
	epoch int
	perm  []int
}

func (s *shuffled) at(k int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := k / s.n; s.perm == nil || e != s.epoch {
		s.epoch = e
		s.perm = noise.NewRand(s.seed + uint64(e)*0x9E3779B97F4A7C15).Perm(s.n)
	}
	return s.perm[k%s.n]
}
