package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"time"

	"github.com/disintegration/imaging"

	"latent/app/gallery"
	"latent/app/library"
	"latent/app/pictures"
	"latent/app/pictures/hint"
	"latent/gpu"
	"latent/gpu/nn"
	"latent/unet"
)

// Control is a picture that the painting is to go by, as a ControlNet sees to it.
type Control struct {
	Model        string      // of a file in Request.ControlFolder, without ending; or a path
	Picture      image.Image `json:"-"` // scaled to cover the size that is painted; nil: Request.Init
	Preprocessor string      // what the net is shown of it, by a name or label of hint.All; "" is none
	A, B         float64     // its settings; 0 is its default
	Weight       float64     // 1 is as it was trained; 0 is 1
	Start, End   float64     // the share of the steps where it begins and ends; End 0 is 1
}

// maxControls is a limit against slips of the finger.
const maxControls = 8

func (c Control) withDefaults() Control {
	if c.Weight == 0 {
		c.Weight = 1
	}
	if c.End == 0 {
		c.End = 1
	}
	return c
}

// validControls says what of the controls cannot be done.
func (r Request) validControls() error {
	if n := len(r.Controls); n > maxControls {
		return fmt.Errorf("%d controls: at most %d", n, maxControls)
	}
	for _, c := range r.Controls {
		c = c.withDefaults()
		p, err := hint.Find(c.Preprocessor)
		if err == nil {
			err = p.Check(c.A, c.B)
		}
		img := cmp.Or(c.Picture, r.Init)
		switch {
		case err != nil:
			return fmt.Errorf("control %s: %w", c.Model, err)
		case c.Model == "":
			return errors.New("a control needs a ControlNet")
		case img == nil || img.Bounds().Empty():
			return fmt.Errorf("control %s needs a picture, or one to begin at (init)", c.Model)
		case math.IsNaN(c.Weight) || math.IsInf(c.Weight, 0):
			return fmt.Errorf("control %s: weight %g is not a number", c.Model, c.Weight)
		case !(c.Start >= 0 && c.Start < c.End && c.End <= 1):
			return fmt.Errorf("control %s: from %g to %g of the steps: between 0 and 1, the beginning first", c.Model, c.Start, c.End)
		}
	}
	return nil
}

// Hint is what a ControlNet is shown of a control's picture where width×height
// pixels are painted.
func (c Control) Hint(width, height int) (*image.NRGBA, error) {
	p, err := hint.Find(c.Preprocessor)
	if err == nil {
		err = p.Check(c.A, c.B)
	}
	if err != nil {
		return nil, err
	}
	return p.Apply(pictures.Fill(c.Picture, width, height), c.A, c.B), nil
}

// nets are the ControlNets that are open beside a model. The zero value holds none.
type nets struct{ open map[string]openNet }

type openNet struct {
	*library.ControlNet
	changed time.Time
}

