package cli

import (
	"context"
	"fmt"
	"image"
	"math"

	"latent/app/gallery"
	"latent/app/pictures"
	"latent/app/pipeline"
)

func upscale(ctx context.Context, args []string) error {
	f := newFlags("upscale")
	upscaler := f.String("upscaler", "", "`NAME`: an ESRGAN of --upscaler-dir, or its file, .pth or .safetensors")
	folder := f.upscalerDir()
	scale := f.Float64("scale", 0, "`F`: how many times larger; without it as the upscaler does")
	device, precision := f.device(), f.precision()
	out := f.String("out", "", "`FILE|DIR`: a .png file, or a folder for numbered ones")
	positional, done, err := f.parse(args, "the picture")
	switch {
	case done || err != nil:
		return err
	case *upscaler == "":
		return badUsage("upscale: --upscaler is missing: name an ESRGAN, or its file")
	case *out == "":
		return badUsage("upscale: --out is missing: name a .png file or a folder")
	case f.given("scale") && !(*scale >= 1 && *scale <= 16):
		return badUsage("upscale: --scale %g: from 1 to 16", *scale)
	}
	file, err := pipeline.FindUpscaler(*upscaler, *folder)
	if err != nil {
		return err
	}
	img, err := pictures.Load(positional[0])
	if err != nil {
		return err
	}
	target, err := openOutput(*out, 1)
	if err != nil {
		return err
	}
	defer target.close()
	engine, err := startEngine(*device, *precision)
	if err != nil {
		return err
	}
	defer engine.Close()
	size := img.Rect.Size()
	var want image.Point
	if *scale > 0 {
		want = image.Pt(int(math.Round(float64(size.X)**scale)), int(math.Round(float64(size.Y)**scale)))
	}
	var m *meter
	defer func() { m.close() }()
	large, err := engine.Upscale(ctx, file, img, want.X, want.Y, func(done, all int) {
		if m == nil || done == 1 { // of this pass
			m.close()
			m = newMeter(all)
		}
		m.set(done, func() []string { return []string{"tiles"} })
	})
	if err != nil {
		return err
	}
	m.close()
	// What the picture was painted with stays with it.
	recipe, err := gallery.Read(positional[0])
	if err != nil {
		recipe = gallery.Recipe{}
	}
	recipe = pipeline.Upscaled(recipe, file, float64(large.Rect.Dx())/float64(size.X))
	path, err := target.save(pipeline.Picture{Image: large, Recipe: recipe})
	if err != nil {
		return err
	}
	fmt.Printf("%s  (%dx%d)\n", path, large.Rect.Dx(), large.Rect.Dy())
	return nil
}
