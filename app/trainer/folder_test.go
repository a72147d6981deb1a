package trainer

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// drawPictures writes pictures of the given widths and heights into dir.
func drawPictures(t *testing.T, dir string, list [][2]int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, s := range list {
		img := image.NewNRGBA(image.Rect(0, 0, s[0], s[1]))
		for y := range s[1] {
			for x := range s[0] {
				img.Set(x, y, color.NRGBA{uint8(x), uint8(y), uint8(i * 40), 255})
			}
		}
		f, err := os.Create(filepath.Join(dir, string(rune('a'+i))+".png"))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, img); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

func TestBucket(t *testing.T) {
	for _, c := range []struct{ w, h, side, bw, bh int }{
		{512, 512, 512, 512, 512},
		{4000, 4000, 512, 512, 512},
		{300, 200, 512, 640, 384}, // of 640×384, 5:3, and 576×448, 9:7
		{1920, 1080, 512, 640, 384},
		{1080, 1920, 512, 384, 640},
		{1000, 10, 512, 1024, 256}, // no longer than 4:1
		{832, 1216, 1024, 832, 1216},
		{50, 40, 64, 64, 64},
	} {
		if w, h := bucket(c.w, c.h, c.side); w != c.bw || h != c.bh {
			t.Errorf("%d×%d at %d: %d×%d, want %d×%d", c.w, c.h, c.side, w, h, c.bw, c.bh)
		}
	}
}

func TestFolders(t *testing.T) {
	root, class := t.TempDir(), t.TempDir()
	drawPictures(t, root, [][2]int{{80, 60}})
	drawPictures(t, filepath.Join(root, "3_sks dog"), [][2]int{{64, 64}, {64, 64}})
	drawPictures(t, filepath.Join(root, "notes"), [][2]int{{64, 64}}) // no number: not read
	drawPictures(t, class, [][2]int{{64, 64}, {64, 64}})
	if err := os.WriteFile(filepath.Join(root, "3_sks dog", "b.txt"), []byte(" a dog, lying \n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := &folder{Data: Data{Folder: root, Resolution: 64, ClassFolder: class, ClassPrompt: "a dog", PriorWeight: 0.5, Flip: true}}
	if err := f.list(); err != nil {
		t.Fatal(err)
	}
	var captions []string
	for _, e := range f.Pictures {
		captions = append(captions, e.Caption)
	}
	if want := []string{"", "sks dog", "a dog, lying", "a dog", "a dog"}; !slices.Equal(captions, want) {
		t.Errorf("captions %q", captions)
	}
	// Of the pictures and their mirror images 1+3+3 each, and as many of the class.
	count := map[int]int{}
	for _, i := range f.Pass() {
		count[i]++
	}
	for i, want := range []int{1, 3, 3, 4, 4, 1, 3, 3, 3, 3} {
		if count[i] != want {
			t.Errorf("picture %d counts %d times, want %d", i, count[i], want)
		}
	}
	for i := range f.Len() {
		want := 1.0
		if i%5 >= 3 {
			want = 0.5
		}
		if f.Weight(i) != want {
			t.Errorf("picture %d weighs %g", i, f.Weight(i))
		}
	}

	// 80×60 fills 64×64 at 64/60 of its size: 85.3 wide, of which 10.7 are cut off on each side.
	s, err := f.Sample(0)
	if err != nil {
		t.Fatal(err)
	}
	if want := (sizes{60, 80, 0, 11, 64, 64}); s.sizes != want {
		t.Errorf("sizes %v, want %v", s.sizes, want)
	}
	mirror, err := f.Sample(5)
	if err != nil {
		t.Fatal(err)
	}
	for x := range 64 {
		if s.rgb[3*x] != mirror.rgb[3*(63-x)] {
			t.Fatal("not the mirror image")
		}
	}
}

// Every batch is of one size, every picture comes once in a pass, and batch k does
// not depend on what was asked before.
func TestBatches(t *testing.T) {
	size := []int{1, 2, 1, 1, 2, 3, 1, 2, 1, 1} // 6, 3 and 1 pictures
	of := func(i int) int { return size[i] }
	b := newBatches(7, upTo(len(size)), of, 3)
	if b.perPass() != 2+1+1 {
		t.Fatalf("%d batches a pass", b.perPass())
	}
	var first [][]int
	for pass := range 3 {
		seen := map[int]int{}
		for k := range b.perPass() {
			list := b.at(pass*b.perPass() + k)
			first = append(first, list)
			for _, i := range list {
				seen[i]++
				if size[i] != size[list[0]] || len(list) != 3 {
					t.Errorf("batch %v of several sizes", list)
				}
			}
		}
		for i := range size {
			if want := map[bool]int{false: 1, true: 3}[size[i] == 3]; seen[i] != want {
				t.Errorf("pass %d: picture %d came %d times, want %d", pass, i, seen[i], want)
			}
		}
	}
	again := newBatches(7, upTo(len(size)), of, 3)
	for _, k := range []int{11, 0, 5, 3} {
		if !slices.Equal(again.at(k), first[k]) {
			t.Errorf("batch %d is %v, was %v", k, again.at(k), first[k])
		}
	}
	if slices.EqualFunc(first[:4], first[4:8], slices.Equal) {
		t.Error("two passes in the same order")
	}
}

func TestEmptyFolders(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "4_fox"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []Data{{Folder: dir}, {Folder: filepath.Join(dir, "none")}} {
		if err := (&folder{Data: d}).list(); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", d.Folder, err)
		}
	}
}
