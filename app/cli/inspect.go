package cli

import (
	"context"
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
	"latent/app/library/lora"
	"latent/gpu"
	"latent/gpu/atomicfile"
	"latent/textencoder"
)

func inspect(_ context.Context, args []string) error {
	positional, done, err := newFlags("inspect").parse(args, "the path")
	if done || err != nil {
		return err
	}
	path := positional[0]
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, atomicfile.Reason(err))
	}
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	switch {
	case info.IsDir():
		err = inspectFolder(tw, path)
	case isPNG(path):
		err = inspectPNG(tw, path)
	default:
		err = inspectWeights(tw, path)
	}
	tw.Flush()
	return err
}

func isPNG(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 8)
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == "\x89PNG\r\n\x1a\n"
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
	f, err := library.OpenTensors(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	info := library.Identify(path)
	fmt.Fprintf(w, "this is:\t%s\n", info.What)
	if info.Err != nil {
		fmt.Fprintf(w, "cannot be used:\t%s\n", info.Err)
	}
	switch info.Kind {
	case library.KindLoRA:
		inspectLoRA(w, path)
	case library.KindEmbedding:
		inspectEmbedding(w, info.Name, f)
	}
	s := summarise(f)
	fmt.Fprintf(w, "tensors:\t%d, %s parameters, %s, %s\n", s.tensors, count(s.elements), s.dtypes(), size(s.bytes))
	meta := library.Metadata(f)
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		fmt.Fprintf(w, "metadata %s:\t%s\n", k, shorten(meta[k]))
	}
	return nil
}

func inspectLoRA(w io.Writer, path string) {
	f, err := lora.Read(path)
	if err != nil {
		fmt.Fprintf(w, "cannot be used:\t%s\n", err)
		return
	}
	defer f.Close()
	facts := f.Facts()
	var layers []string
	for _, part := range []struct{ name, words string }{{lora.UNet, "U-Net"}, {lora.Text1, "text encoder"}, {lora.Text2, "second text encoder"}} {
		if n := facts.Layers[part.name]; n > 0 {
			layers = append(layers, fmt.Sprintf("%d of the %s", n, part.words))
		}
	}
	kinds := slices.Sorted(maps.Keys(facts.Kinds))
	fmt.Fprintf(w, "layers:\t%s (%s)\n", strings.Join(layers, ", "), strings.Join(kinds, ", "))
	if len(facts.Ranks) > 0 {
		fmt.Fprintf(w, "rank:\t%s, alpha %s\n", span("%d", facts.Ranks), span("%.4g", facts.Alphas))
	}
	if len(f.Foreign) > 0 {
		fmt.Fprintf(w, "not understood:\t%d tensors, such as %s\n", len(f.Foreign), shorten(f.Foreign[0]))
	}
	if hash, err := f.Hash(); err == nil {
		fmt.Fprintf(w, "hash:\t%s\n", hash)
	}
}

// span is "4", or "4 to 32" of a sorted list.
func span[T any](format string, sorted []T) string {
	s := fmt.Sprintf(format, sorted[0])
	if len(sorted) > 1 {
		s += fmt.Sprintf(" to "+format, sorted[len(sorted)-1])
	}
	return s
}

func inspectEmbedding(w io.Writer, name string, f library.Tensors) {
	e, err := textencoder.ReadEmbedding(name, f)
	if err != nil {
		fmt.Fprintf(w, "cannot be used:\t%s\n", err)
		return
	}
	fmt.Fprintf(w, "in prompts:\t%s, as long as %d tokens\n", e.Name, e.Tokens)
	fmt.Fprintf(w, "text encoder:\t%s\n", e.For())
}

func inspectFolder(w io.Writer, path string) error {
	info := library.Identify(path)
	if info.Err != nil {
		return fmt.Errorf("%s: %w", path, info.Err)
	}
	fmt.Fprintf(w, "this is:\t%s\n", info.What)
	if info.Kind != library.KindModel {
		return nil
	}
	// Without a device a skeleton is its configs alone.
	m, err := library.Skeleton(os.DirFS(path), nil, gpu.Float32, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(m.UNet.Config.SampleSize) > 0 {
		width, height := m.NativeSize()
		fmt.Fprintf(w, "trained on:\t%dx%d pixels, %s, %d timesteps\n", width, height, m.Scheduler.PredictionType, m.Scheduler.NumTrainTimesteps)
	}
	fmt.Fprintf(w, "tokenizer:\t%d tokens, prompts of %d\n", m.Tokenizer.Size(), m.Text.Config.MaxPositionEmbeddings)
	for _, part := range library.Parts(path) {
		f, err := library.OpenTensors(part)
		if err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
		s := summarise(f)
		f.Close()
		name, _ := filepath.Rel(path, part)
		fmt.Fprintf(w, "%s:\t%s parameters, %s, %s\n", filepath.ToSlash(name), count(s.elements), s.dtypes(), size(s.bytes))
	}
	return nil
}

// summary counts what a file holds.
type summary struct {
	tensors, elements, bytes int
	perType                  map[string]int // bytes
}

func summarise(f library.Tensors) summary {
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
