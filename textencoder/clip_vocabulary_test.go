package textencoder

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"latent/assets"
)

func clipTokenizer(t testing.TB, pad Padding) *Tokenizer {
	t.Helper()
	v, err := CLIPVocabulary(assets.CLIPMerges(), pad)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := v.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestCLIPVocabularyAgreesWithTransformers(t *testing.T) {
	data, err := os.ReadFile("testdata/clip_vocabulary/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[Padding][]struct {
		Text string
		IDs  []int32
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	for pad, id := range map[Padding]int32{PadEOS: 49407, PadZero: 0} {
		tok := clipTokenizer(t, pad)
		if tok.BOS != 49406 || tok.EOS != 49407 || tok.Pad != id || tok.MaxLength != 77 || tok.Size() != 49408 {
			t.Errorf("%s: BOS %d, EOS %d, Pad %d, MaxLength %d, size %d", pad, tok.BOS, tok.EOS, tok.Pad, tok.MaxLength, tok.Size())
		}
		if len(golden[pad]) < 40 {
			t.Fatalf("%s: %d cases", pad, len(golden[pad]))
		}
		for _, c := range golden[pad] {
			if got := tok.Encode(c.Text); !slices.Equal(got, c.IDs) {
				t.Errorf("%s: Encode(%.60q)\n got %v\nwant %v", pad, c.Text, got, c.IDs)
			}
		}
	}
}

func TestCLIPVocabularyRefusesBrokenMerges(t *testing.T) {
	for _, c := range []struct{ merges, want string }{
		{"#version: 0.2\ni n\nt", `line 3: "t" is not two tokens`},
		{"i n\n\na b c\n", `line 3: "a b c" is not two tokens`},
	} {
		if _, err := CLIPVocabulary([]byte(c.merges), PadEOS); err == nil || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.merges, err, c.want)
		}
	}
}

// Merges from anywhere make a tokenizer or an error.
func FuzzCLIPVocabulary(f *testing.F) {
	f.Add(assets.CLIPMerges()[:300])
	f.Add([]byte("a b\nab c</w>\n"))
	f.Add([]byte("! !</w>\r\n! !</w>\r\n"))
	f.Fuzz(func(t *testing.T, merges []byte) {
		v, err := CLIPVocabulary(bytes.Clone(merges), PadZero)
		if err != nil {
			return
		}
		tok, err := v.Tokenizer()
		if err != nil {
			return
		}
		if ids := tok.Encode("abc ab! c"); len(ids) != tok.MaxLength || ids[0] != tok.BOS {
			t.Fatalf("%v", ids)
		}
	})
}

func BenchmarkCLIPVocabulary(b *testing.B) {
	for b.Loop() {
		clipTokenizer(b, PadEOS)
	}
}
