package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"latent/app/gallery"
	"latent/app/pipeline"
	"latent/gpu/atomicfile"
)

// output is where pictures go: a file, or a folder for numbered ones.
type output struct {
	file string // empty: dir
	dir  string
	made string // folder that did not exist before
}

// openOutput finds out, before the work begins, whether the pictures can be
// written. A path is a file if it ends in .png and is no folder.
func openOutput(path string, count int) (*output, error) {
	o := &output{file: path, dir: filepath.Dir(path)}
	info, err := os.Stat(path)
	ext := strings.ToLower(filepath.Ext(path))
	switch {
	case err == nil && info.IsDir(), os.IsPathSeparator(path[len(path)-1]), ext == "":
		o.file, o.dir = "", path
		if errors.Is(err, fs.ErrNotExist) {
			if err := os.Mkdir(path, 0o777); err != nil {
				return nil, fmt.Errorf("--out %s: %w", path, atomicfile.Reason(err))
			}
			o.made = path
		}
	case ext != ".png":
		return nil, badUsage("--out %s: pictures are .png files", path)
	case count > 1:
		return nil, badUsage("--out %s: %d pictures need a folder", path, count)
	}
	probe, err := os.CreateTemp(o.dir, ".latent-*")
	if err != nil {
		o.close()
		return nil, fmt.Errorf("--out %s: cannot write to %s: %w", path, o.dir, atomicfile.Reason(err))
	}
	probe.Close()
	os.Remove(probe.Name())
	return o, nil
}

func (o *output) save(p pipeline.Picture) (path string, err error) {
	if o.file == "" {
		return gallery.SaveNext(o.dir, p.Image, p.Recipe)
	}
	return o.file, gallery.Save(o.file, p.Image, p.Recipe)
}

// close removes a folder that was made in vain.
func (o *output) close() {
	if o.made != "" {
		os.Remove(o.made) // fails, as it should, if a picture is in it
	}
}
