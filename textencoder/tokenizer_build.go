package textencoder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
)

// A Vocabulary is a tokenizer's files, by name, before they are written.
type Vocabulary map[string][]byte

// BuildVocabulary makes a small vocabulary for a text transformer of its own:
// each word of words becomes one token, and any other text still encodes, byte by
// byte in the worst case. A word is what CLIP's pattern takes for one: of
// "t-shirt" the parts t, - and shirt become tokens, and digits stay single.
//
// maxLength is the transformer's context, BOS and EOS included. The same words in
// the same order give the same files.
func BuildVocabulary(words []string, maxLength int) (Vocabulary, error) {
	if maxLength < 2 || maxLength > maxContext {
		return nil, fmt.Errorf("vocabulary: %d tokens are not a context length", maxLength)
	}
	var tokens []string
	ids := make(map[string]int32)
	add := func(token string) int32 {
		id, ok := ids[token]
		if !ok {
			id = int32(len(tokens))
			ids[token] = id
			tokens = append(tokens, token)
		}
		return id
	}
	for _, end := range []string{"", wordEnd} {
		for _, r := range byteRune {
			add(string(r) + end)
		}
	}
	e := newBPE(ids, 0)
	merges := bytes.NewBufferString("#version: 0.2\n")
	for _, w := range words {
		for _, piece := range pieces(cleanText(strings.ToValidUTF8(w, "\ufffd"))) {
			// A new merge ranks below all others, so a word that already is one
			// token never comes to use it and stays one token.
			for {
				parts := e.append(nil, piece)
				if len(parts) == 1 {
					break
				}
				left, right := tokens[parts[0]], tokens[parts[1]]
				e.merges[pair{parts[0], parts[1]}] = merge{len(e.merges), add(left + right)}
				fmt.Fprintf(merges, "%s %s\n", left, right)
			}
		}
	}
	add(bosToken)
	add(eosToken)
	return newVocabulary(ids, merges.Bytes(), eosToken, maxLength)
}

const bosToken, eosToken = "<|startoftext|>", "<|endoftext|>"

// CLIPVocabulary makes CLIP's vocabulary of its merges.txt. The tokens are those
// of the single bytes, those of the bytes at a word's end, what each merge makes,
// and the two special ones. pad fills up short prompts: PadEOS or PadZero.
func CLIPVocabulary(merges []byte, pad Padding) (Vocabulary, error) {
	ids := make(map[string]int32)
	add := func(token string) {
		if _, ok := ids[token]; !ok {
			ids[token] = int32(len(ids))
		}
	}
	for _, end := range []string{"", wordEnd} {
		for _, printable := range []bool{true, false} { // CLIP counts the others last
			for b, r := range byteRune {
				if (rune(b) == r) == printable {
					add(string(r) + end)
				}
			}
		}
	}
	n := 0
	for line := range strings.Lines(string(merges)) {
		line = strings.TrimRight(line, "\r\n")
		if n++; line == "" || strings.HasPrefix(line, "#version") {
			continue
		}
		left, right, ok := strings.Cut(line, " ")
		if !ok || strings.Contains(right, " ") {
			return nil, fmt.Errorf("vocabulary: merges.txt: line %d: %.40q is not two tokens", n, line)
		}
		add(left + right)
	}
	add(bosToken)
	add(eosToken)
	return newVocabulary(ids, merges, string(pad), clipLength)
}

// Padding is the token behind a prompt's end, which the U-Net sees too.
type Padding string

const (
	PadEOS  Padding = eosToken // SD 1.x and SDXL's first encoder
	PadZero Padding = "!"      // the token 0: SD 2.x and SDXL's second encoder, made by OpenCLIP
)

func newVocabulary(ids map[string]int32, merges []byte, pad string, maxLength int) (Vocabulary, error) {
	special := map[string]any{"bos_token": bosToken, "eos_token": eosToken, "unk_token": eosToken, "pad_token": pad}
	config := map[string]any{
		"tokenizer_class": "CLIPTokenizer", "model_max_length": maxLength,
		"do_lower_case": true, "add_prefix_space": false, "errors": "replace",
	}
	for key, token := range special {
		config[key] = token
	}
	v := Vocabulary{"merges.txt": merges}
	for name, value := range map[string]any{
		"vocab.json": ids, "special_tokens_map.json": special, "tokenizer_config.json": config,
	} {
		var data bytes.Buffer
		enc := json.NewEncoder(&data)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(value); err != nil {
			return nil, err
		}
		v[name] = data.Bytes()
	}
	return v, nil
}

// Tokenizer returns the tokenizer that LoadTokenizer finds in the saved files.
func (v Vocabulary) Tokenizer() (*Tokenizer, error) {
	return newTokenizer(func(name string) ([]byte, error) {
		data, ok := v[name]
		if !ok {
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		return data, nil
	})
}
