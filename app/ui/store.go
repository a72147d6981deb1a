package ui

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"latent/app/gallery"
	"latent/gpu/atomicfile"
)

// saveNext keeps a picture in the gallery's folder, which it makes if need be.
func saveNext(folder string, p Picture) (string, error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", atomicfile.Reason(err)
	}
	path, err := gallery.SaveNext(folder, p.Image, p.Recipe)
	return path, atomicfile.Reason(err)
}

// lookThrough says why a folder does not do to train on.
func lookThrough(folder string) error {
	all, err := readAlbum(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("there is no such folder")
	case err != nil:
		return fmt.Errorf("the folder cannot be read: %w", err)
	case len(all) == 0:
		return errNoPictures
	}
	return nil
}

// when is a picture's time as a person says it.
func when(t, now time.Time) string {
	y, m, d := now.Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, now.Location())
	switch {
	case !t.Before(today):
		return "today " + t.Format("15:04")
	case !t.Before(today.AddDate(0, 0, -1)):
		return "yesterday " + t.Format("15:04")
	}
	return t.Format("2 January 2006")
}
