package trainer

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// heard runs a recipe and collects what it says besides.
func heard(t *testing.T, c Config, resume bool, into map[key]float64) (notes []string, err error) {
	t.Helper()
	err = Train(context.Background(), open(t), c, resume, func(p Progress) {
		switch {
		case p.Note != "":
			if p.LeftOut != "" && !strings.HasPrefix(p.Note, p.LeftOut+" is left out: ") {
				t.Errorf("note %q on %s", p.Note, p.LeftOut)
			}
			notes = append(notes, p.Note)
		case p.Loss != 0:
			into[key{p.Stage, p.Step}] = p.Loss
		}
	})
	return notes, err
}

func encodePNG(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// broken are files that no training can use, by name, each with a word of the reason.
func broken(t *testing.T) map[string][2]string {
	t.Helper()
	encode := func(img image.Image) string { return string(encodePNG(t, img)) }
	gray := encode(image.NewGray(image.Rect(0, 0, 40, 40)))
	huge := []byte(gray) // only its header says that it is: 10,000×10,000
	binary.BigEndian.PutUint32(huge[16:], 10_000)
	binary.BigEndian.PutUint32(huge[20:], 10_000)
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	return map[string][2]string{
		"aa-text.png":  {"these are words", "not a PNG"},
		"bb-empty.png": {"", "not a PNG"},
		"bc-torn.png":  {gray[:len(gray)/2], "damaged PNG"},
		"cc-tiff.png":  {"II*\x00\x08\x00\x00\x00", "not a PNG"},
		"dd-huge.png":  {string(huge), "make it smaller"},
		"ff-small.png": {encode(image.NewGray(image.Rect(0, 0, 90, 7))), "only 90×7 pixels"},
	}
}

// Broken pictures are left out, each told of once by its name, and the rest is trained
// on as if they had not been there.
func TestBrokenPicturesAreLeftOut(t *testing.T) {
	for name, c := range map[string]Config{"from scratch": tiny(t), "LoRA": loraConfig(t, basePath("sd1"))} {
		t.Run(name, func(t *testing.T) {
			c.Data.Flip = true
			want := map[key]float64{}
			if notes, err := heard(t, c, false, want); err != nil || len(notes) > 0 {
				t.Fatal(notes, err)
			}
			bad := broken(t)
			for name, file := range bad {
				if err := os.WriteFile(filepath.Join(c.Data.Folder, name), []byte(file[0]), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			// Others that are to be read go on in a folder that cannot be opened.
			if err := os.Mkdir(filepath.Join(c.Data.Folder, "folder.png"), 0o755); err != nil {
				t.Fatal(err)
			}
			c.Output = filepath.Join(t.TempDir(), "ramp")
			got := map[key]float64{}
			notes, err := heard(t, c, false, got)
			if err != nil {
				t.Fatal(err)
			}
			if len(notes) != len(bad) {
				t.Errorf("%d notes on %d broken pictures: %q", len(notes), len(bad), notes)
			}
			for name, file := range bad {
				if !slices.ContainsFunc(notes, func(n string) bool {
					return strings.HasPrefix(n, name+" is left out: ") && strings.Contains(n, file[1]) && !strings.Contains(n, "\n")
				}) {
					t.Errorf("of %s, %s nobody tells: %q", name, file[1], notes)
				}
			}
			for k, v := range want {
				if got[k] != v {
					t.Errorf("loss of %v is %v, without the broken ones %v", k, got[k], v)
				}
			}
		})
	}
}

func TestAllPicturesBroken(t *testing.T) {
	for name, c := range map[string]Config{"from scratch": tiny(t), "LoRA": loraConfig(t, basePath("sd1"))} {
		c.Data.Folder = t.TempDir()
		for name, file := range broken(t) {
			if err := os.WriteFile(filepath.Join(c.Data.Folder, name), []byte(file[0]), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, err := heard(t, c, false, map[key]float64{})
		if err == nil || !strings.Contains(err.Error(), "none of the pictures in "+c.Data.Folder) {
			t.Errorf("%s: %v", name, err)
		}
		c.Output = filepath.Join(t.TempDir(), "ramp")
		c.Data.ClassFolder, c.Data.Folder = c.Data.Folder, folderOfPictures(t, 2)
		if _, err = heard(t, c, false, map[key]float64{}); err == nil || !strings.Contains(err.Error(), "none of the pictures in "+c.Data.ClassFolder) {
			t.Errorf("%s, of the class: %v", name, err)
		}
	}
}

// What is strange but can be read is trained on: captions of 100 kB or of no text, and
// a picture of colours that its palette does not have, which are black.
func TestStrangeInput(t *testing.T) {
	c := loraConfig(t, basePath("sd1"))
	c.Denoiser.Steps = 1
	img := image.NewPaletted(image.Rect(0, 0, 40, 40), color.Palette{color.White, color.Black, color.Black, color.Black, color.Black})
	img.Pix[7] = 4
	data := encodePNG(t, img)
	at := bytes.Index(data, []byte("PLTE")) // after its length of 15, before its checksum
	short := binary.BigEndian.AppendUint32(bytes.Clone(data[:at-4]), 6)
	short = append(short, data[at:at+4+6]...)
	short = binary.BigEndian.AppendUint32(short, crc32.ChecksumIEEE(short[at:]))
	short = append(short, data[at+4+15+4:]...)
	for name, data := range map[string][]byte{
		"a.txt": bytes.Repeat([]byte("words, "), 15_000), "b.txt": []byte("\xff\xfe\x00bytes"), "c.txt": bytes.Repeat([]byte("x"), 100_000),
		"d.png": short,
	} {
		if err := os.WriteFile(filepath.Join(c.Data.Folder, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if notes, err := heard(t, c, false, map[key]float64{}); err != nil || len(notes) > 0 {
		t.Fatal(notes, err)
	}
}

func FuzzParseRoll(f *testing.F) {
	f.Add([]byte(`{"pictures":[{"path":"a.png","caption":"a fox","repeats":1},{"path":"b.png","repeats":3,"class":true}],"left_out":[{"path":"c.png","repeats":1}]}`))
	f.Add([]byte(`{"pictures":[{"path":"../../etc/passwd","repeats":1}]}`))
	f.Add([]byte(`{"pictures":[{"path":"a.png","repeats":0}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRoll(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}
			return
		}
		d := &folder{Data: Data{Folder: "own", ClassFolder: "class"}, roll: r}
		for i := range d.Len() {
			if p := d.path(i); !strings.HasPrefix(p, "own") && !strings.HasPrefix(p, "class") {
				t.Errorf("picture %q lies outside of the folders", p)
			}
		}
		if own := d.Pass(); len(own) == 0 {
			t.Error("a pass without pictures")
		}
	})
}
