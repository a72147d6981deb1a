package library

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"latent/gpu"
	"latent/gpu/atomicfile"
)

// Info says what a file or folder is, told from names and headers alone.
type Info struct {
	Path    string
	Name    string // without folder and ending
	Kind    Kind
	What    string // in words: "a model in one file, Stable Diffusion 1.x, inpainting"
	Family  Family // of models, U-Nets and, where it shows, LoRAs
	Folder  bool   // a diffusers folder
	Size    int64  // bytes
	Changed time.Time
	// Prediction is what the U-Net of a model predicts.
	Prediction string
	Inpaints   bool
	// Err says in one line why it cannot be used; nil: nothing speaks against it.
	Err error
}

// Identify looks at the file or folder at path. Where it cannot be used, Info.Err
// says why: a missing file gives an Info too.
func Identify(path string) Info {
	i := Info{Path: path, Kind: KindUnknown}
	i.Name = nameOf(path)
	info, err := os.Stat(path)
	if err != nil {
		i.Err = atomicfile.Reason(err)
		return i
	}
	i.Size, i.Changed, i.Folder = info.Size(), info.ModTime(), info.IsDir()
	if i.Folder {
		i.identifyFolder(os.DirFS(path))
		return i
	}
	f, err := OpenTensors(path)
	if err != nil {
		i.What, i.Err = "unreadable", err
		return i
	}
	defer f.Close()
	i.identifyFile(f)
	return i
}

func (i *Info) identifyFile(f Tensors) {
	t := look(f)
	t.readYAML(i.Path)
	i.Kind, i.Family, i.What = t.kind, t.family, t.words()
	i.Prediction, i.Inpaints = t.prediction, t.channels == 9
	i.Err = t.usable()
}

func (i *Info) identifyFolder(folder fs.FS) {
	i.Kind, i.What = KindUnknown, "a folder without a model"
	if has(folder, "config.json") && !has(folder, "model_index.json") {
		if files, err := weightFiles(folder, ".", "diffusion_pytorch_model"); err == nil {
			if f, err := OpenTensors(filepath.Join(i.Path, files[0])); err == nil {
				defer f.Close()
				i.identifyFile(f)
				i.Size = fileSizes(folder, ".")
				return
			}
		}
	}
	if !has(folder, "model_index.json") && !has(folder, "unet") {
		i.Err = errors.New("is not a whole diffusers model folder")
		return
	}
	i.Kind, i.What = KindModel, "a diffusers model"
	if info, err := fs.Stat(folder, "model_index.json"); err == nil {
		i.Changed = info.ModTime() // what a finished training writes last
	}
	i.Size = fileSizes(folder, "text_encoder", "text_encoder_2", "unet", "vae")
	// Without a device a skeleton is its configs alone.
	m, err := Skeleton(folder, nil, gpu.Float32, nil)
	if err != nil {
		i.Err = err
		return
	}
	i.Family, i.Prediction, i.Inpaints = m.Family, m.Scheduler.PredictionType, m.Inpaints()
	t := traits{kind: i.Kind, what: i.What, family: m.Family, prediction: i.Prediction, channels: m.UNet.Config.InChannels}
	i.What = t.words()
	for _, dir := range partDirs(m) {
		f, _, err := openPart(folder, i.Path, dir, stemOf(dir))
		if err != nil {
			i.Err = err
			return
		}
		f.Close()
	}
}

// fileSizes adds the sizes of the files that hold the parts' weights.
func fileSizes(folder fs.FS, dirs ...string) (n int64) {
	for _, dir := range dirs {
		names, _ := weightFiles(folder, dir, stemOf(dir))
		for _, name := range names {
			if info, err := fs.Stat(folder, name); err == nil {
				n += info.Size()
			}
		}
	}
	return n
}
