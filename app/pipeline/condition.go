package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"latent/app/gallery"
	"latent/app/library"
	"latent/textencoder"
)

// prompts are the texts of one step: the negative one, then those that AND joins.
type prompts []string

// maxComposed bounds what is computed as one batch.
const maxComposed = 32

func (p prompts) key() string { return strings.Join(p, "\x00") }

// conditions holds what prompts became, each once; it lives as long as the
// generation.
type conditions struct {
	encoders textencoder.Encoders
	options  textencoder.Options
	weights  []float32   // of the prompts that AND joins
	steps    [][]prompts // of each pass
	encoded  map[string]textencoder.Cond
	alone    map[string]textencoder.Cond // without the negative prompt, for steps without guidance

	files map[*textencoder.Embedding]string
	used  []gallery.Pair // embeddings that prompts name, and their hashes
}

// newConditions finds the words of a request that were learned, and the prompts
// of each step.
func (g *generation) newConditions() (c *conditions, err error) {
	c = &conditions{encoders: g.Model.Encoders(), encoded: map[string]textencoder.Cond{}, alone: map[string]textencoder.Cond{}}
	c.options = textencoder.Options{Emphasis: textencoder.Emphasis(g.req.Emphasis), ClipSkip: g.req.ClipSkip}
	var clean [2]string
	for i, text := range []string{g.req.Negative, g.req.Prompt} {
		if clean[i], _, err = textencoder.ExtractNetworks(text); err != nil {
			return nil, err
		}
	}
	if c.files, err = readEmbeddings(g.req.Embeddings, clean[0]+"\n"+clean[1]); err != nil {
		return nil, err
	}
	c.options.Embeddings = byName(c.files)
	texts := []string{clean[0]}
	for _, part := range textencoder.Compose(clean[1]) {
		texts = append(texts, part.Text)
		c.weights = append(c.weights, float32(part.Weight))
	}
	if n := len(c.weights); n > maxComposed {
		return nil, fmt.Errorf("the prompt joins %d prompts by AND: at most %d, which are all computed at once", n, maxComposed)
	}
	for i, p := range g.passes {
		n := len(p.steps)
		list := make([]prompts, n)
		for _, text := range texts {
			spans := textencoder.Schedule(text, n)
			if i > 0 {
				spans = textencoder.ScheduleSecondPass(text, p.first, n)
			}
			from := 0
			for _, s := range spans {
				for ; from < min(s.Until, n); from++ {
					list[from] = append(list[from], s.Prompt)
				}
			}
		}
		c.steps = append(c.steps, list)
	}
	return c, nil
}

// encode encodes the prompts of all steps: with guidance the first row is the
// negative prompt.
func (g *generation) encode() error {
	c := g.cond
	for _, list := range c.steps {
		for _, p := range list {
			if _, ok := c.encoded[p.key()]; ok {
				continue
			}
			texts := p
			if !g.guided() {
				texts = p[1:]
			}
			cond, err := c.encoders.Encode(texts, c.options)
			if err != nil {
				return err
			}
			if g.guided() && g.ZeroNegative && strings.TrimSpace(p[0]) == "" {
				cond = cond.Zero(0)
			}
			if !cond.Context.Finite() {
				return errors.New("the text encoder gave numbers that are not finite: try --precision f32")
			}
			c.encoded[p.key()] = cond
			if g.guided() && !g.composes() {
				c.alone[p.key()] = cond.Rows(1, 2)
			}
			for _, e := range cond.Learned {
				c.note(e)
			}
		}
	}
	return nil
}

// note keeps the name and the hash of an embedding for the recipe.
func (c *conditions) note(e *textencoder.Embedding) {
	if slices.ContainsFunc(c.used, func(p gallery.Pair) bool { return p.Key == e.Name }) {
		return
	}
	if sum, err := library.Hash(c.files[e]); err == nil { // the picture is worth more
		c.used = append(c.used, gallery.Pair{Key: e.Name, Value: sum[:hashDigits]})
	}
}

// at is what the prompts of a step became.
func (g *generation) at(p *pass, step int) textencoder.Cond {
	key := g.cond.steps[p.index][step].key()
	if g.guided() && !g.composes() && g.scale(p, step) == 1 {
		return g.cond.alone[key]
	}
	return g.cond.encoded[key]
}

// embeddingExts are the endings of files with learned words.
var embeddingExts = []string{".safetensors", ".pt", ".bin"}

// ReadEmbeddings reads the learned words in folder that text names, sorted by name.
func ReadEmbeddings(folder, text string) ([]*textencoder.Embedding, error) {
	files, err := readEmbeddings(folder, text)
	return byName(files), err
}

func byName(files map[*textencoder.Embedding]string) []*textencoder.Embedding {
	return slices.SortedFunc(maps.Keys(files), func(a, b *textencoder.Embedding) int { return cmp.Compare(a.Name, b.Name) })
}

// readEmbeddings reads those files in folder whose name without ending occurs in
// text, in any case, and tells where each is. A missing folder holds none.
func readEmbeddings(folder, text string) (found map[*textencoder.Embedding]string, err error) {
	found = map[*textencoder.Embedding]string{}
	if folder == "" {
		return found, nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("embeddings: %w", err)
	}
	text = strings.ToLower(text)
	for _, e := range entries {
		ext := strings.ToLower(filepath.Ext(e.Name()))
		name := e.Name()[:len(e.Name())-len(ext)]
		if name == "" || !slices.Contains(embeddingExts, ext) || !strings.Contains(text, strings.ToLower(name)) {
			continue
		}
		path := filepath.Join(folder, e.Name())
		f, err := library.OpenTensors(path)
		if err != nil {
			return nil, fmt.Errorf("embedding %s: %w", e.Name(), err)
		}
		learned, err := textencoder.ReadEmbedding(name, f)
		f.Close()
		if err != nil {
			return nil, err
		}
		found[learned] = path
	}
	return found, nil
}
