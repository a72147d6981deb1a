//go:build unix

package ui

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"latent/gpu/atomicfile"
)

const (
	trashName  = "trash"
	canRestore = true
)

// A trashed file can be brought back.
type trashed struct {
	path string // where it was
	file string // where it is
	info string // the note that says so
}

// toTrash moves a file or folder to the desktop's trash (freedesktop.org, The
// Desktop Trash specification 1.0): home is $XDG_DATA_HOME/Trash; what lies on
// another file system goes to the trash at its top.
func toTrash(home, path string) (trashed, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return trashed{}, err
	}
	if _, err := os.Lstat(path); err != nil {
		return trashed{}, atomicfile.Reason(err)
	}
	t, err := moveToTrash(home, path, path)
	if !errors.Is(err, syscall.EXDEV) {
		return t, err
	}
	top, err := mountPoint(path)
	if err != nil {
		return trashed{}, atomicfile.Reason(err)
	}
	inside, err := filepath.Rel(top, path)
	if err != nil {
		return trashed{}, err
	}
	user := fmt.Sprint(os.Getuid())
	dir := filepath.Join(top, ".Trash-"+user)
	// An administrator's .Trash counts only if it is a folder, no link, and sticky.
	if i, err := os.Lstat(filepath.Join(top, ".Trash")); err == nil && i.IsDir() && i.Mode()&fs.ModeSticky != 0 {
		if t, err := moveToTrash(filepath.Join(top, ".Trash", user), path, inside); err == nil {
			return t, nil
		}
	}
	return moveToTrash(dir, path, inside)
}

// moveToTrash moves path into a trash; the note calls it what.
func moveToTrash(trash, path, what string) (trashed, error) {
	files, infos := filepath.Join(trash, "files"), filepath.Join(trash, "info")
	for _, dir := range []string{files, infos} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return trashed{}, atomicfile.Reason(err)
		}
	}
	note := fmt.Sprintf("[Trash Info]\nPath=%s\nDeletionDate=%s\n", (&url.URL{Path: what}).EscapedPath(), time.Now().Format("2006-01-02T15:04:05"))
	base, ext := filepath.Base(path), filepath.Ext(path)
	stem := strings.TrimSuffix(base, ext)
	for n := 1; ; n++ {
		name := base
		if n > 1 {
			name = fmt.Sprintf("%s.%d%s", stem, n, ext)
		}
		t := trashed{path, filepath.Join(files, name), filepath.Join(infos, name+".trashinfo")}
		// Whoever makes the note owns the name.
		f, err := os.OpenFile(t.info, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return trashed{}, atomicfile.Reason(err)
		}
		_, err = f.WriteString(note)
		err = errors.Join(err, f.Close())
		if err == nil {
			if _, there := os.Lstat(t.file); there == nil {
				os.Remove(t.info)
				continue // a file without its note; rename would replace it
			}
			err = os.Rename(path, t.file)
		}
		if err != nil {
			os.Remove(t.info)
			var link *os.LinkError
			if errors.As(err, &link) {
				err = link.Err
			}
			return trashed{}, err
		}
		return t, nil
	}
}

// restore brings the file back, unless another has taken its place.
func (t trashed) restore() error {
	if _, err := os.Lstat(t.path); err == nil {
		return fmt.Errorf("there is another %s by now", filepath.Base(t.path))
	}
	if err := os.MkdirAll(filepath.Dir(t.path), 0o755); err != nil {
		return atomicfile.Reason(err)
	}
	if err := os.Rename(t.file, t.path); err != nil {
		var link *os.LinkError
		if errors.As(err, &link) {
			return link.Err
		}
		return err
	}
	os.Remove(t.info)
	return nil
}

// mountPoint is the folder at the top of path's file system.
func mountPoint(path string) (string, error) {
	device := func(path string) (uint64, error) {
		var s syscall.Stat_t
		err := syscall.Lstat(path, &s)
		return uint64(s.Dev), err
	}
	dir := filepath.Dir(path)
	want, err := device(dir)
	for err == nil && dir != "/" {
		var d uint64
		if d, err = device(filepath.Dir(dir)); d != want {
			break
		}
		dir = filepath.Dir(dir)
	}
	return dir, err
}
