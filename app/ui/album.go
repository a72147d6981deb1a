package ui

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"latent/app/gallery"
	"latent/app/pictures"
	"latent/app/trainer"
	"latent/gpu/atomicfile"
)

// leaf is one picture of a training folder with its caption.
type leaf struct {
	gallery.Picture
	caption string
	long    int    // bytes of a caption that is too long to show; it is left alone
	problem string // why the picture or its caption is no good; "": nothing known against it
	broken  bool   // it cannot be trained on at all
	looked  bool   // whether the picture itself was looked at
}

// maxCaption is how many bytes of a caption a text field shows without stalling.
// A text encoder reads some hundreds.
const maxCaption = 8 << 10

// captionPath is the text file beside a picture.
func captionPath(picture string) string {
	return strings.TrimSuffix(picture, filepath.Ext(picture)) + ".txt"
}

// readAlbum lists a folder's pictures with their captions, by name, and those of
// folders such as 10_fox in it, which count ten times. It does not open the pictures.
func readAlbum(folder string) ([]leaf, error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, atomicfile.Reason(err)
	}
	var out []leaf
	for _, e := range entries {
		if times, _ := trainer.Repeats(e.Name()); e.IsDir() && times > 0 {
			inside, err := os.ReadDir(filepath.Join(folder, e.Name()))
			if err != nil {
				return nil, atomicfile.Reason(err)
			}
			out = append(out, leaves(filepath.Join(folder, e.Name()), inside)...)
		}
	}
	out = append(out, leaves(folder, entries)...)
	slices.SortStableFunc(out, func(a, b leaf) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// leaves are the pictures of one folder.
func leaves(folder string, entries []fs.DirEntry) (out []leaf) {
	for _, e := range entries {
		if e.IsDir() || !pictures.Named(e.Name()) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		l := leaf{Picture: gallery.Picture{Path: filepath.Join(folder, e.Name())}}
		if info, err := e.Info(); err == nil {
			l.Time = info.ModTime()
		}
		l.readCaption()
		out = append(out, l)
	}
	return out
}

func (l *leaf) readCaption() {
	path := captionPath(l.Path)
	info, err := os.Stat(path)
	if err != nil {
		return // it has none
	}
	if info.Size() > maxCaption {
		l.long = int(info.Size())
		return
	}
	data, err := os.ReadFile(path)
	switch {
	case err != nil:
		l.problem = fmt.Sprintf("its caption cannot be read: %v", atomicfile.Reason(err))
	case !utf8.Valid(data):
		l.long, l.problem = len(data), "its caption is not UTF-8 text"
	default:
		l.caption = strings.TrimSpace(string(data))
	}
}

// look opens the picture and says what is wrong with it, if it is to be trained
// on at resolution pixels.
func (l *leaf) look(resolution int) {
	img, err := pictures.Load(l.Path)
	l.looked = true
	if err != nil {
		l.broken, l.problem = true, atomicfile.ReasonOf(err, l.Path).Error()
		return
	}
	if b := img.Bounds(); trainer.TooSmall(b.Dx(), b.Dy(), resolution) {
		l.broken, l.problem = true, fmt.Sprintf("only %s pixels: it is left out", sizeText(b.Dx(), b.Dy()))
		return
	}
	if b := img.Bounds(); min(b.Dx(), b.Dy()) < resolution && l.problem == "" {
		l.problem = fmt.Sprintf("only %s pixels, for a model of %d", sizeText(b.Dx(), b.Dy()), resolution)
	}
}

// wanting says what a person should see to; "" if nothing.
func (l *leaf) wanting() string {
	switch {
	case l.problem != "":
		return l.problem
	case l.long > 0:
		return fmt.Sprintf("a caption of %s: shorten it in a text editor", byteSize(int64(l.long)))
	case l.caption == "":
		return "no caption"
	}
	return ""
}

// countAlbum sums up an album in few words: the line is short.
func countAlbum(all []leaf) string {
	none, bad := 0, 0
	for i := range all {
		switch l := &all[i]; {
		case l.problem != "" || l.long > 0:
			bad++
		case l.caption == "":
			none++
		}
	}
	s := plural(len(all), "picture")
	if none > 0 {
		s += fmt.Sprintf(", %d uncaptioned", none)
	}
	if bad > 0 {
		s += fmt.Sprintf(", %d faulty", bad)
	}
	if none+bad == 0 {
		s += ", all with captions"
	}
	return s
}

var errNoPictures = errors.New("no pictures in this folder: PNG, JPEG or WebP files are needed, each with its caption in a .txt file of the same name")

// captionDelay is how long after the last key a caption is written.
const captionDelay = 700 * time.Millisecond
