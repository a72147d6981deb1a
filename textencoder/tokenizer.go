package textencoder

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A Tokenizer turns text into the token ids that a CLIP text transformer reads,
// by byte-level byte-pair encoding (Radford et al. 2021, "Learning Transferable
// Visual Models From Natural Language Supervision", section 2.4; Sennrich et al.
// 2016). Its ids are those of the CLIPTokenizer of Python's transformers.
//
// It holds no state between calls and may be used by several goroutines.
type Tokenizer struct {
	BOS, EOS  int32 // begin and end of the text
	Pad       int32 // fills Encode's result: EOS in SD 1.x, "!" in SD 2.x
	MaxLength int   // length of Encode's result, BOS and EOS included: 77 in Stable Diffusion

	ids     map[string]int32
	tokens  map[int32]string
	unknown int32
	bpe     bpe
	added   []addedToken // longest first
}

// An addedToken is found in the text as it stands, before any word is.
type addedToken struct {
	id         int32
	text       string
	special    bool // Decode leaves it out
	normalized bool // looked for in the cleaned text, not in the text as typed
}

// LoadTokenizer reads a model folder's tokenizer: vocab.json and merges.txt, or
// tokenizer.json where they are absent, and what says which tokens are special: tokenizer_config.json, special_tokens_map.json
// and added_tokens.json, each of which may be absent.
func LoadTokenizer(folder fs.FS) (*Tokenizer, error) {
	return newTokenizer(func(name string) ([]byte, error) { return readLimited(folder, name) })
}

// maxFile bounds each file: CLIP's own largest takes about 1 MB.
const maxFile = 32 << 20

func readLimited(folder fs.FS, name string) ([]byte, error) {
	f, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("more than %d MB, too large for a tokenizer", maxFile>>20)
	}
	return data, err
}

func newTokenizer(read func(name string) ([]byte, error)) (*Tokenizer, error) {
	vocab, merges, err := readModel(read)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	t := new(Tokenizer)
	if err := t.readVocabulary(vocab); err != nil {
		return nil, fmt.Errorf("tokenizer: vocab.json: %w", err)
	}
	config, err := readConfig(read)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if err := t.setSpecial(config); err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if t.bpe, err = readMerges(string(merges), t.ids, t.unknown); err != nil {
		return nil, fmt.Errorf("tokenizer: merges.txt: %w", err)
	}
	return t, nil
}

func (t *Tokenizer) readVocabulary(data []byte) error {
	var ids map[string]int64
	if err := json.Unmarshal(data, &ids); err != nil {
		return fmt.Errorf("not a table of tokens and their ids: %w", err)
	}
	t.ids = make(map[string]int32, len(ids))
	t.tokens = make(map[int32]string, len(ids))
	for token, id := range ids {
		if id < 0 || id > math.MaxInt32 {
			return fmt.Errorf("token %.40q has the id %d", token, id)
		}
		if other, ok := t.tokens[int32(id)]; ok {
			return fmt.Errorf("tokens %.40q and %.40q have the same id %d", min(token, other), max(token, other), id)
		}
		t.ids[token] = int32(id)
		t.tokens[int32(id)] = token
	}
	return nil
}

// setSpecial takes over the special tokens. They have their ids from the
// vocabulary, unless the configuration adds them.
func (t *Tokenizer) setSpecial(c config) error {
	t.MaxLength = c.maxLength
	byText := make(map[string]addedToken)
	for _, token := range c.added {
		id, ok := t.ids[token.text]
		if !ok {
			id = token.id
		}
		if other, ok := t.tokens[id]; id < 0 || ok && other != token.text {
			return fmt.Errorf("token %.40q is not in the vocabulary", token.text)
		}
		token.id = id
		t.ids[token.text], t.tokens[id] = id, token.text
		if token.normalized {
			token.text = cleanText(token.text)
		}
		if token.text != "" {
			byText[token.text] = token
		}
	}
	t.added = slices.SortedFunc(maps.Values(byText), func(a, b addedToken) int {
		return cmp.Or(cmp.Compare(len(b.text), len(a.text)), cmp.Compare(a.text, b.text))
	})
	for _, token := range t.added {
		t.tokens[token.id] = token.text
	}
	t.BOS, t.EOS, t.Pad, t.unknown = t.ids[c.bos], t.ids[c.eos], t.ids[c.pad], t.ids[c.unk]
	return nil
}

// Encode returns MaxLength ids: BOS, the text's tokens, EOS and then Pad. What is
// too long is cut off at the end.
func (t *Tokenizer) Encode(text string) []int32 {
	body := t.Tokens(text)
	body = body[:min(len(body), t.MaxLength-2)]
	ids := make([]int32, 0, t.MaxLength)
	ids = append(ids, t.BOS)
	ids = append(ids, body...)
	ids = append(ids, t.EOS)
	for len(ids) < t.MaxLength {
		ids = append(ids, t.Pad)
	}
	return ids
}

