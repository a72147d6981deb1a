package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"latent/app/library"
	"latent/gpu/atomicfile"
)

// addModel brings a model file or folder into a folder of such: as links where
// both are on one file system, else as copies. It appears there whole or not at
// all. report is told of copied bytes.
func addModel(ctx context.Context, from, folder string, report func(done, total int64)) (string, error) {
	name := filepath.Base(from)
	to := filepath.Join(folder, name)
	if _, err := os.Lstat(to); err == nil {
		return "", fmt.Errorf("there is %s in %s already", name, folder)
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", fmt.Errorf("the folder %s cannot be made: %w", folder, atomicfile.Reason(err))
	}
	tmp := filepath.Join(folder, "."+name+".adding")
	if err := os.RemoveAll(tmp); err != nil {
		return "", atomicfile.Reason(err)
	}
	total := int64(0)
	err := filepath.WalkDir(from, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	done := int64(0)
	if err == nil {
		err = filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(from, path)
			if err != nil {
				return err
			}
			target := filepath.Join(tmp, rel)
			if d.IsDir() {
				return os.MkdirAll(target, 0o755)
			}
			real, err := filepath.EvalSymlinks(path)
			if err != nil {
				return err
			}
			if os.Link(real, target) == nil {
				return nil
			}
			return copyFile(ctx, real, target, func(n int) { done += int64(n); report(done, total) })
		})
	}
	if err == nil {
		err = os.Rename(tmp, to)
	}
	if err != nil {
		os.RemoveAll(tmp)
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("%s cannot be added: %w", name, atomicfile.Reason(err))
	}
	return to, nil
}

// of is the folder for what the file or folder at path is.
func (f Folders) of(path string) string {
	switch library.Identify(path).Kind {
	case library.KindLoRA:
		return f.LoRAs
	case library.KindEmbedding:
		return f.Embeddings
	case library.KindVAE:
		return f.VAEs
	case library.KindControlNet:
		return f.Controls
	case library.KindUpscaler:
		return f.Upscalers
	}
	return f.Models
}

// settle moves a file that has come into the folder where it belongs, and returns
// where it is. Where it cannot, it stays.
func settle(path, folder string) string {
	to := filepath.Join(folder, filepath.Base(path))
	if _, err := os.Lstat(to); err == nil { // it is there, or another of its name
		return path
	}
	if os.MkdirAll(folder, 0o755) != nil || os.Rename(path, to) != nil {
		return path
	}
	return to
}

func copyFile(ctx context.Context, from, to string, report func(n int)) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	buf := make([]byte, 4<<20)
	for err == nil {
		var n int
		n, err = in.Read(buf)
		if _, werr := out.Write(buf[:n]); werr != nil {
			err = werr
		}
		report(n)
		if ctx.Err() != nil {
			err = ctx.Err()
		}
	}
	if errors.Is(err, io.EOF) {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}
