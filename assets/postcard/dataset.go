package postcard

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"os"
	"path/filepath"

	"latent/gpu/atomicfile"
)

// WriteDataset writes the postcards of seeds seed, seed+1, … into dir, which it
// makes: 000001.png with its caption in 000001.txt, and so on. A file appears
// whole or not at all, and a picture only after its caption. progress, if not
// nil, is called after each picture. It stops between pictures when ctx ends.
func (g *Generator) WriteDataset(ctx context.Context, dir string, count int, seed uint64, progress func(done, count int)) error {
	if count < 1 {
		return fmt.Errorf("a dataset has at least 1 picture, not %d", count)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the dataset's folder: %w", err)
	}
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	for i := range count {
		if err := ctx.Err(); err != nil {
			return err
		}
		sample := g.Sample(seed + uint64(i))
		var picture bytes.Buffer
		if err := encoder.Encode(&picture, sample.Image()); err != nil {
			return fmt.Errorf("encode picture %d: %w", i+1, err)
		}
		base := filepath.Join(dir, fmt.Sprintf("%06d", i+1))
		if err := atomicfile.WriteFile(base+".txt", []byte(sample.Caption+"\n")); err != nil {
			return err
		}
		if err := atomicfile.WriteFile(base+".png", picture.Bytes()); err != nil {
			return err
		}
		if progress != nil {
			progress(i+1, count)
		}
	}
	return nil
}
