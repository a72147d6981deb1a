//go:build unix

package ui

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTrash(t *testing.T) {
	dir, trash := t.TempDir(), filepath.Join(t.TempDir(), "Trash")
	path := filepath.Join(dir, "a fox & 100%.png")
	var all []trashed
	for _, text := range []string{"first", "second"} {
		write(t, path, text)
		got, err := toTrash(trash, path)
		if err != nil {
			t.Fatal(err)
		}
		if read(t, got.file) != text {
			t.Errorf("the trash holds %q", read(t, got.file))
		}
		note := read(t, got.info)
		if !strings.HasPrefix(note, "[Trash Info]\nPath="+dir+"/a%20fox%20&%20100%25.png\nDeletionDate=20") {
			t.Errorf("note %q", note)
		}
		if filepath.Base(got.info) != filepath.Base(got.file)+".trashinfo" {
			t.Errorf("note %s of %s", got.info, got.file)
		}
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Error("the file is still there")
		}
		all = append(all, got)
	}
	if err := all[0].restore(); err != nil || read(t, path) != "first" {
		t.Errorf("restored %q, %v", read(t, path), err)
	}
	if err := all[1].restore(); err == nil || read(t, path) != "first" {
		t.Errorf("restoring onto another file: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(trash, "info")); len(left) != 1 {
		t.Errorf("%d notes are left, want the second file's", len(left))
	}
	if _, err := toTrash(trash, filepath.Join(dir, "nothing")); err == nil {
		t.Error("a file that is not there was trashed")
	}
}

// What lies on another file system goes to the trash at its top.
func TestTrashOfAnotherFileSystem(t *testing.T) {
	dir, err := os.MkdirTemp("/dev/shm", "latent")
	if err != nil {
		t.Skip("no second file system:", err)
	}
	defer os.RemoveAll(dir)
	home := t.TempDir()
	top, err := mountPoint(filepath.Join(dir, "x"))
	if homeTop, _ := mountPoint(filepath.Join(home, "x")); err != nil || top == homeTop {
		t.Skip("it is the same file system")
	}
	path := filepath.Join(dir, "far.png")
	write(t, path, "far")
	got, err := toTrash(home, path)
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(got.file)
	defer os.Remove(got.info)
	if !strings.HasPrefix(got.file, top+"/.Trash") {
		t.Errorf("it went to %s", got.file)
	}
	if note := read(t, got.info); !strings.Contains(note, "\nPath="+strings.TrimPrefix(path, top+"/")+"\n") {
		t.Errorf("note %q must name the file from the top of its file system", note)
	}
	if err := got.restore(); err != nil || read(t, path) != "far" {
		t.Error(err)
	}
}