// set opens the nets of a request, one for each control, and closes others.
func (n *nets) set(m *library.Model, r Request) (out []*library.ControlNet, err error) {
	var paths []string
	for _, c := range r.Controls {
		path, err := find(library.KindControlNet, c.Model, r.ControlFolder)
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	for path, o := range n.open { // first: both may not have room at once
		if !slices.Contains(paths, path) || !o.changed.Equal(modified(path)) {
			o.Close()
			delete(n.open, path)
		}
	}
	for _, path := range paths {
		o, ok := n.open[path]
		if !ok {
			changed := modified(path)
			c, err := library.OpenControlNet(path, m)
			if err != nil {
				return nil, err
			}
			o = openNet{c, changed}
			if n.open == nil {
				n.open = map[string]openNet{}
			}
			n.open[path] = o
		}
		out = append(out, o.ControlNet)
	}
	return out, nil
}

// close closes all.
func (n *nets) close() {
	for _, o := range n.open {
		o.Close()
	}
	n.open = nil
}

// guide is a control under way.
type guide struct {
	Control
	net   *library.ControlNet
	hints []*gpu.Tensor // of each pass, [1,h,w,C]
}

func newGuides(r Request, nets []*library.ControlNet) (out []*guide) {
	for i, c := range r.Controls {
		out = append(out, &guide{Control: c.withDefaults(), net: nets[i]})
	}
	return out
}

// embedHints shows each net its picture at the size of each pass, once for all
// steps and pictures.
func (g *generation) embedHints() error {
	for _, c := range g.guides {
		for _, p := range g.passes {
			img := g.hintOf(c.Control, p)
			v := values(img, nil)
			for i := range v {
				v[i] = (v[i] + 1) / 2
			}
			t, err := g.rescued(&c.net.Rescue, c.net.ControlNet, func() (*gpu.Tensor, error) {
				return c.net.Embed(g.Device.FromFloat32(v, g.DType, 1, p.height, p.width, 3)), nil
			})
			if err != nil {
				return fmt.Errorf("ControlNet %s: %w", c.net.Name, err)
			}
			c.hints = append(c.hints, t)
		}
	}
	return nil
}

// hintOf is the hint for a pass. Where the masked part alone is painted, the
// control's picture is of the whole.
func (g *generation) hintOf(c Control, p *pass) *image.NRGBA {
	if c.Picture == nil {
		c.Picture = g.req.Init
	}
	if g.canvas != nil && g.canvas.whole != nil {
		b := g.canvas.whole.Bounds()
		c.Picture = imaging.Crop(pictures.Fill(c.Picture, b.Dx(), b.Dy()), g.canvas.part)
	}
	img, err := c.Hint(p.width, p.height)
	if err != nil {
		panic(err) // which Validate has found
	}
	return img
}

// active are the controls of step i of a pass.
func (g *generation) active(p *pass, i int) (out []*guide) {
	for _, c := range g.guides {
		if within(i, len(p.steps), c.Start, c.End) {
			out = append(out, c)
		}
	}
	return out
}

// residuals runs the ControlNets on x[rows,h,w,Cin], the U-Net's input.
func (g *generation) residuals(p *pass, guides []*guide, x, code, context *gpu.Tensor, added *unet.Added) (out []unet.Residuals) {
	if len(guides) == 0 {
		return nil
	}
	if c := g.VAE.Config.LatentChannels; x.Dim(3) > c { // the mask is for the U-Net alone
		x = gpu.Channels(x, 0, c)
	}
	told := &unet.Added{Pooled: added.Pooled, TimeIDs: added.TimeIDs, SizeCode: added.SizeCode}
	for _, c := range guides {
		if g.UNet.Rescue != nil && c.net.Rescue == nil {
			c.net.Rescue = &nn.Rescue{Model: c.net.ControlNet}
		}
		r := c.net.Forward(x, code, repeated(c.hints[p.index], x.Dim(0)), context, told)
		r.Weight = float32(c.Weight)
		out = append(out, r)
	}
	return out
}

// watched tells whether blocks of the U-Net, or of what guides it, are watched over.
func (g *generation) watched() bool {
	return g.UNet.Rescue != nil || slices.ContainsFunc(g.guides, func(c *guide) bool { return c.net.Rescue != nil })
}

// controls are those of the recipe.
func (g *generation) controls(r Request) (out []gallery.Pair) {
	for i, c := range g.guides {
		p, _ := hint.Find(c.Preprocessor) // which Validate has found
		say := gallery.Control{
			Module: p.Label, Model: c.net.Name, Weight: c.Weight, Start: c.Start, End: c.End,
			Resolution: min(r.Width, r.Height), Exact: true, A: -1, B: -1,
		}
		if hash := c.net.Hash(); hash != "" {
			say.Model += " [" + hash + "]"
		}
		for k, to := range []*float64{&say.A, &say.B} {
			if k < len(p.Settings) {
				*to = cmp.Or([]float64{c.A, c.B}[k], p.Settings[k].Default)
			}
		}
		out = append(out, say.Pair(i))
	}
	return out
}
