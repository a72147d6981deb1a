package postcard

import (
	"bytes"
	"context"
	"errors"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/runenames"
)

// generator returns a generator, or skips the test where the font is missing.
func generator(t testing.TB, cfg Config) *Generator {
	t.Helper()
	g, err := New(cfg)
	if errors.Is(err, ErrNoFont) {
		t.Skipf("needs the emoji font: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestSampleIsPureFunctionOfSeed(t *testing.T) {
	a, b := generator(t, Config{}), generator(t, Config{})
	pix := make([]uint8, DefaultSize*DefaultSize*3)
	var before []uint8
	for seed := range uint64(200) {
		// The second generator draws in another order, so that its cache differs.
		other := b.Sample(199 - seed)
		want := a.Sample(199 - seed)
		if !bytes.Equal(other.Pixels, want.Pixels) || other.Caption != want.Caption || other.Scene != want.Scene {
			t.Fatalf("seed %d: two generators differ", 199-seed)
		}
		if caption := a.SampleInto(199-seed, pix); caption != want.Caption || !bytes.Equal(pix, want.Pixels) {
			t.Fatalf("seed %d: Sample and SampleInto differ", 199-seed)
		}
		if bytes.Equal(before, pix) {
			t.Fatalf("seeds %d and %d give the same picture", 199-seed, 200-seed)
		}
		before = append(before[:0], pix...)
	}
}

// A recipe names its pictures by seed, so the streams must stay as they are. A
// change here means that the built-in model's data can no longer be made again.
func TestSeedsKeepTheirScenes(t *testing.T) {
	for seed, want := range []string{
		"a big plane on a red background",
		"a frog at night",
		"a rose on a green background",
		"a big heart, brown background",
		"white background, a crown beside a fox",
		"big hamburger, right, orange background",
	} {
		if _, got := describe(DefaultObjects, uint64(seed)); got != want {
			t.Errorf("seed %d: %q, want %q", seed, got, want)
		}
	}
}

func TestNoSampleShowsHeldOutPair(t *testing.T) {
	for _, n := range []int{2, DefaultObjects, len(objects)} {
		held := map[[2]int]bool{}
		for _, c := range heldOutCaptions(n, 200) {
			held[[2]int{c.Scene.Items[0].Object, int(c.Scene.Background.Top)}] = true
		}
		if len(held) != n*pairsPerObject {
			t.Errorf("%d objects: %d pairs are held out, want %d", n, len(held), n*pairsPerObject)
		}
		for seed := range uint64(20000) {
			s, caption := describe(n, seed)
			for _, it := range s.Items[:s.Count] {
				for c := Red; c < endOfPalette; c++ {
					if held[[2]int{it.Object, int(c)}] && s.Background.has(c) {
						t.Fatalf("%d objects, seed %d shows a held-out pair: %q", n, seed, caption)
					}
				}
			}
		}
	}
}

// Every other pair must be there to learn from.
func TestSamplesCoverAllOtherPairs(t *testing.T) {
	var seen [DefaultObjects][endOfPalette]int
	var landscapes [DefaultObjects]int
	for seed := range uint64(60000) {
		s, _ := describe(DefaultObjects, seed)
		for _, it := range s.Items[:s.Count] {
			switch {
			case s.Background.Kind == Plain:
				seen[it.Object][s.Background.Top]++
			case s.Background.Kind > Graded:
				landscapes[it.Object]++
			}
		}
	}
	for i, o := range Objects(DefaultObjects) {
		held := heldOutColours(i)
		for c := Red; c < endOfPalette; c++ {
			if !slices.Contains(held[:], c) && seen[i][c] == 0 {
				t.Errorf("%s never stands on %v", o.Name, c)
			}
		}
		if landscapes[i] == 0 {
			t.Errorf("%s stands in no landscape", o.Name)
		}
	}
}

func TestHeldOutCaptions(t *testing.T) {
	captions := heldOutCaptions(DefaultObjects, 200)
	if again := heldOutCaptions(DefaultObjects, 120); !slices.Equal(again, captions[:120]) {
		t.Error("the order of held-out captions depends on their number")
	}
	var uses [endOfPalette]int
	for _, c := range captions {
		s := c.Scene
		o := objects[s.Items[0].Object]
		uses[s.Background.Top]++
		colour := shades[s.Background.Top]
		if !strings.Contains(c.Text, colour.name) && (colour.synonym == "" || !strings.Contains(c.Text, colour.synonym)) {
			t.Errorf("%q does not name the background %v", c.Text, s.Background.Top)
		}
		if !slices.ContainsFunc(append(o.Aliases, o.Name), func(name string) bool { return strings.Contains(c.Text, name) }) {
			t.Errorf("%q does not name the %s", c.Text, o.Name)
		}
	}
	for c := Red; c < endOfPalette; c++ {
		if uses[c] < 200/paletteSize/2 {
			t.Errorf("%v is the background of %d held-out captions only", c, uses[c])
		}
	}
}

// The vocabulary has every word of the captions and, since a word without
// pictures would stay unlearned, no other.
func TestWordsAreThoseOfCaptions(t *testing.T) {
	vocabulary := Words()
	if len(vocabulary) >= 250 {
		t.Errorf("%d words, want fewer than 250", len(vocabulary))
	}
	used := map[string]bool{}
	for seed := range uint64(100000) {
		_, caption := describe(len(objects), seed)
		words := strings.Fields(strings.ReplaceAll(caption, ",", " ,"))
		if len(words) > MaxCaptionTokens {
			t.Fatalf("%q has %d tokens, more than %d", caption, len(words), MaxCaptionTokens)
		}
		for _, w := range words {
			used[w] = true
		}
	}
	for w := range used {
		if _, ok := slices.BinarySearch(vocabulary, w); !ok {
			t.Errorf("captions use %q, which Words lacks", w)
		}
	}
	for _, w := range vocabulary {
		if !used[w] {
			t.Errorf("Words has %q, which no caption uses", w)
		}
	}
}

func TestObjectsAgreeWithUnicode(t *testing.T) {
	// Where the everyday name is not in the Unicode name.
	unlike := map[string]string{
		"ladybug": "LADY BEETLE", "apple": "RED APPLE", "fish": "TROPICAL FISH", "whale": "SPOUTING WHALE",
		"pizza": "SLICE OF PIZZA", "burger": "HAMBURGER", "donut": "DOUGHNUT", "cake": "BIRTHDAY CAKE",
		"pumpkin": "JACK-O-LANTERN", "car": "AUTOMOBILE", "train": "STEAM LOCOMOTIVE", "plane": "AIRPLANE",
		"boat": "SAILBOAT", "tree": "DECIDUOUS TREE", "moon": "CRESCENT MOON", "star": "WHITE MEDIUM STAR",
		"snowman": "SNOWMAN WITHOUT SNOW", "dinosaur": "T-REX", "ice cream": "SOFT ICE CREAM", "gift": "WRAPPED PRESENT",
		"football": "SOCCER BALL", "house": "HOUSE BUILDING", "castle": "EUROPEAN CASTLE",
		"heart": "HEAVY BLACK HEART",
	}
	seen := map[rune]bool{}
	for _, o := range objects {
		want := strings.ToUpper(o.Name)
		if w, ok := unlike[o.Name]; ok {
			want = w
		}
		if got := runenames.Name(o.Rune); !strings.Contains(got, want) {
			t.Errorf("%s is drawn as %c, %s", o.Name, o.Rune, got)
		}
		if seen[o.Rune] {
			t.Errorf("%c is there twice", o.Rune)
		}
		seen[o.Rune] = true
	}
	if len(Objects(1000)) != 64 || len(Objects(-1)) != 0 {
		t.Error("Objects does not clamp its argument")
	}
}

func TestNewRefuses(t *testing.T) {
	for _, cfg := range []Config{{Objects: 1}, {Objects: 65}, {Size: 8}, {Size: 257}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("New(%+v) gives no error", cfg)
		}
	}
	_, err := New(Config{FontPath: filepath.Join(t.TempDir(), "none.ttf")})
	if !errors.Is(err, ErrNoFont) || !strings.Contains(err.Error(), "fonts-noto-color-emoji") {
		t.Errorf("a missing font gives %v", err)
	}
	broken := filepath.Join(t.TempDir(), "broken.ttf")
	if err := os.WriteFile(broken, []byte("no font"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{FontPath: broken}); err == nil || errors.Is(err, ErrNoFont) {
		t.Errorf("a broken font gives %v", err)
	}
}

func TestWriteDataset(t *testing.T) {
	g := generator(t, Config{})
	dir := filepath.Join(t.TempDir(), "new", "folder")
	calls := 0
	if err := g.WriteDataset(context.Background(), dir, 3, 7, func(done, count int) { calls++ }); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 6 || calls != 3 {
		t.Errorf("%d files after %d calls of progress, want 6 after 3", len(entries), calls)
	}
	want := g.Sample(9)
	caption, err := os.ReadFile(filepath.Join(dir, "000003.txt"))
	if err != nil || string(caption) != want.Caption+"\n" {
		t.Errorf("caption %q (%v), want %q", caption, err, want.Caption)
	}
	data, err := os.ReadFile(filepath.Join(dir, "000003.png"))
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for i := range g.size * g.size {
		r, gr, b, _ := img.At(i%g.size, i/g.size).RGBA()
		if p := want.Pixels[3*i:]; uint8(r>>8) != p[0] || uint8(gr>>8) != p[1] || uint8(b>>8) != p[2] {
			t.Fatalf("pixel %d differs", i)
		}
	}

	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.WriteDataset(ended, dir, 1, 0, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled run gives %v", err)
	}
	if err := g.WriteDataset(context.Background(), dir, 0, 0, nil); err == nil {
		t.Error("a dataset of no pictures gives no error")
	}
	file := filepath.Join(dir, "000001.png")
	if err := g.WriteDataset(context.Background(), file, 1, 0, nil); err == nil {
		t.Error("writing below a file gives no error")
	}
}

func BenchmarkSampleInto(b *testing.B) {
	g := generator(b, Config{})
	pix := make([]uint8, DefaultSize*DefaultSize*3)
	for seed := range uint64(5000) { // fill the cache of scaled glyphs
		g.SampleInto(seed, pix)
	}
	b.ReportAllocs()
	var seed uint64
	for b.Loop() {
		g.SampleInto(seed, pix)
		seed++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pictures/s")
}
