package textencoder

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"latent/gpu/nn/golden"
)

// fastFile is v's vocabulary as a tokenizer.json, whose special tokens are added
// tokens; merge writes a line of merges.txt.
func fastFile(t testing.TB, v Vocabulary, merge func(line string) any) []byte {
	t.Helper()
	var ids map[string]int
	if err := json.Unmarshal(v["vocab.json"], &ids); err != nil {
		t.Fatal(err)
	}
	var added []any
	for _, special := range []string{"<|startoftext|>", "<|endoftext|>"} {
		added = append(added, map[string]any{"id": ids[special], "content": special})
		delete(ids, special)
	}
	var merges []any
	for line := range strings.Lines(string(v["merges.txt"])) {
		if line = strings.TrimSuffix(line, "\n"); !strings.HasPrefix(line, "#") {
			merges = append(merges, merge(line))
		}
	}
	data, err := json.Marshal(map[string]any{
		"added_tokens": added,
		"model":        map[string]any{"type": "BPE", "end_of_word_suffix": "</w>", "vocab": ids, "merges": merges},
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTokenizerJSONEqualsOlderFiles(t *testing.T) {
	const text = "a red fox, foxes; 猫 <|endoftext|>"
	v, err := BuildVocabulary([]string{"a", "red", "fox", ","}, 16)
	if err != nil {
		t.Fatal(err)
	}
	want, err := v.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	for name, merge := range map[string]func(string) any{
		"lines":  func(line string) any { return line },
		"tokens": func(line string) any { return strings.Fields(line) },
	} {
		fast := Vocabulary{"tokenizer.json": fastFile(t, v, merge), "tokenizer_config.json": v["tokenizer_config.json"]}
		got, err := fast.Tokenizer()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !slices.Equal(got.Encode(text), want.Encode(text)) {
			t.Errorf("%s: tokens %v, want %v", name, got.Encode(text), want.Encode(text))
		}
	}
}

func TestBrokenTokenizerJSON(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{`{`, "tokenizer: tokenizer.json: unexpected end of JSON input"},
		{`{"model":{"type":"WordPiece","vocab":{}}}`, `tokenizer: tokenizer.json: a "WordPiece" model with end of word "", want CLIP's, "BPE" with "</w>"`},
		{`{"model":{"type":"BPE","end_of_word_suffix":"</w>"}}`, `tokenizer: tokenizer.json: a "BPE" model without vocabulary`},
		{`{"model":{"type":"BPE","end_of_word_suffix":"</w>","vocab":{"a":0},"merges":[["a"]]}}`, "tokenizer: tokenizer.json: a merge is neither two tokens nor a line with them"},
	} {
		_, err := Vocabulary{"tokenizer.json": []byte(c.file)}.Tokenizer()
		if err == nil || err.Error() != c.want {
			t.Errorf("%s\ngot  %v\nwant %s", c.file, err, c.want)
		}
	}
}

func FuzzTokenizerJSON(f *testing.F) {
	v, err := BuildVocabulary([]string{"ab"}, 8)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fastFile(f, v, func(line string) any { return strings.Fields(line) }))
	f.Add(golden.Read(f, "../app/pipeline/testdata/model/tokenizer/tokenizer.json")) // of transformers 5
	f.Add([]byte(`{"added_tokens":[{"id":3,"content":"<|startoftext|>"}],"model":{"type":"BPE","end_of_word_suffix":"</w>","vocab":{"a":0},"merges":["a a"]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := LoadTokenizer(fstest.MapFS{"tokenizer.json": {Data: data}})
		if err == nil && len(tok.Encode("ab A")) != tok.MaxLength {
			t.Fatal("a tokenizer of another length")
		}
	})
}
