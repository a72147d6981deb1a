package cli

import (
	"context"
	"fmt"

	"latent/assets/postcard"
)

func dataset(ctx context.Context, args []string) error {
	f := newFlags("dataset")
	out := f.String("out", "", "`DIR`: folder for the pictures and their captions")
	count := f.Int("count", 0, "`N`: how many pictures")
	seed := f.Uint64("seed", 0, "`N`: seed of the first picture, one more for each further one")
	positional, done, err := f.parse(args, "the kind of pictures (postcard)")
	switch {
	case done || err != nil:
		return err
	case positional[0] != "postcard":
		return badUsage("dataset: unknown kind %q; there is: postcard", positional[0])
	case *out == "":
		return badUsage("dataset: --out is missing: name a folder")
	case *count < 1:
		return badUsage("dataset: --count is missing or below 1")
	}
	g, err := postcard.New(postcard.Config{})
	if err != nil {
		return err
	}
	m := newMeter(*count)
	defer m.close()
	err = g.WriteDataset(ctx, *out, *count, *seed, func(done, _ int) {
		m.set(done, func() []string { return []string{"pictures"} })
	})
	if err != nil {
		return err
	}
	m.close()
	fmt.Println(*out)
	return nil
}
