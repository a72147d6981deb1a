package postcard

import (
	"fmt"
	"image"
	"sync"

	"github.com/go-text/typesetting/font"
)

// Streams of random numbers that a seed has.
const (
	purposeSample uint64 = iota
	purposePaint
	purposeHeldOut
	purposeDegrade
)

// DefaultSize is the side of a postcard in pixels.
const DefaultSize = 128

// Config says what postcards to draw. Its zero value is what the built-in model
// is trained on.
type Config struct {
	Objects  int    // how many of the objects, 2 to 64; 0 means DefaultObjects
	FontPath string // NotoColorEmoji.ttf; empty: search where systems keep fonts
	Size     int    // side of a picture in pixels, 32 to 256; 0 means DefaultSize
}

// Generator draws postcards. It may be used by several goroutines at once.
type Generator struct {
	count  int // of objects
	size   int // of a picture
	glyphs []*image.RGBA
	scaled []sync.Map // per object: side in pixels → *image.RGBA
}

// Sample is one postcard.
type Sample struct {
	Pixels  []uint8 // [Size,Size,3] sRGB
	Size    int
	Caption string
	Scene   Scene
}

// Image returns the picture as an image.
func (s Sample) Image() *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, s.Size, s.Size))
	for i := range s.Size * s.Size {
		copy(img.Pix[4*i:4*i+3], s.Pixels[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	return img
}

// New reads the glyphs of the objects. Without the font it fails with an error
// that wraps ErrNoFont.
func New(cfg Config) (*Generator, error) {
	if cfg.Objects == 0 {
		cfg.Objects = DefaultObjects
	}
	if cfg.Size == 0 {
		cfg.Size = DefaultSize
	}
	if cfg.Objects < 2 || cfg.Objects > len(objects) {
		return nil, fmt.Errorf("postcards have 2 to %d objects, not %d", len(objects), cfg.Objects)
	}
	if cfg.Size < 32 || cfg.Size > 256 {
		return nil, fmt.Errorf("postcards are 32 to 256 pixels wide, not %d", cfg.Size)
	}
	face, err := openFont(cfg.FontPath)
	if err != nil {
		return nil, err
	}
	g := &Generator{count: cfg.Objects, size: cfg.Size}
	if g.glyphs, err = loadGlyphs(face, cfg.Objects); err != nil {
		return nil, err
	}
	g.scaled = make([]sync.Map, cfg.Objects)
	return g, nil
}

func loadGlyphs(face *font.Face, n int) ([]*image.RGBA, error) {
	glyphs := make([]*image.RGBA, n)
	for i := range glyphs {
		var err error
		if glyphs[i], err = loadGlyph(face, objects[i].Rune); err != nil {
			return nil, err
		}
	}
	return glyphs, nil
}

// Size returns the side of a picture in pixels.
func (g *Generator) Size() int { return g.size }

// Objects returns the objects that the pictures show.
func (g *Generator) Objects() []Object { return Objects(g.count) }

// Describe returns the scene and the caption of Sample(seed) without painting.
func (g *Generator) Describe(seed uint64) (Scene, string) { return describe(g.count, seed) }

func describe(objects int, seed uint64) (Scene, string) {
	r := newRNG(seed, purposeSample)
	s := r.drawScene(objects)
	return s, r.caption(&s, false)
}

// Sample draws the postcard of a seed: the same seed, objects, size and font
// give the same picture and caption.
func (g *Generator) Sample(seed uint64) Sample {
	scene, caption := g.Describe(seed)
	pixels := make([]uint8, g.size*g.size*3)
	g.Paint(scene, seed, pixels)
	return Sample{Pixels: pixels, Size: g.size, Caption: caption, Scene: scene}
}

// SampleInto is Sample with the picture painted into dst, [Size,Size,3]. It
// allocates nothing but the caption.
func (g *Generator) SampleInto(seed uint64, dst []uint8) (caption string) {
	scene, caption := g.Describe(seed)
	g.Paint(scene, seed, dst)
	return caption
}

// Paint paints a scene into dst, [Size,Size,3]; the seed varies shades and the
// shapes of landscapes.
func (g *Generator) Paint(s Scene, seed uint64, dst []uint8) {
	if len(dst) != g.size*g.size*3 {
		panic(fmt.Sprintf("postcard: picture of %d bytes, want %d×%d×3", len(dst), g.size, g.size))
	}
	r := newRNG(seed, purposePaint)
	c := canvas{size: g.size, pix: dst}
	c.background(s.Background, &r)
	for _, it := range s.Items[:s.Count] {
		glyph := g.glyph(it.Object, max(1, it.side*g.size/DefaultSize))
		w, h := glyph.Rect.Dx(), glyph.Rect.Dy()
		x := int(it.u*float32(g.size-w) + 0.5)
		y := int(it.v*float32(g.size-h) + 0.5)
		c.blend(glyph, x, y)
	}
}

// glyph returns an object's glyph with a longer side of side pixels.
func (g *Generator) glyph(object, side int) *image.RGBA {
	if img, ok := g.scaled[object].Load(side); ok {
		return img.(*image.RGBA)
	}
	img, _ := g.scaled[object].LoadOrStore(side, fit(g.glyphs[object], side))
	return img.(*image.RGBA)
}
