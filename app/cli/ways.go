package cli

import (
	"fmt"
	"strconv"
	"strings"

	"latent/app/pictures"
	"latent/app/pipeline"
	"latent/vae"
)

// ways are the flags of generate that choose a way to the picture beside the one
// from noise alone.
type ways struct {
	init, mask, tiling string

	hires     string
	pass      pipeline.Hires
	upscalers *string // folder
}

func addWays(f flags, req *pipeline.Request) *ways {
	w := &ways{}
	f.StringVar(&w.init, "init", "", "`FILE`: a picture to begin at (PNG, JPEG or WebP)")
	f.Float64Var(&req.Strength, "strength", 0, "`F`: how much of it is painted anew, up to 1; without it 0.75")
	f.StringVar(&w.mask, "mask", "", "`FILE`: paint only where this is white, keep the rest of --init")
	f.Float64Var(&req.MaskBlur, "mask-blur", 4, "`F`: softness of the mask's edge in pixels")
	f.BoolVar(&req.OnlyMasked, "only-masked", false, "paint the part around the mask at --size and put it back")
	f.IntVar(&req.MaskPadding, "mask-padding", 32, "`N`: pixels around the mask in that part")
	f.StringVar(&w.hires, "hires", "", "`WxH|F`: paint over the picture at this size, or so many times larger")
	f.Float64Var(&w.pass.Strength, "hires-strength", 0.5, "`F`: how much of it is painted anew then")
	f.IntVar(&w.pass.Steps, "hires-steps", 0, "`N`: steps then; without it those of --steps")
	f.StringVar(&w.pass.Upscaler, "hires-upscaler", pipeline.Upscalers[0], "`NAME`: "+strings.Join(pipeline.Upscalers, ", ")+", or an ESRGAN of --upscaler-dir, or its file")
	w.upscalers = f.upscalerDir()
	f.StringVar(&w.tiling, "tiling", "auto", "`NAME`: go over large pictures in bands, with less memory: auto, on or off")
	return w
}

// apply completes the request, with the pictures read.
func (w *ways) apply(f flags, req *pipeline.Request) (err error) {
	for _, need := range []struct{ flag, wants string }{
		{"strength", "init"}, {"mask", "init"}, {"mask-blur", "mask"}, {"only-masked", "mask"}, {"mask-padding", "only-masked"},
		{"hires-strength", "hires"}, {"hires-steps", "hires"}, {"hires-upscaler", "hires"}, {"upscaler-dir", "hires"},
		{"variation-seed", "variation-strength"},
	} {
		if f.given(need.flag) && !f.given(need.wants) {
			return badUsage("generate: --%s wants --%s", need.flag, need.wants)
		}
	}
	for _, share := range []struct {
		flag  string
		value float64
	}{{"strength", req.Strength}, {"hires-strength", w.pass.Strength}} {
		if f.given(share.flag) && !(share.value > 0 && share.value <= 1) {
			return badUsage("generate: --%s %g: above 0 and at most 1", share.flag, share.value)
		}
	}
	if w.init != "" && w.hires != "" {
		return badUsage("generate: --hires follows a picture from noise: leave out --init, or --hires")
	}
	switch w.tiling {
	case "auto":
		req.Tiling = vae.TileAuto
	case "on":
		req.Tiling = vae.TileOn
	case "off":
		req.Tiling = vae.TileOff
	default:
		return badUsage("generate: --tiling %q: auto, on or off", w.tiling)
	}
	if w.hires != "" {
		req.UpscalerFolder = *w.upscalers
		if req.Hires = &w.pass; strings.ContainsAny(w.hires, "xX") {
			w.pass.Width, w.pass.Height, err = parseSizeOf("hires", w.hires)
		} else if w.pass.Scale, err = strconv.ParseFloat(w.hires, 64); err != nil || !(w.pass.Scale >= 1 && w.pass.Scale <= 64) {
			err = badUsage("--hires %q: want a size such as 1024x1024, or a factor such as 2", w.hires)
		}
		if err != nil {
			return err
		}
	}
	if w.mask == "" {
		req.MaskBlur, req.MaskPadding = 0, 0
	}
	if w.init != "" {
		if req.Init, err = pictures.Load(w.init); err != nil {
			return fmt.Errorf("--init %w", err)
		}
	}
	if w.mask != "" {
		if req.Mask, err = pictures.Load(w.mask); err != nil {
			return fmt.Errorf("--mask %w", err)
		}
	}
	return nil
}