// Count returns how many tokens the text takes, BOS and EOS not counted.
func (t *Tokenizer) Count(text string) int { return len(t.Tokens(text)) }

// Tokens returns the ids of the whole text, without BOS, EOS and padding.
func (t *Tokenizer) Tokens(text string) []int32 {
	ids, _ := t.encode(trace(valid(text)))
	return ids
}

// valid replaces what is not UTF-8.
func valid(text string) string { return strings.ToValidUTF8(text, "\ufffd") }

// encode returns the ids of a text and the places in its source where they end.
func (t *Tokenizer) encode(text traced) (ids []int32, ends []int) {
	add := func(id int32, end int) { ids, ends = append(ids, id), append(ends, end) }
	t.split(text, false, add, func(part traced) {
		t.split(cleanTraced(part), true, add, func(part traced) {
			for _, piece := range tracedPieces(part) {
				t.bpe.split(piece.text, func(id int32, end int) { add(id, piece.at[end-1]+1) })
			}
		})
	})
	return ids, ends
}

// split finds the added tokens of one kind in the text, the leftmost and longest
// first, adds them and calls rest for what stands between them.
func (t *Tokenizer) split(text traced, normalized bool, add func(id int32, end int), rest func(traced)) {
	start := 0
	for i := 0; i < len(text.text); {
		token, ok := t.addedAt(text.text[i:], normalized)
		if !ok {
			i++
			continue
		}
		rest(text.slice(start, i))
		start = i + len(token.text)
		add(token.id, text.slice(i, start).end())
		i = start
	}
	rest(text.slice(start, len(text.text)))
}

func (t *Tokenizer) addedAt(text string, normalized bool) (addedToken, bool) {
	for _, token := range t.added {
		if token.normalized == normalized && strings.HasPrefix(text, token.text) {
			return token, true
		}
	}
	return addedToken{}, false
}

// Decode returns the text of the ids, words apart by one space, special tokens
// and unknown ids left out.
func (t *Tokenizer) Decode(ids []int32) string {
	var text []byte
	for _, id := range ids {
		if slices.ContainsFunc(t.added, func(a addedToken) bool { return a.id == id && a.special }) {
			continue
		}
		text = append(text, tokenBytes(t.tokens[id])...)
	}
	s := strings.ToValidUTF8(string(text), "\ufffd")
	return strings.TrimSpace(strings.ReplaceAll(s, wordEnd, " "))
}

// cleanText composes letters (NFC), makes every run of white space one space and
// every letter lower-case.
func cleanText(s string) string { return cleanTraced(trace(s)).text }

func cleanTraced(t traced) traced {
	t = composed(t)
	out := make([]traced, 0, len(t.text))
	space := false
	for i, r := range t.text {
		here := t.slice(i, i+utf8.RuneLen(r))
		if unicode.IsSpace(r) {
			if !space {
				out = append(out, here.become(" "))
			}
			space = true
			continue
		}
		space = false
		lower := "i̇" // of İ, the only letter whose lower case is two code points
		if r != 'İ' {
			lower = string(unicode.ToLower(r))
		}
		out = append(out, here.become(lower))
	}
	return join(out...)
}

func composed(t traced) traced {
	if norm.NFC.IsNormalString(t.text) {
		return t
	}
	var out []traced
	var segments norm.Iter
	segments.InitString(norm.NFC, t.text)
	for !segments.Done() {
		from := segments.Pos()
		text := string(segments.Next())
		out = append(out, t.slice(from, segments.Pos()).become(text))
	}
	return join(out...)
}

// word is CLIP's pattern of what byte-pair encoding works within. It runs on
// cleaned text, whose only white space is ' '.
var word = regexp.MustCompile(`<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^ \p{L}\p{N}]+`)

func pieces(s string) []string {
	var all []string
	for _, p := range tracedPieces(trace(s)) {
		all = append(all, p.text)
	}
	return all
}

func tracedPieces(t traced) []traced {
	var all []traced
	for _, m := range word.FindAllStringIndex(t.text, -1) {
		w := t.slice(m[0], m[1])
		if n := len(w.text); strings.HasPrefix(w.text, "<|") && strings.HasSuffix(w.text, "text|>") {
			// A special token's name where it is none: transformers splits it
			// again, with the pattern of GPT-2, which does not know it.
			all = append(all, w.slice(0, 2), w.slice(2, n-2), w.slice(n-2, n))
			continue
		}
		all = append(all, w)
	}
	return all
}

// Size is the number of token ids: the rows of the text encoder's table.
func (t *Tokenizer) Size() int {
	size := int32(0)
	for id := range t.tokens {
		size = max(size, id+1)
	}
	return int(size)
}
