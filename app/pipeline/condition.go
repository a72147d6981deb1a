package pipeline

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"latent/app/library"
	"latent/textencoder"
)

// prompts are the texts of one step.
type prompts struct{ negative, prompt string }

// conditions holds what prompts became, each once; it lives as long as the
// generation.
type conditions struct {
	encoders textencoder.Encoders
	options  textencoder.Options
	steps    [][]prompts // of each pass
	encoded  map[prompts]textencoder.Cond
}

// newConditions finds the words of a request that were learned, and the prompts
// of each step.
func (g *generation) newConditions() (c *conditions, err error) {
	c = &conditions{encoders: g.Model.Encoders(), encoded: map[prompts]textencoder.Cond{}}
	c.options = textencoder.Options{Emphasis: textencoder.Emphasis(g.req.Emphasis), ClipSkip: g.req.ClipSkip}
	var clean [2]string
	for i, text := range []string{g.req.Negative, g.req.Prompt} {
		if clean[i], _, err = textencoder.ExtractNetworks(text); err != nil {
			return nil, err
		}
	}
	if c.options.Embeddings, err = readEmbeddings(g.req.Embeddings, clean[0]+"\n"+clean[1]); err != nil {
		return nil, err
	}
	for i, p := range g.passes {
		n := len(p.steps)
		list := make([]prompts, n)
		for k, text := range clean {
			spans := textencoder.Schedule(text, n)
			if i > 0 {
				spans = textencoder.ScheduleSecondPass(text, p.first, n)
			}
			from := 0
			for _, s := range spans {
				for ; from < min(s.Until, n); from++ {
					if k == 0 {
						list[from].negative = s.Prompt
					} else {
						list[from].prompt = s.Prompt
					}
				}
			}
		}
		c.steps = append(c.steps, list)
	}
	return c, nil
}

// encode encodes the prompts of all steps: with guidance two rows, of which the
// first is the negative prompt.
func (g *generation) encode() error {
	c := g.cond
	for _, list := range c.steps {
		for _, p := range list {
			if _, ok := c.encoded[p]; ok {
				continue
			}
			texts := []string{p.prompt}
			if g.guided() {
				texts = []string{p.negative, p.prompt}
			}
			cond, err := c.encoders.Encode(texts, c.options)
			if err != nil {
				return err
			}
			if g.guided() && g.ZeroNegative && strings.TrimSpace(p.negative) == "" {
				cond = cond.Zero(0)
			}
			if !cond.Context.Finite() {
				return errors.New("the text encoder gave numbers that are not finite: try --precision f32")
			}
			c.encoded[p] = cond
		}
	}
	return nil
}

// at is what the prompts of a step became.
func (g *generation) at(p *pass, step int) textencoder.Cond {
	return g.cond.encoded[g.cond.steps[p.index][step]]
}

// embeddingExts are the endings of files with learned words.
var embeddingExts = []string{".safetensors", ".pt", ".bin"}

// readEmbeddings reads those files in folder whose name without ending occurs in
// text, in any case. A missing folder holds none.
func readEmbeddings(folder, text string) (found []*textencoder.Embedding, err error) {
	if folder == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("embeddings: %w", err)
	}
	text = strings.ToLower(text)
	for _, e := range entries {
		ext := strings.ToLower(filepath.Ext(e.Name()))
		name := e.Name()[:len(e.Name())-len(ext)]
		if name == "" || !oneOf(ext, embeddingExts) || !strings.Contains(text, strings.ToLower(name)) {
			continue
		}
		f, err := library.OpenTensors(filepath.Join(folder, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("embedding %s: %w", e.Name(), err)
		}
		learned, err := textencoder.ReadEmbedding(name, f)
		f.Close()
		if err != nil {
			return nil, err
		}
		found = append(found, learned)
	}
	return found, nil
}
