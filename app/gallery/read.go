package gallery

import (
	"bytes"
	"fmt"
	"image"
	"io"
	"os"
	"slices"
	"strings"
)

// The programs whose pictures ReadRecipe knows.
const (
	Latent   = "Latent"
	WebUI    = "AUTOMATIC1111" // and all that write its infotext
	ComfyUI  = "ComfyUI"
	InvokeAI = "InvokeAI"
	NovelAI  = "NovelAI"
)

// Read returns the recipe of a picture that Latent or another program made.
func Read(path string) (Recipe, error) {
	r, _, _, err := ReadRecipe(path)
	return r, err
}

// ReadRecipe returns the recipe of a PNG, JPEG or WebP file, the program that
// wrote it, and what of it a Recipe cannot say, a few words each. What infotext
// of other programs means by leaving it out is filled in.
func ReadRecipe(path string) (r Recipe, source string, unmatched []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return Recipe{}, "", nil, err
	}
	defer f.Close()
	r, source, unmatched, err = DecodeRecipe(f)
	if err != nil {
		return Recipe{}, "", nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, source, unmatched, nil
}

// DecodeRecipe is ReadRecipe of a file that is open.
func DecodeRecipe(f io.ReadSeeker) (r Recipe, source string, unmatched []string, err error) {
	texts, err := readTexts(f)
	if err != nil {
		return Recipe{}, "", nil, err
	}
	switch {
	case texts[keyword] != "":
		r, source, unmatched = fromInfotext(texts[keyword])
	case texts["prompt"] != "":
		source = ComfyUI
		r, unmatched, err = fromComfyUI([]byte(texts["prompt"]))
	case texts["invokeai_metadata"] != "":
		source = InvokeAI
		r, unmatched, err = fromInvokeAI([]byte(texts["invokeai_metadata"]))
	case strings.Contains(texts["Software"]+texts["Source"]+texts["Title"], NovelAI):
		source = NovelAI
		r, unmatched, err = fromNovelAI([]byte(texts["Comment"]), texts["Description"])
	default:
		err = errNoRecipe
	}
	if err != nil {
		return Recipe{}, "", nil, err
	}
	if r.Width == 0 || r.Height == 0 {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return Recipe{}, "", nil, err
		}
		if c, _, err := image.DecodeConfig(f); err == nil {
			r.Width, r.Height = c.Width, c.Height
		}
	}
	return r, source, unmatched, nil
}

// readTexts returns the texts of a picture by their keywords in a PNG.
func readTexts(f io.ReadSeeker) (map[string]string, error) {
	start := make([]byte, 12)
	n, err := io.ReadFull(f, start)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	start = start[:n]
	texts := map[string]string{}
	var exif []byte
	switch {
	case bytes.HasPrefix(start, []byte("\xff\xd8\xff")):
		exif, err = exifOfJPEG(f)
	case bytes.HasPrefix(start, []byte("RIFF")) && bytes.HasSuffix(start, []byte("WEBP")):
		exif, err = exifOfWebP(f)
	case bytes.HasPrefix(start, []byte(signature)):
		texts, exif, err = readPNG(f)
	default:
		return nil, errNoPicture
	}
	if err != nil {
		return nil, err
	}
	for name, text := range parseEXIF(exif) {
		if texts[name] == "" {
			texts[name] = text
		}
	}
	return texts, nil
}

// fromInfotext reads what AUTOMATIC1111 and many others write.
func fromInfotext(text string) (r Recipe, source string, unmatched []string) {
	r = ParseRecipe(text)
	source = WebUI
	if strings.HasPrefix(r.Version, Latent) {
		source = Latent
	}
	if r.Steps > 0 { // else it is a mere prompt
		r = r.Complete()
	}
	for _, p := range r.Extra {
		unmatched = append(unmatched, p.Key)
	}
	return r, source, unmatched
}

// baseName is a file's name without folder, of either kind, and ending.
func baseName(path string) string {
	path = path[strings.LastIndexAny(path, `/\`)+1:]
	for _, ending := range []string{".safetensors", ".ckpt", ".pt", ".pth", ".bin"} {
		path = strings.TrimSuffix(path, ending)
	}
	return path
}

// loraTag is AUTOMATIC1111's way to ask for a LoRA in a prompt.
func loraTag(name string, text, unet float64) string {
	if text == unet {
		return fmt.Sprintf("<lora:%s:%g>", name, unet)
	}
	return fmt.Sprintf("<lora:%s:%g:%g>", name, text, unet)
}

// note adds a remark once, if there are not very many.
func note(list *[]string, remark string) {
	if len(*list) < 64 && !slices.Contains(*list, remark) {
		*list = append(*list, remark)
	}
}
