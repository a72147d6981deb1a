package pipeline

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"latent/app/gallery"
	"latent/app/library"
	"latent/app/library/lora"
	"latent/textencoder"
)

// LoRA is a LoRA and how strongly it counts: 1 is as it was trained.
type LoRA struct {
	Name       string // of a file in Request.LoRAFolder, without ending; or a path
	UNet, Text float64
}

// String is what a prompt says for it: <lora:name:0.8>, or with the text
// encoder's strength first <lora:name:0.5:0.8>.
func (l LoRA) String() string {
	number := func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
	name := strings.TrimSuffix(filepath.Base(l.Name), ".safetensors")
	if l.UNet == l.Text {
		return fmt.Sprintf("<lora:%s:%s>", name, number(l.UNet))
	}
	return fmt.Sprintf("<lora:%s:%s:%s>", name, number(l.Text), number(l.UNet))
}

// patches holds the LoRAs that are on a model's weights. The zero value holds
// none.
type patches struct {
	patcher *lora.Patcher
	files   map[string]patchFile
}

type patchFile struct {
	*lora.File
	changed time.Time
}

// set puts the LoRAs of a request on m, and takes those before off. It returns
// their names and hashes.
func (p *patches) set(m *library.Model, r Request) (hashes []gallery.Pair, err error) {
	wanted, err := r.loras()
	if err != nil || len(wanted) == 0 && p.patcher == nil {
		return nil, err
	}
	if p.patcher == nil {
		p.patcher, p.files = library.LoRAs(m), map[string]patchFile{}
	}
	used := map[string]bool{}
	var uses []lora.Use
	for _, l := range wanted {
		path, err := find(library.KindLoRA, l.Name, r.LoRAFolder)
		if err != nil {
			return nil, err
		}
		f, err := p.open(path)
		if err != nil {
			return nil, err
		}
		used[path] = true
		uses = append(uses, lora.Use{File: f, UNet: float32(l.UNet), Text: float32(l.Text)})
		hash, err := f.Hash()
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, gallery.Pair{Key: f.Name, Value: hash[:hashDigits]})
	}
	if _, err := p.patcher.Set(uses); err != nil {
		return nil, err
	}
	for path, f := range p.files {
		if !used[path] {
			f.Close()
			delete(p.files, path)
		}
	}
	return hashes, nil
}

func (p *patches) open(path string) (*lora.File, error) {
	changed := modified(path)
	if f, ok := p.files[path]; ok && f.changed.Equal(changed) {
		return f.File, nil
	}
	f, err := lora.Read(path)
	if err != nil {
		return nil, err
	}
	if old, ok := p.files[path]; ok { // written anew
		if _, err := p.patcher.Set(nil); err != nil {
			return nil, err
		}
		old.Close()
	}
	p.files[path] = patchFile{f, changed}
	return f, nil
}

// clear takes all LoRAs off, bit for bit.
func (p *patches) clear() (err error) {
	if p.patcher != nil {
		_, err = p.patcher.Set(nil)
	}
	p.forget()
	return err
}

// forget is clear for a model that is closed anyway.
func (p *patches) forget() {
	for _, f := range p.files {
		f.Close()
	}
	*p = patches{}
}

// loras are those of the prompt, then those of the request.
func (r Request) loras() (all []LoRA, err error) {
	_, nets, err := textencoder.ExtractNetworks(r.Prompt)
	if err != nil {
		return nil, err
	}
	for _, n := range nets {
		if n.Kind != "lora" {
			return nil, fmt.Errorf("prompt: <%s:%s> is not supported, only <lora:…>", n.Kind, n.Name)
		}
		all = append(all, LoRA{n.Name, n.UNet, n.Text})
	}
	return append(all, r.LoRAs...), nil
}

// weightsExts are the endings of files that hold weights.
var weightsExts = []string{".safetensors", ".ckpt", ".pt", ".pth", ".bin"}

// isWeights tells whether a name is that of a file or folder, and not of what it holds.
func isWeights(name string) bool {
	return slices.Contains(weightsExts, strings.ToLower(filepath.Ext(name))) || strings.ContainsRune(name, os.PathSeparator)
}

// find is the path of a LoRA, ControlNet or upscaler: a file of that path, or in folder
// and the folders inside it.
func find(kind library.Kind, name, folder string) (string, error) {
	if isWeights(name) {
		if _, err := os.Stat(name); err == nil {
			return name, nil
		}
	}
	if folder == "" {
		return "", fmt.Errorf("%s %q: no folder of %ss is chosen", kind, name, kind)
	}
	var names []string
	for _, info := range library.List(folder) {
		if info.Kind != kind {
			continue
		}
		if strings.EqualFold(info.Name, name) {
			return info.Path, info.Err
		}
		names = append(names, info.Name)
	}
	const most = 8
	switch n := len(names); {
	case n == 0:
		return "", fmt.Errorf("%s %q: there are none in %s", kind, name, folder)
	case n > most:
		names = append(names[:most], "…")
	}
	return "", fmt.Errorf("%s %q is not in %s: there are %s", kind, name, folder, strings.Join(names, ", "))
}
