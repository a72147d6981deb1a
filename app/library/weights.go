package library

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"latent/gpu/atomicfile"
	"latent/gpu/nn"
	"latent/gpu/safetensors"
	"latent/gpu/torchfile"
)

// Tensors are those of an open file, or of several that belong together.
type Tensors interface {
	nn.Source
	Close() error
}

// weightFiles finds the files that hold a part's weights in a diffusers folder:
// stem.safetensors, a variant of it such as stem.fp16.safetensors, the shards that
// stem.safetensors.index.json lists, or the .bin of older folders.
func weightFiles(folder fs.FS, dir, stem string) ([]string, error) {
	bin := stem // as torch.save wrote it
	if stem == "model" {
		bin = "pytorch_model"
	}
	for _, pattern := range []string{
		stem + ".safetensors", stem + ".fp16.safetensors", stem + ".safetensors.index.json", stem + ".*safetensors*",
		bin + ".bin", bin + ".fp16.bin",
	} {
		found, _ := fs.Glob(folder, path.Join(dir, pattern))
		for _, name := range found {
			switch {
			case strings.HasSuffix(name, ".json"):
				return shardNames(folder, name)
			case !strings.Contains(name, "-of-"): // a shard whose index is missing
				return []string{name}, nil
			}
		}
	}
	return nil, &fs.PathError{Op: "open", Path: path.Join(dir, stem+".safetensors"), Err: fs.ErrNotExist}
}

// Parts are the paths of the files that hold the weights of the diffusers folder
// at path.
func Parts(path string) []string {
	var out []string
	for _, dir := range []string{"text_encoder", "text_encoder_2", "unet", "vae"} {
		names, _ := weightFiles(os.DirFS(path), dir, stemOf(dir))
		for _, name := range names {
			out = append(out, filepath.Join(path, filepath.FromSlash(name)))
		}
	}
	return out
}

// shardNames reads the index of a model that is cut into several files.
func shardNames(folder fs.FS, name string) ([]string, error) {
	data, err := fs.ReadFile(folder, name)
	if err != nil {
		return nil, err
	}
	var index struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	files := map[string]bool{}
	for _, file := range index.Map {
		if file != path.Base(file) || !fs.ValidPath(file) || file == "." {
			return nil, fmt.Errorf("%s: %.100q is not a file beside it", name, file)
		}
		files[path.Join(path.Dir(name), file)] = true
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no weight_map", name)
	}
	return slices.Sorted(maps.Keys(files)), nil
}

// openPart opens a part's weights in a folder; root is its path, "" inside a
// file system.
func openPart(folder fs.FS, root, dir, stem string) (f Tensors, name string, err error) {
	names, err := weightFiles(folder, dir, stem)
	if err != nil {
		return nil, "", fmt.Errorf("%s/%s.safetensors: %w", dir, stem, atomicfile.Reason(err))
	}
	var files []Tensors
	for _, name := range names {
		f, err := openWeights(folder, root, name)
		if err != nil {
			for _, f := range files {
				f.Close()
			}
			return nil, "", fmt.Errorf("%s: %w", name, atomicfile.Reason(err))
		}
		files = append(files, f)
	}
	f, name = files[0], names[0]
	if len(files) > 1 {
		f, name = join(files), dir
	}
	if f, err = withScales(f); err != nil {
		return nil, "", fmt.Errorf("%s: %w", name, err)
	}
	return f, name, nil
}

func openWeights(folder fs.FS, root, name string) (Tensors, error) {
	if root == "" {
		data, err := fs.ReadFile(folder, name)
		if err != nil {
			return nil, err
		}
		return safetensors.Parse(data)
	}
	return openRaw(filepath.Join(root, filepath.FromSlash(name)))
}

// OpenTensors opens a file of weights of either kind, .safetensors or what
// torch.save wrote, and reads its header. The error is without the path. The
// caller must Close it.
func OpenTensors(path string) (Tensors, error) {
	f, err := openRaw(path)
	if err != nil {
		return nil, err
	}
	return withScales(f)
}

func openRaw(path string) (Tensors, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, atomicfile.Reason(err)
	} else if info.IsDir() {
		return nil, errors.New("is a folder")
	}
	head := make([]byte, 512)
	if n, err := readHead(path, head); err != nil {
		return nil, atomicfile.Reason(err)
	} else if what := notWeights(head[:n]); what != "" {
		return nil, fmt.Errorf("is %s", what)
	} else if torchfile.Is(head[:n]) {
		f, err := torchfile.Open(path)
		if err != nil {
			return nil, atomicfile.ReasonOf(err, path)
		}
		return f, nil
	}
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, atomicfile.ReasonOf(err, path)
	}
	return f, nil
}

func readHead(path string, head []byte) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	n, err := io.ReadFull(f, head)
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		err = nil
	}
	return n, err
}

// notWeights names the things that people have under a model's name, by their
// first bytes; "" is none of them.
func notWeights(head []byte) string {
	start := strings.ToLower(string(bytes.TrimLeft(head, " \t\r\n\ufeff")))
	begins := func(s ...string) bool {
		return slices.ContainsFunc(s, func(s string) bool { return strings.HasPrefix(start, s) })
	}
	switch {
	case len(head) == 0:
		return "an empty file: download it again"
	case begins("version https://git-lfs"):
		return "a Git LFS pointer, not the file itself: fetch that with git lfs pull"
	case begins("<!doctype", "<html", "<?xml"):
		return "a web page, perhaps an error message of the site it was downloaded from"
	case begins("gguf"):
		return "a GGUF file, which is not supported; look for a .safetensors file"
	case bytes.HasPrefix(head, []byte("\x89PNG")), bytes.HasPrefix(head, []byte("\xff\xd8\xff")):
		return "a picture, not a model"
	case begins("{"):
		return "JSON text, perhaps an error message of the site it was downloaded from"
	case bytes.HasPrefix(head, []byte("Rar!")), bytes.HasPrefix(head, []byte("7z\xbc\xaf")), bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return "a packed archive: unpack it first"
	}
	return ""
}

// shards are several files as one.
type shards struct {
	files []Tensors
	home  map[string]Tensors
}

func join(files []Tensors) *shards {
	s := &shards{files, map[string]Tensors{}}
	for _, f := range files {
		for _, name := range f.Names() {
			s.home[name] = f
		}
	}
	return s
}

func (s *shards) Names() []string { return slices.Sorted(maps.Keys(s.home)) }

func (s *shards) Get(name string) (safetensors.View, bool) {
	f, ok := s.home[name]
	if !ok {
		return safetensors.View{}, false
	}
	return f.Get(name)
}

func (s *shards) Close() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
