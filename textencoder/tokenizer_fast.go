package textencoder

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// readModel reads what vocab.json and merges.txt hold: from them, or from the
// tokenizer.json that transformers 5 writes in their place.
func readModel(read func(name string) ([]byte, error)) (vocab, merges []byte, err error) {
	if vocab, err = read("vocab.json"); errors.Is(err, fs.ErrNotExist) {
		if fast, ferr := read("tokenizer.json"); ferr == nil {
			if vocab, merges, err = splitFast(fast); err != nil {
				err = fmt.Errorf("tokenizer.json: %w", err)
			}
			return vocab, merges, err
		}
	}
	if err == nil {
		merges, err = read("merges.txt")
	}
	return vocab, merges, err
}

// splitFast makes the older two files of a tokenizer.json. Normaliser and word
// pattern are CLIP's in any file for CLIP, and are not read.
func splitFast(data []byte) (vocab, merges []byte, err error) {
	var file struct {
		Added []struct {
			ID      int64
			Content string
		} `json:"added_tokens"`
		Model struct {
			Type   string
			Suffix string `json:"end_of_word_suffix"`
			Vocab  map[string]int64
			Merges []fastMerge
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, nil, err
	}
	switch m := file.Model; {
	case m.Type != "BPE" || m.Suffix != wordEnd:
		return nil, nil, fmt.Errorf("a %q model with end of word %q, want CLIP's, \"BPE\" with %q", m.Type, m.Suffix, wordEnd)
	case m.Vocab == nil:
		return nil, nil, fmt.Errorf("a %q model without vocabulary", m.Type)
	}
	for _, token := range file.Added {
		file.Model.Vocab[token.Content] = token.ID
	}
	if vocab, err = json.Marshal(file.Model.Vocab); err != nil {
		return nil, nil, err
	}
	var text bytes.Buffer
	for _, m := range file.Model.Merges {
		fmt.Fprintf(&text, "%s\n", m)
	}
	return vocab, text.Bytes(), nil
}

// A fastMerge is a line of merges.txt; files of older versions hold the line
// itself, later ones its two tokens.
type fastMerge string

func (m *fastMerge) UnmarshalJSON(data []byte) error {
	var line string
	if json.Unmarshal(data, &line) == nil {
		*m = fastMerge(line)
		return nil
	}
	var tokens []string
	if err := json.Unmarshal(data, &tokens); err != nil || len(tokens) != 2 {
		return errors.New("a merge is neither two tokens nor a line with them")
	}
	*m = fastMerge(strings.Join(tokens, " "))
	return nil
}
