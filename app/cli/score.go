package cli

import (
	"context"
	"fmt"
	"image"

	"github.com/disintegration/imaging"

	"latent/app/library"
	"latent/app/pipeline"
	"latent/app/score"
	"latent/assets/postcard"
)

func scoreModel(ctx context.Context, args []string) error {
	f := newFlags("score")
	model := f.String("model", pipeline.Builtin, "`DIR`: model folder")
	objects := f.Int("objects", postcard.DefaultObjects, "`N`: kinds of object it was trained on")
	captions := f.Int("captions", 200, "`N`: how many held-out captions")
	var req pipeline.Request
	f.IntVar(&req.Steps, "steps", 20, "`N`: steps of DDIM")
	f.Float64Var(&req.Guidance, "cfg", 4, "`F`: guidance scale")
	addShortCuts(f, &req)
	device, precision := f.device(), f.precision()
	sheet := f.String("sheet", "", "`FILE`: write the pictures side by side into this PNG")
	if _, done, err := f.parse(args); done || err != nil {
		return err
	}
	if *captions < 1 {
		return badUsage("score: --captions %d: at least 1 is needed", *captions)
	}
	engine, err := startEngine(*device, *precision)
	if err != nil {
		return err
	}
	defer engine.Close()
	m := newMeter(*captions)
	defer m.close()
	var r score.Result
	err = engine.With(ctx, *model, func(open *library.Model) (err error) {
		r, err = score.Run(ctx, open, score.Options{Objects: *objects, Captions: *captions, Request: req},
			func(done, _ int) { m.set(done, func() []string { return []string{"pictures"} }) })
		return err
	})
	m.close()
	if err != nil {
		return err
	}
	fmt.Println(r.Report)
	fmt.Printf("autoencoder PSNR %.2f dB\n", r.PSNR)
	if *sheet == "" {
		return nil
	}
	for i, c := range r.Captions {
		fmt.Printf("%3d  rank %2d  %s\n", i+1, r.Verdicts[i].Rank, c.Text)
	}
	return imaging.Save(contactSheet(r.Images, 10), *sheet)
}

// contactSheet puts pictures of one size side by side, so many in a row.
func contactSheet(images []image.Image, columns int) image.Image {
	w, h := images[0].Bounds().Dx(), images[0].Bounds().Dy()
	rows := (len(images) + columns - 1) / columns
	out := imaging.New(min(columns, len(images))*w, rows*h, image.White)
	for i, img := range images {
		out = imaging.Paste(out, img, image.Pt(i%columns*w, i/columns*h))
	}
	return out
}
