package textencoder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
)

// config is what tokenizer_config.json, special_tokens_map.json and
// added_tokens.json say together.
type config struct {
	maxLength          int
	bos, eos, unk, pad string
	added              []addedToken // of the same text the last one counts; id −1 if it has none of its own
}

// clipLength is CLIP's context length, for folders that give none.
const clipLength = 77

// maxContext is far above any text transformer's context. transformers writes
// 10³⁰ where there is no limit.
const maxContext = 1 << 16

// tokenJSON is a token in a configuration: its text alone, or an AddedToken.
type tokenJSON struct {
	text       string
	normalized bool
	special    bool
}

func (t *tokenJSON) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &t.text) == nil {
		t.special = true
		return nil
	}
	var fields struct {
		Content    *string
		Normalized *bool
		Special    *bool
	}
	if err := json.Unmarshal(data, &fields); err != nil || fields.Content == nil {
		return errors.New("neither a token's text nor a table with its content")
	}
	t.text = *fields.Content
	t.special = fields.Special == nil || *fields.Special
	t.normalized = !t.special
	if fields.Normalized != nil {
		t.normalized = *fields.Normalized
	}
	return nil
}

// namedTokens are the keys both configuration files may have.
type namedTokens struct {
	BOS *tokenJSON `json:"bos_token"`
	EOS *tokenJSON `json:"eos_token"`
	Unk *tokenJSON `json:"unk_token"`
	Pad *tokenJSON `json:"pad_token"`
}

// readConfig follows transformers: a tokenizer_config.json with an
// added_tokens_decoder is complete; an older one is overruled by
// special_tokens_map.json and followed by added_tokens.json.
func readConfig(read func(string) ([]byte, error)) (config, error) {
	var c config
	var main struct {
		namedTokens
		MaxLength float64              `json:"model_max_length"`
		Decoder   map[string]tokenJSON `json:"added_tokens_decoder"`
	}
	if err := readJSON(read, "tokenizer_config.json", &main); err != nil {
		return c, err
	}
	c.maxLength = clipLength
	if main.MaxLength != 0 && main.MaxLength <= maxContext {
		c.maxLength = int(main.MaxLength)
	}
	if c.maxLength < 2 {
		return c, fmt.Errorf("tokenizer_config.json: model_max_length is %g, too short for BOS and EOS", main.MaxLength)
	}
	named := main.namedTokens
	if main.Decoder == nil {
		if err := readJSON(read, "special_tokens_map.json", &named); err != nil {
			return c, err
		}
		var ids map[string]int32
		if err := readJSON(read, "added_tokens.json", &ids); err != nil {
			return c, err
		}
		for text, id := range ids {
			c.added = append(c.added, addedToken{id: id, text: text, normalized: true})
		}
	}
	decoded := make(map[string]bool)
	for key, token := range main.Decoder {
		id, err := strconv.ParseInt(key, 10, 32)
		if err != nil {
			return c, fmt.Errorf("tokenizer_config.json: added_tokens_decoder: %.40q is not an id", key)
		}
		decoded[token.text] = true
		c.added = append(c.added, addedToken{int32(id), token.text, token.special, token.normalized})
	}
	slices.SortFunc(c.added, func(a, b addedToken) int { return int(a.id) - int(b.id) })
	for _, n := range []struct {
		to    *string
		token *tokenJSON
		usual string
	}{
		{&c.bos, named.BOS, "<|startoftext|>"},
		{&c.eos, named.EOS, "<|endoftext|>"},
		{&c.unk, named.Unk, "<|endoftext|>"},
		{&c.pad, named.Pad, "<|endoftext|>"},
	} {
		token := tokenJSON{text: n.usual, special: true}
		if n.token != nil {
			token = *n.token
		}
		*n.to = token.text
		if !decoded[token.text] {
			c.added = append(c.added, addedToken{-1, token.text, true, token.normalized})
		}
	}
	return c, nil
}

// readJSON reads a file that may be absent.
func readJSON(read func(string) ([]byte, error), name string, into any) error {
	data, err := read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
