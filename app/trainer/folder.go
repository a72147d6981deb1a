package trainer

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"latent/app/pictures"
	"latent/gpu/atomicfile"
)

// folder is a directory of pictures with captions in .txt files beside them.
type folder struct {
	Data
	roll
	fixed  bool          // the roll is that of a training that has begun
	spoilt map[int]error // of the pictures, why some turned out to be no use
}

// repeated is the name of a folder of pictures that count several times.
var repeated = regexp.MustCompile(`^([0-9]{1,4})_(.+)$`)

// Repeats reads the name of a folder of pictures such as 10_fox: how often they
// count, and what they show. 0: it is another folder.
func Repeats(name string) (n int, what string) {
	m := repeated.FindStringSubmatch(name)
	if m == nil {
		return 0, ""
	}
	n, _ = strconv.Atoi(m[1]) // at most four digits
	return n, m[2]
}

// list puts on the roll what is in the folders.
func (f *folder) list() error {
	if err := f.read(f.Folder, f.Prompt, false); err != nil || f.ClassFolder == "" {
		return err
	}
	return f.read(f.ClassFolder, f.ClassPrompt, true)
}

// read adds the pictures of a directory, and of those of its directories whose
// names say how often they count.
func (f *folder) read(root, prompt string, class bool) error {
	before := len(f.Pictures)
	if err := f.add(root, ".", entry{Caption: prompt, Repeats: 1, Class: class}); err != nil {
		return err
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return fmt.Errorf("pictures in %s: %w", root, atomicfile.Reason(err))
	}
	for _, e := range entries {
		n, name := Repeats(e.Name())
		if n == 0 || !e.IsDir() {
			continue
		}
		if err := f.add(root, e.Name(), entry{Caption: cmp.Or(prompt, name), Repeats: n, Class: class}); err != nil {
			return err
		}
	}
	if len(f.Pictures) == before {
		return fmt.Errorf("no pictures (.png, .jpg, .webp) in %s", root)
	}
	return nil
}

// add adds the pictures of root/dir, each as like is where it does not say more.
func (f *folder) add(root, dir string, like entry) error {
	entries, err := os.ReadDir(filepath.Join(root, dir)) // by name
	if err != nil {
		return fmt.Errorf("pictures in %s: %w", filepath.Join(root, dir), atomicfile.Reason(err))
	}
	for _, e := range entries {
		if !isPicture(e) {
			continue
		}
		p := like
		p.Path = filepath.Join(dir, e.Name())
		if text := readCaption(filepath.Join(root, p.Path)); text != "" {
			p.Caption = text
		}
		f.Pictures = append(f.Pictures, p)
	}
	return nil
}

func isPicture(e fs.DirEntry) bool {
	return !e.IsDir() && pictures.Named(e.Name()) && !strings.HasPrefix(e.Name(), ".")
}

// mostCaption is how many bytes of a caption are read. A text encoder takes some
// hundreds.
const mostCaption = 64 << 10

// readCaption is the text beside a picture; "" if there is none.
func readCaption(picture string) string {
	file, err := os.Open(strings.TrimSuffix(picture, filepath.Ext(picture)) + ".txt")
	if err != nil {
		return ""
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, mostCaption))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(text), ""))
}

// path is where picture n lies.
func (f *folder) path(n int) string {
	if e := f.Pictures[n]; e.Class {
		return filepath.Join(f.ClassFolder, e.Path)
	}
	return filepath.Join(f.Folder, f.Pictures[n].Path)
}

// gone tells whether a folder of pictures has vanished, as that of a disk does which
// is unplugged, and not merely one of its files.
func gone(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err != nil || !slices.ContainsFunc(entries, isPicture)
}

// isReading tells an error of the file system from one of what a file holds.
func isReading(err error) bool { return errors.As(err, new(*fs.PathError)) }

func (f *folder) Len() int {
	if f.Flip {
		return 2 * len(f.Pictures)
	}
	return len(f.Pictures)
}

func (f *folder) Endless() bool { return false }
func (f *folder) Words() []string {
	var all []string
	for _, e := range f.Pictures {
		all = append(all, strings.Fields(strings.ToLower(e.Caption))...)
	}
	return all
}

// Pass has as many pictures of the class as others.
func (f *folder) Pass() []int {
	var own, class []int
	for i := range f.Len() {
		e := f.Pictures[i%len(f.Pictures)]
		for range e.Repeats {
			if e.Class {
				class = append(class, i)
			} else {
				own = append(own, i)
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
	if f.Pictures[i%len(f.Pictures)].Class {
		return f.PriorWeight
	}
	return 1
}

func (f *folder) Sample(i int) (sample, error) {
	n, mirrored := i%len(f.Pictures), i >= len(f.Pictures)
	img, err := pictures.Load(f.path(n))
	if err != nil {
		return sample{}, err
	}
	from := img.Bounds().Size()
	if TooSmall(from.X, from.Y, f.Resolution) {
		return sample{}, fmt.Errorf("only %d×%d pixels, too few for %d", from.X, from.Y, f.Resolution)
	}
	w, h := f.Resolution, f.Resolution
	if f.Buckets {
		w, h = bucket(from.X, from.Y, f.Resolution)
	}
	img = pictures.Fill(img, w, h)
	s := sample{rgb: make([]uint8, 0, w*h*3), width: w, height: h, caption: f.Pictures[n].Caption}
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

// TooSmall tells whether a picture of w×h pixels is left out at a resolution: scaled
// up more than four times, it would teach little but blur.
func TooSmall(w, h, resolution int) bool { return 4*min(w, h) < resolution }

// bucket is the size for a picture of w×h: a width that is a multiple of 64, with the
// largest such height that keeps the area within side². Between 1:4 and 4:1, it is
// the one whose proportions are nearest to the picture's.
func bucket(w, h, side int) (bw, bh int) {
	want := math.Log(float64(w) / float64(h))
	best := math.Inf(1)
	for x := BucketUnit; x <= 2*side; x += BucketUnit {
		y := min(side*side/x/BucketUnit*BucketUnit, 2*side)
		if y < BucketUnit || max(x, y) > 4*min(x, y) {
			continue
		}
		off := math.Abs(math.Log(float64(x)/float64(y)) - want)
		if off < best || off == best && x*y > bw*bh {
			best, bw, bh = off, x, y
		}
	}
	return bw, bh
}
