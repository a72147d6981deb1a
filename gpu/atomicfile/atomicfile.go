// Package atomicfile writes files whole or not at all. Data go to a hidden file in
// the same folder, are synced and take the file's name; then the folder is synced
// too. Whenever the process or the machine stops, the name stands for all that was
// there before or for all that is there now.
package atomicfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// Write replaces the file at path by what fill writes. After an error path is as
// it was and nothing else is left. Errors of the file system name path; those of
// fill come back as they are.
func Write(path string, fill func(io.Writer) error) error {
	return write(path, fill, os.Rename)
}

// WriteFile replaces the file at path by data.
func WriteFile(path string, data []byte) error { return Write(path, all(data)) }

// Create is WriteFile for a path where nothing may be: if something is there, even
// since a moment ago, the error is fs.ErrExist.
func Create(path string, data []byte) error { return write(path, all(data), moveNew) }

func all(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

func write(path string, fill func(io.Writer) error, move func(from, to string) error) (err error) {
	dir, name := filepath.Split(path)
	// Not os.CreateTemp, whose files are for their owner alone, whatever the umask.
	hidden := filepath.Join(dir, fmt.Sprintf(".%s.%016x.tmp", name, rand.Uint64()))
	defer func() { err = named(err, hidden, path) }()
	f, err := os.OpenFile(hidden, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close() // a second time does no harm
			os.Remove(hidden)
		}
	}()
	if err := fill(f); err != nil {
		return err
	}
	if err := cmp.Or(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := move(hidden, path); err != nil {
		return err
	}
	syncFolder(dir)
	return nil
}

// moveNew renames a file, but not onto another one.
func moveNew(from, to string) error {
	err := os.Link(from, to)
	switch {
	case err == nil:
		return os.Remove(from)
	case errors.Is(err, fs.ErrExist):
		return err
	}
	// Some file systems have no links.
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

// syncFolder makes a new name last. Some systems cannot, and then it lasts a little
// later.
func syncFolder(dir string) {
	if f, err := os.Open(cmp.Or(dir, ".")); err == nil {
		f.Sync()
		f.Close()
	}
}

// named says path in an error, where the hidden file is meant.
func named(err error, hidden, path string) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe) && pe.Path == hidden:
		return &fs.PathError{Op: "write", Path: path, Err: pe.Err}
	case errors.As(err, &le) && le.Old == hidden:
		return &fs.PathError{Op: "write", Path: path, Err: le.Err}
	}
	return err
}

// ReasonOf is Reason of an error whose text may begin with path, without that too.
func ReasonOf(err error, path string) error {
	if inner := errors.Unwrap(err); inner != nil && err.Error() == path+": "+inner.Error() {
		err = inner
	}
	err = Reason(err)
	if rest, ok := strings.CutPrefix(err.Error(), path+": "); ok {
		return errors.New(rest)
	}
	return err
}

// Reason is err without the path of its file, for a message that names it.
func Reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
