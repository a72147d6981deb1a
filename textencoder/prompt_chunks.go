package textencoder

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// Options are what a request says of how its prompts are read.
type Options struct {
	Emphasis Emphasis
	// ClipSkip, where it applies (see Encoder), is the layer whose output is
	// taken, counted from the end: 0 and 1 are the last, 2 the one before it.
	ClipSkip   int
	Embeddings []*Embedding // found in prompts by their names
}

// A Chunk is what the transformer reads at once. L is Tokenizer.MaxLength.
type Chunk struct {
	IDs     []int32   // [L]: BOS, tokens, EOS, padding; 0 where a learned vector stands
	Weights []float32 // [L]; 1 but for weighted tokens
	Learned []Learned
	End     int // bytes of the prompt that this chunk and those before it hold

	used int // tokens of the prompt; all there is room for in chunks before the last
}

// Learned says that an embedding's vectors stand at At, At+1, … of a chunk.
type Learned struct {
	At        int
	Embedding *Embedding
}

// backtrack is how many tokens before a chunk's end a comma may stand for the
// text after it to move to the next chunk.
const backtrack = 20

// Chunks cuts a prompt into as many chunks as it needs, at least one, as
// AUTOMATIC1111's web UI does: a chunk is full with L−2 tokens, ends at a BREAK,
// and gives what follows its last comma to the next chunk where that comma is one
// of its last 20 tokens. The prompt is one that Schedule gives, without networks.
func (t *Tokenizer) Chunks(prompt string, opts Options) ([]Chunk, error) {
	return t.chunks(trace(valid(prompt)), opts.Emphasis, t.names(opts.Embeddings))
}

func (t *Tokenizer) chunks(prompt traced, emphasis Emphasis, names names) ([]Chunk, error) {
	c := chunker{Tokenizer: t, room: t.MaxLength - 2, comma: -1, lastComma: -1}
	if c.room < 1 {
		return nil, fmt.Errorf("prompt: the tokenizer reads %d tokens, too few for any text", t.MaxLength)
	}
	if id, ok := t.ids[","+wordEnd]; ok {
		c.comma = id
	}
	parts := []Part{{prompt.text, 1, prompt}}
	if emphasis != EmphasisNone {
		parts = parsePrompt(prompt)
	}
	for _, part := range parts {
		if part.IsBreak() {
			c.close()
			continue
		}
		weight := float32(part.Weight)
		if emphasis == EmphasisIgnore {
			weight = 1
		}
		ids, ends := t.encode(part.src)
		for i := 0; i < len(ids); {
			e, n := names.at(ids[i:])
			if e == nil && ids[i] == c.comma {
				c.lastComma = len(c.ids)
			} else {
				c.moveAfterComma()
			}
			if len(c.ids) == c.room {
				c.close()
			}
			if e == nil {
				c.add(ids[i], weight, ends[i])
				i++
				continue
			}
			if e.Tokens > c.room {
				return nil, fmt.Errorf("prompt: embedding %q takes %d tokens, a chunk has room for %d", e.Name, e.Tokens, c.room)
			}
			if len(c.ids)+e.Tokens > c.room {
				c.close()
			}
			c.learned = append(c.learned, Learned{len(c.ids), e})
			for range e.Tokens {
				c.add(0, weight, ends[i+n-1])
			}
			i += n
		}
	}
	if used := len(c.ids); used > 0 || len(c.done) == 0 {
		c.close()
		c.done[len(c.done)-1].used = used
	}
	c.done[len(c.done)-1].End = len(prompt.text)
	return c.done, nil
}

// EmptyChunk is the chunk of an empty prompt; prompts of one batch are made equally
// long with it.
func (t *Tokenizer) EmptyChunk() Chunk {
	c := chunker{Tokenizer: t, room: t.MaxLength - 2}
	c.close()
	return c.done[0]
}

// chunker holds the chunk under work without BOS and EOS, and those done.
type chunker struct {
	*Tokenizer
	room  int   // tokens of a chunk
	comma int32 // the token of a comma, or −1

	ids       []int32
	weights   []float32
	ends      []int // where in the prompt each token ends
	learned   []Learned
	lastComma int // its place in ids, or −1
	end       int // of what is done

	done []Chunk
}

func (c *chunker) add(id int32, weight float32, end int) {
	c.ids, c.weights, c.ends = append(c.ids, id), append(c.weights, weight), append(c.ends, end)
}

// moveAfterComma ends a full chunk after its last comma, where that is near.
func (c *chunker) moveAfterComma() {
	if len(c.ids) != c.room || c.lastComma < 0 || len(c.ids)-c.lastComma > backtrack {
		return
	}
	at := c.lastComma + 1
	moved := *c
	c.ids, c.weights, c.ends = c.ids[:at:at], c.weights[:at:at], c.ends[:at:at]
	c.learned = nil
	var learned []Learned
	for _, l := range moved.learned {
		if l.At < at {
			c.learned = append(c.learned, l)
		} else {
			learned = append(learned, Learned{l.At - at, l.Embedding})
		}
	}
	c.close()
	c.ids, c.weights, c.ends, c.learned = moved.ids[at:], moved.weights[at:], moved.ends[at:], learned
}

// close ends the chunk under work and begins an empty one.
func (c *chunker) close() {
	n := len(c.ids)
	out := Chunk{Learned: c.learned, used: c.room}
	if n > 0 {
		c.end = c.ends[n-1]
	}
	out.End = c.end
	out.IDs = append([]int32{c.BOS}, c.ids...)
	out.Weights = append([]float32{1}, c.weights...)
	for len(out.IDs) < c.room+2 {
		out.IDs, out.Weights = append(out.IDs, c.EOS), append(out.Weights, 1)
	}
	for i := slices.Index(out.IDs, c.EOS) + 1; c.Pad != c.EOS && i < len(out.IDs); i++ {
		out.IDs[i] = c.Pad
	}
	c.done = append(c.done, out)
	c.ids, c.weights, c.ends, c.learned, c.lastComma = nil, nil, nil, nil, -1
}

// Usage says how much of its chunks a prompt takes.
type Usage struct {
	Tokens int   // used; chunks before the last count as full
	Room   int   // of all chunks: 75·k for CLIP
	Ends   []int // where in the prompt each chunk ends, in bytes
}

// Measure counts a prompt as it is typed. Networks take no tokens. Of a prompt
// that changes within steps, or that AND joins, the longest of its texts counts,
// and Ends belongs to it. Ends refers to the prompt with U+FFFD for every run of bytes that is not
// UTF-8.
func (t *Tokenizer) Measure(prompt string, steps int, opts Options) (Usage, error) {
	typed := trace(valid(prompt))
	names := t.names(opts.Embeddings)
	var most Usage
	counted := make(map[string]bool)
	var all []tracedSpan
	for _, part := range compose(withoutNetworks(typed)) {
		all = append(all, schedule(part.text, clock{steps: steps})...)
	}
	for _, span := range all {
		if counted[span.prompt.text] {
			continue
		}
		counted[span.prompt.text] = true
		chunks, err := t.chunks(span.prompt, opts.Emphasis, names)
		if err != nil {
			return Usage{}, err
		}
		u := Usage{Room: len(chunks) * (t.MaxLength - 2)}
		for _, c := range chunks {
			u.Tokens += c.used
			end := c.End
			for end < len(typed.text) && !utf8.RuneStart(typed.text[end]) {
				end++
			}
			u.Ends = append(u.Ends, end)
		}
		u.Ends[len(u.Ends)-1] = len(typed.text)
		if most.Room == 0 || u.Tokens > most.Tokens {
			most = u
		}
	}
	return most, nil
}
