package postcard

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
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
		if err := writeFile(base+".txt", []byte(sample.Caption+"\n")); err != nil {
			return err
		}
		if err := writeFile(base+".png", picture.Bytes()); err != nil {
			return err
		}
		if progress != nil {
			progress(i+1, count)
		}
	}
	return nil
}

// writeFile writes a whole file or none: to a temporary file in the same
// folder, synced, then renamed.
func writeFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("write the dataset: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	if _, err = f.Write(data); err != nil {
		return err
	}
	if err = f.Chmod(0o644); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
