package trainer

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"latent/app/pictures"
)

// folder is a directory of pictures with captions in .txt files beside them.
type folder struct {
	Data
	files    []string
	captions []string
	repeats  []int
	class    int // those from here on are of the class, for prior preservation
}

// repeated is the name of a folder of pictures that count several times.
var repeated = regexp.MustCompile(`^([0-9]{1,4})_(.+)$`)

func openFolder(d Data) (*folder, error) {
	f := &folder{Data: d}
	if err := f.read(d.Folder, d.Prompt); err != nil {
		return nil, err
	}
	f.class = len(f.files)
	if d.ClassFolder == "" {
		return f, nil
	}
	if err := f.read(d.ClassFolder, d.ClassPrompt); err != nil {
		return nil, err
	}
	return f, nil
}

// read adds the pictures of a directory, and of those of its directories whose
// names say how often they count.
func (f *folder) read(root, prompt string) error {
	before := len(f.files)
	if err := f.add(root, prompt, 1); err != nil {
		return err
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("pictures in %s: %w", root, pathReason(err))
	}
	for _, e := range entries {
		m := repeated.FindStringSubmatch(e.Name())
		if m == nil || !e.IsDir() {
			continue
		}
		text := prompt
		if text == "" {
			text = m[2]
		}
		if n, _ := strconv.Atoi(m[1]); n > 0 {
			if err := f.add(filepath.Join(root, e.Name()), text, n); err != nil {
				return err
			}
		}
	}
	if len(f.files) == before {
		return fmt.Errorf("no pictures (.png, .jpg, .webp) in %s", root)
	}
	return nil
}

func (f *folder) add(dir, prompt string, repeats int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("pictures in %s: %w", dir, pathReason(err))
	}
	var files []string
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".png", ".jpg", ".jpeg", ".webp":
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	sort.Strings(files)
	for _, path := range files {
		text, err := os.ReadFile(strings.TrimSuffix(path, filepath.Ext(path)) + ".txt")
		caption := strings.TrimSpace(string(text))
		if err != nil || caption == "" {
			caption = prompt
		}
		f.files, f.captions, f.repeats = append(f.files, path), append(f.captions, caption), append(f.repeats, repeats)
	}
	return nil
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

// Pass has as many pictures of the class as others.
func (f *folder) Pass() []int {
	var own, class []int
	for i := range f.Len() {
		n := i % len(f.files)
		for range f.repeats[n] {
			if n < f.class {
				own = append(own, i)
			} else {
				class = append(class, i)
			}
		}
	}
	if len(class) == 0 {
		return own
	}
	for i := range len(own) {
		own = append(own, class[i%len(class)])
	}
	return own
}

func (f *folder) Weight(i int) float64 {
	if i%len(f.files) < f.class {
		return 1
	}
	return f.PriorWeight
}

func (f *folder) Sample(i int) (sample, error) {
	n, mirrored := i%len(f.files), i >= len(f.files)
	img, err := pictures.Load(f.files[n])
	if err != nil {
		return sample{}, err
	}
	from := img.Bounds().Size()
	w, h := f.Resolution, f.Resolution
	if f.Buckets {
		w, h = bucket(from.X, from.Y, f.Resolution)
	}
	img = pictures.Fill(img, w, h)
	s := sample{rgb: make([]uint8, 0, w*h*3), width: w, height: h, caption: f.captions[n]}
	for y := range h {
		for x := range w {
			at := x
			if mirrored {
				at = w - 1 - x
			}
			p := img.Pix[y*img.Stride+4*at:]
			s.rgb = append(s.rgb, p[0], p[1], p[2])
		}
	}
	// Fill scales by the larger ratio and cuts the rest off on both sides.
	scale := max(float64(w)/float64(from.X), float64(h)/float64(from.Y))
	top, left := (float64(from.Y)*scale-float64(h))/2, (float64(from.X)*scale-float64(w))/2
	s.sizes = sizes{int32(from.Y), int32(from.X), int32(math.Round(top)), int32(math.Round(left)), int32(h), int32(w)}
	return s, nil
}

// bucket is the size for a picture of w×h: a width that is a multiple of 64, with the
// largest such height that keeps the area within side². Between 1:4 and 4:1, it is
// the one whose proportions are nearest to the picture's.
func bucket(w, h, side int) (bw, bh int) {
	want := math.Log(float64(w) / float64(h))
	best := math.Inf(1)
	for x := bucketUnit; x <= 2*side; x += bucketUnit {
		y := min(side*side/x/bucketUnit*bucketUnit, 2*side)
		if y < bucketUnit || max(x, y) > 4*min(x, y) {
			continue
		}
		off := math.Abs(math.Log(float64(x)/float64(y)) - want)
		if off < best || off == best && x*y > bw*bh {
			best, bw, bh = off, x, y
		}
	}
	return bw, bh
}
