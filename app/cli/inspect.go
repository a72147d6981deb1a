package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"latent/app/gallery"
	"latent/app/library"
	"latent/gpu"
	"latent/gpu/safetensors"
)

func inspect(_ context.Context, args []string) error {
	positional, done, err := newFlags("inspect").parse(args, "the path")
	if done || err != nil {
		return err
	}
	path := positional[0]
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, pathReason(err))
	}
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	if info.IsDir() {
		err = inspectFolder(tw, path)
	} else {
		err = inspectFile(tw, path)
	}
	tw.Flush()
	return err
}

func inspectFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, pathReason(err))
	}
	defer f.Close()
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if n == 0 {
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%s is empty", path)
		}
		return fmt.Errorf("%s: %w", path, pathReason(err))
	}
	head = head[:n]
	if bytes.HasPrefix(head, []byte("\x89PNG\r\n\x1a\n")) {
		return inspectPNG(w, path)
	}
	if what := notWeights(head); what != "" {
		return fmt.Errorf("%s is %s", path, what)
	}
	return inspectWeights(w, path)
}

// notWeights names the things that people have under a model's name, by their
// first bytes; "" is none of them.
func notWeights(head []byte) string {
	start := strings.ToLower(string(bytes.TrimLeft(head, " \t\r\n")))
	switch {
	case strings.HasPrefix(start, "version https://git-lfs"):
		return "a Git LFS pointer, not the file itself: fetch that with git lfs pull"
	case strings.HasPrefix(start, "<!doctype"), strings.HasPrefix(start, "<html"), strings.HasPrefix(start, "<?xml"):
		return "a web page, perhaps an error message of the site it was downloaded from"
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte{0x80, 0x02}):
		return "a pickle (.ckpt, .pt) or an archive: such files can run programs and are not opened; look for a .safetensors file"
	case bytes.HasPrefix(head, []byte("GGUF")):
		return "a GGUF file, which is not supported; look for a .safetensors file"
	}
	return ""
}

func inspectPNG(w io.Writer, path string) error {
	r, err := gallery.Read(path)
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "picture with its recipe:")
	fmt.Fprintln(w, r)
	return nil
}

func inspectWeights(w io.Writer, path string) error {
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Fprintf(w, "safetensors file:\t%s\n", identify(f))
	s := summarise(f)
	fmt.Fprintf(w, "tensors:\t%d, %s parameters, %s, %s\n", s.tensors, count(s.elements), s.dtypes(), size(s.bytes))
	meta := f.Metadata()
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		fmt.Fprintf(w, "metadata %s:\t%s\n", k, shorten(meta[k]))
	}
	return nil
}

func inspectFolder(w io.Writer, path string) error {
	// Without a device a skeleton is its configs alone.
	m, err := library.Skeleton(os.DirFS(path), nil, gpu.Float32, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	u := m.UNet.Config
	fmt.Fprintf(w, "diffusers model:\t%s\n", family(first(u.CrossAttentionDim), u.InChannels, u.AdditionEmbedType == "text_time"))
	if len(u.SampleSize) > 0 {
		f := m.VAE.Config.Factor()
		fmt.Fprintf(w, "trained on:\t%dx%d pixels, %s, %d timesteps\n",
			u.SampleSize[len(u.SampleSize)-1]*f, u.SampleSize[0]*f, m.Scheduler.PredictionType, m.Scheduler.NumTrainTimesteps)
	}
	fmt.Fprintf(w, "tokenizer:\t%d tokens, prompts of %d\n", m.Tokenizer.Size(), m.Text.Config.MaxPositionEmbeddings)
	for _, part := range []string{"text_encoder", "unet", "vae"} {
		files, _ := filepath.Glob(filepath.Join(path, part, "*.safetensors"))
		if len(files) == 0 {
			return fmt.Errorf("%s: %s has no .safetensors file", path, part)
		}
		for _, file := range files {
			f, err := safetensors.Open(file)
			if err != nil {
				return err
			}
			s := summarise(f)
			f.Close()
			fmt.Fprintf(w, "%s/%s:\t%s parameters, %s, %s\n", part, filepath.Base(file), count(s.elements), s.dtypes(), size(s.bytes))
		}
	}
	return nil
}

func first(v []int) int {
	if len(v) == 0 {
		return 0
	}
	return v[0]
}

// summary counts what a file holds.
type summary struct {
	tensors, elements, bytes int
	perType                  map[string]int // bytes
}

func summarise(f *safetensors.File) summary {
	s := summary{perType: map[string]int{}}
	for _, name := range f.Names() {
		v, _ := f.Get(name)
		n := 1
		for _, d := range v.Shape {
			n *= d
		}
		s.tensors++
		s.elements += n
		s.bytes += len(v.Data)
		s.perType[v.DType] += len(v.Data)
	}
	return s
}

// dtypes lists the number formats, the one with most bytes first.
func (s summary) dtypes() string {
	names := slices.Sorted(maps.Keys(s.perType))
	slices.SortStableFunc(names, func(a, b string) int { return s.perType[b] - s.perType[a] })
	return strings.Join(names, " and ")
}

// count is a number of parameters in words.
func count(n int) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f billion", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f million", float64(n)/1e6)
	}
	return fmt.Sprint(n)
}

// size is a number of bytes in words.
func size(n int) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f kB", float64(n)/1e3)
}

// shorten cuts a text that is too long for a line.
func shorten(s string) string {
	const most = 160
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}
