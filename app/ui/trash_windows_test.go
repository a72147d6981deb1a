package ui

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTrash(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a fox & 100%.png", "füchse", "folder"} {
		path := filepath.Join(dir, name)
		file := path
		if name == "folder" {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
			file = filepath.Join(path, "inside.txt")
		}
		if err := os.WriteFile(file, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := toTrash("", path); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", name, err)
		}
		if _, err := toTrash("", path); err == nil {
			t.Errorf("%s was trashed though it is not there", name)
		}
	}
}

// What another program has open stays, and the person is told.
func TestTrashOfAnOpenFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "open.png")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := toTrash("", path); err == nil {
		if _, err := os.Lstat(path); err == nil {
			t.Error("it is there, and nothing says so")
		}
	}
}
