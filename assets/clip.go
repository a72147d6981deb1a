package assets

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"io"
)

//go:embed clip/merges.txt.gz
var clipMerges []byte

// CLIPMerges is the merges.txt of CLIP's tokenizer (Radford et al. 2021): 48894
// lines, from which its whole vocabulary follows.
func CLIPMerges() []byte {
	r, err := gzip.NewReader(bytes.NewReader(clipMerges))
	if err != nil {
		panic(err) // the file is built in, and tested
	}
	text, err := io.ReadAll(r)
	if err != nil {
		panic(err)
	}
	return text
}
