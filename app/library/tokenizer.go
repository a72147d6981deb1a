package library

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"latent/assets"
	"latent/gpu/atomicfile"
	"latent/textencoder"
)

// readTokenizer reads a tokenizer's files, of which some are optional.
func readTokenizer(folder fs.FS, dir string) (textencoder.Vocabulary, error) {
	entries, err := fs.ReadDir(folder, dir)
	if err != nil {
		return nil, fmt.Errorf("%s folder is missing: this is not a whole diffusers model folder", dir)
	}
	v := textencoder.Vocabulary{}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !strings.HasSuffix(name, ".json") && name != "merges.txt" {
			continue
		}
		if v[name], err = fs.ReadFile(folder, dir+"/"+name); err != nil {
			return nil, fmt.Errorf("%s/%s: %w", dir, name, atomicfile.Reason(err))
		}
	}
	return v, nil
}

// clipSize is the number of CLIP's tokens.
const clipSize = 49408

var errTokens = errors.New("the text encoder's tokens are not CLIP's, and there is no tokenizer for them")

// clipVocabulary is CLIP's own tokenizer, for models that bring none. OpenCLIP's
// text encoders, which are those with the exact GELU, fill short prompts up with
// token 0, CLIP's with the end.
func clipVocabulary(cfg textencoder.Config) (textencoder.Vocabulary, error) {
	if cfg.VocabSize != clipSize {
		return nil, errTokens
	}
	pad := textencoder.PadEOS
	if cfg.HiddenAct == "gelu" {
		pad = textencoder.PadZero
	}
	return textencoder.CLIPVocabulary(assets.CLIPMerges(), pad)
}
