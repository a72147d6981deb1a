package textencoder

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

var update = flag.Bool("update", false, "write testdata/tokenizer/built anew; run make_golden.py afterwards")

const tokenizers = "testdata/tokenizer/"

func load(t testing.TB, folder string) *Tokenizer {
	t.Helper()
	tok, err := LoadTokenizer(os.DirFS(tokenizers + folder))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// golden.json holds what transformers' CLIPTokenizer does.
func TestTokenizerAgreesWithTransformers(t *testing.T) {
	data, err := os.ReadFile(tokenizers + "golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden []struct {
		Folder        string
		BOS, EOS, Pad int32
		MaxLength     int `json:"max_length"`
		Cases         []struct {
			Text, Decoded string
			Tokens, IDs   []int32
		}
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	if len(golden) != 6 {
		t.Fatalf("%d tokenizers, want 6", len(golden))
	}
	for _, g := range golden {
		t.Run(g.Folder, func(t *testing.T) {
			tok := load(t, g.Folder)
			if tok.BOS != g.BOS || tok.EOS != g.EOS || tok.Pad != g.Pad || tok.MaxLength != g.MaxLength {
				t.Errorf("BOS %d, EOS %d, Pad %d, MaxLength %d; want %d, %d, %d, %d",
					tok.BOS, tok.EOS, tok.Pad, tok.MaxLength, g.BOS, g.EOS, g.Pad, g.MaxLength)
			}
			for _, c := range g.Cases {
				tokens := tok.Tokens(c.Text)
				if !slices.Equal(tokens, c.Tokens) {
					t.Errorf("Tokens(%.60q)\n got %v\nwant %v", c.Text, tokens, c.Tokens)
				}
				if n := tok.Count(c.Text); n != len(c.Tokens) {
					t.Errorf("Count(%.60q) = %d, want %d", c.Text, n, len(c.Tokens))
				}
				if ids := tok.Encode(c.Text); !slices.Equal(ids, c.IDs) {
					t.Errorf("Encode(%.60q)\n got %v\nwant %v", c.Text, ids, c.IDs)
				}
				if got := tok.Decode(tokens); got != c.Decoded {
					t.Errorf("Decode(Tokens(%.60q))\n got %q\nwant %q", c.Text, got, c.Decoded)
				}
			}
		})
	}
}

var builtWords = []string{
	"a", "the", "red", "tiny", "banana", "an", "anchor", "ananas", "bandana", "nan", "aaa", "aa",
	"Cat", "cats", "concat", "t-shirt", "café", "猫", "猫猫", "🎨", "naïve", "theatre", "42", "red", "",
}

func TestBuildVocabulary(t *testing.T) {
	v, err := BuildVocabulary(builtWords, 24)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(tokenizers, "built")
	for name, got := range v { // the golden ids belong to these very files
		if *update {
			if err := os.WriteFile(filepath.Join(folder, name), got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s differs from the one in %s", name, folder)
		}
	}
	tok, err := v.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range builtWords {
		want := 1
		switch w {
		case "":
			want = 0
		case "42":
			want = 2 // digits stay single
		case "t-shirt":
			want = 3
		}
		if got := tok.Tokens(w); len(got) != want {
			t.Errorf("%q became %d tokens, want %d", w, len(got), want)
		}
	}
	if _, err := BuildVocabulary(nil, 1); err == nil {
		t.Error("a context of 1 was accepted")
	}
}

// What LoadTokenizer finds in the files is what Vocabulary.Tokenizer gives.
func TestVocabularyFiles(t *testing.T) {
	v, err := BuildVocabulary([]string{"cat"}, 8)
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for name, data := range v {
		files[name] = &fstest.MapFile{Data: data}
	}
	tok, err := LoadTokenizer(files)
	if err != nil {
		t.Fatal(err)
	}
	want := []int32{tok.BOS, tok.Tokens("cat")[0], tok.EOS, tok.EOS, tok.EOS, tok.EOS, tok.EOS, tok.EOS}
	if got := tok.Encode("Cat"); !slices.Equal(got, want) {
		t.Errorf("Encode gives %v, want %v", got, want)
	}
}

func TestBrokenTokenizerFiles(t *testing.T) {
	good, err := BuildVocabulary([]string{"cat"}, 8)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, content, want string }{
		{"vocab.json", "absent", "vocab.json"},
		{"merges.txt", "absent", "merges.txt"},
		{"vocab.json", "{", "not a table"},
		{"vocab.json", "[]", "not a table"},
		{"vocab.json", `{"a":-1}`, "has the id -1"},
		{"vocab.json", `{"a":4294967296}`, "has the id 4294967296"},
		{"vocab.json", `{"a":0.5}`, "not a table"},
		{"vocab.json", `{"a":1,"b":1}`, "same id 1"},
		{"vocab.json", `{"a":1}`, "startoftext|>\" is not in the vocabulary"},
		{"merges.txt", "c a\nc", "line 2"},
		{"merges.txt", "c a t", "line 1"},
		{"merges.txt", "q q", "\"qq\" is not in vocab.json"},
		{"merges.txt", strings.Repeat("x", 1<<20), "line is too long"},
		{"tokenizer_config.json", "<html>", "tokenizer_config.json"},
		{"tokenizer_config.json", `{"model_max_length":1}`, "too short"},
		{"tokenizer_config.json", `{"model_max_length":-9}`, "too short"},
		{"tokenizer_config.json", `{"bos_token":7}`, "neither a token's text"},
		{"tokenizer_config.json", `{"added_tokens_decoder":{"x":"y"}}`, "not an id"},
		{"tokenizer_config.json", `{"added_tokens_decoder":{"5":"yy"}}`, "\"yy\" is not in the vocabulary"},
		{"special_tokens_map.json", `{"pad_token":"<pad>"}`, "\"<pad>\" is not in the vocabulary"},
		{"special_tokens_map.json", `{"pad_token":{}}`, "content"},
		{"added_tokens.json", `{"<new>":3}`, "\"<new>\" is not in the vocabulary"},
	} {
		folder := fstest.MapFS{}
		for name, data := range good {
			folder[name] = &fstest.MapFile{Data: data}
		}
		if c.content == "absent" {
			delete(folder, c.file)
		} else {
			folder[c.file] = &fstest.MapFile{Data: []byte(c.content)}
		}
		_, err := LoadTokenizer(folder)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "tokenizer") {
			t.Errorf("%s = %.40q: error %v, want %q", c.file, c.content, err, c.want)
		}
	}
	if _, err := LoadTokenizer(os.DirFS(t.TempDir())); err == nil {
		t.Error("an empty folder was loaded")
	}
}

func TestDecodeUnknownIDs(t *testing.T) {
	tok := load(t, "sd1")
	if got := tok.Decode([]int32{-1, tok.BOS, 1 << 30, tok.EOS}); got != "" {
		t.Errorf("decoded %q, want nothing", got)
	}
}

// Any text encodes to known ids, as many as asked for, and comes back as its
// words without white space.
func FuzzTokenizerText(f *testing.F) {
	for _, s := range []string{"a red cat", "it's 'S!", "猫🎨 İ é", "<|endoftext|>", "\xff\x00", "aaaaaaaa banana"} {
		f.Add(s)
	}
	tok := load(f, "built")
	f.Fuzz(func(t *testing.T, s string) {
		ids := tok.Encode(s)
		if len(ids) != tok.MaxLength || ids[0] != tok.BOS || ids[len(ids)-1] != tok.EOS {
			t.Fatalf("Encode(%q) = %v", s, ids)
		}
		tokens := tok.Tokens(s)
		for _, id := range tokens {
			if _, ok := tok.tokens[id]; !ok {
				t.Fatalf("%q has the id %d", s, id)
			}
		}
		if strings.Contains(s, "<") { // special tokens and wordEnd do not come back
			return
		}
		squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
		want := squeeze(cleanText(strings.ToValidUTF8(s, "\ufffd")))
		if got := squeeze(tok.Decode(tokens)); got != want {
			t.Fatalf("%q came back as %q, want %q", s, got, want)
		}
	})
}

// Files from anywhere are loaded or refused, and what is loaded encodes.
func FuzzLoadTokenizer(f *testing.F) {
	v, err := BuildVocabulary([]string{"ab"}, 8)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(v["vocab.json"], v["merges.txt"], v["tokenizer_config.json"], v["special_tokens_map.json"])
	for _, name := range []string{"added", "built", "decoder", "holes", "sd1", "sd2"} { // as transformers writes them
		dir := os.DirFS(filepath.Join("testdata", "tokenizer", name))
		read := func(name string) []byte {
			data, _ := fs.ReadFile(dir, name) // some have not all
			return data
		}
		f.Add(read("vocab.json"), read("merges.txt"), read("tokenizer_config.json"), read("special_tokens_map.json"))
	}
	small := []byte(`{"a":0,"b</w>":1,"ab</w>":2,"<|startoftext|>":3,"<|endoftext|>":4}`)
	f.Add(small, []byte("a b</w>\n"), []byte(`{"added_tokens_decoder":{"4":{"content":"<|endoftext|>"}}}`), []byte(`{}`))
	f.Fuzz(func(t *testing.T, vocab, merges, config, special []byte) {
		tok, err := LoadTokenizer(fstest.MapFS{
			"vocab.json":              {Data: vocab},
			"merges.txt":              {Data: merges},
			"tokenizer_config.json":   {Data: config},
			"special_tokens_map.json": {Data: special},
		})
		if err != nil {
			return
		}
		if ids := tok.Encode("ab A <|endoftext|> 🎨"); len(ids) != tok.MaxLength {
			t.Fatalf("%d ids, want %d", len(ids), tok.MaxLength)
		}
		tok.Decode(tok.Tokens("ab b a"))
	})
}

func BenchmarkTokens(b *testing.B) {
	tok := load(b, "sd1")
	for name, text := range map[string]string{
		"prompt":  "a photograph of an astronaut riding a horse, highly detailed, sharp focus, 8k",
		"oneword": strings.Repeat("a", 1<<16),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				tok.Tokens(text)
			}
		})
	}
}

func ExampleBuildVocabulary() {
	v, err := BuildVocabulary([]string{"a", "red", "cat"}, 8)
	if err != nil {
		fmt.Println(err)
		return
	}
	tok, err := v.Tokenizer()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(tok.Count("a red cat"), tok.Count("a blue cat"), tok.Decode(tok.Encode("A Blue Cat")))
	// Output: 3 6 a blue cat
}
