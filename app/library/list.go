package library

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// List identifies what is in folders and the folders inside them, sorted by name:
// models, LoRAs, autoencoders, embeddings and what cannot be used, with the
// reason. It reads headers alone, and those of files that it has seen before only
// if they have changed. Folders that are not there hold nothing.
func List(folders ...string) []Info {
	l := lister{seen: map[string]bool{}}
	for _, f := range folders {
		l.walk(f, 0)
	}
	slices.SortFunc(l.found, func(a, b Info) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.Path, b.Path))
	})
	return l.found
}

type lister struct {
	found []Info
	seen  map[string]bool // folders, by their true path: links may lead in circles
}

// maxFolders is how deep List looks.
const maxFolders = 6

func (l *lister) walk(dir string, depth int) {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil || l.seen[real] || depth > maxFolders {
		return
	}
	l.seen[real] = true
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		info, err := os.Stat(path) // of what a link leads to
		switch {
		case err != nil:
		case info.IsDir() && isModelFolder(path):
			l.found = append(l.found, identifyOnce(path, info))
		case info.IsDir():
			l.walk(path, depth+1)
		case weightsExt(path) != "":
			i := identifyOnce(path, info)
			// Names that everything is called by, unless it is known what they hold.
			ext := strings.ToLower(filepath.Ext(path))
			if i.Kind != KindUnknown || ext == ".safetensors" || ext == ".ckpt" {
				l.found = append(l.found, i)
			}
		}
	}
}

// isModelFolder tells whether a folder is a thing of its own: a diffusers model,
// or a part of one.
func isModelFolder(path string) bool {
	folder := os.DirFS(path)
	if has(folder, "model_index.json") || has(folder, "unet/config.json") {
		return true
	}
	if !has(folder, "config.json") {
		return false
	}
	_, err := weightFiles(folder, ".", stemOf("vae"))
	return err == nil
}

var identified struct {
	sync.Mutex
	files map[string]Info
}

// identifyOnce is Identify, but for files that are as they were. Folders are
// looked at anew: they change inside.
func identifyOnce(path string, info os.FileInfo) Info {
	if info.IsDir() {
		return Identify(path)
	}
	identified.Lock()
	known, ok := identified.files[path]
	identified.Unlock()
	if ok && known.Size == info.Size() && known.Changed.Equal(info.ModTime()) {
		return known
	}
	i := Identify(path)
	// A file that is being written may change again within the clock's grain.
	if time.Since(i.Changed) > 2*time.Second {
		identified.Lock()
		if identified.files == nil {
			identified.files = map[string]Info{}
		}
		identified.files[path] = i
		identified.Unlock()
	}
	return i
}
