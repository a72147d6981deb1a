package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// files are the names in a folder with what they hold.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		data, _ := os.ReadFile(filepath.Join(dir, e.Name()))
		out[e.Name()] = string(data)
	}
	return out
}

// expect fails unless the folder holds just one file.
func expect(t *testing.T, dir, name, content string) {
	t.Helper()
	if got := files(t, dir); len(got) != 1 || got[name] != content {
		t.Errorf("the folder holds %q, want %s with %q", got, name, content)
	}
}

func TestWriteReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	for _, content := range []string{"first", "", "second"} {
		if err := WriteFile(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		expect(t, filepath.Dir(path), "a.txt", content)
	}
}

// Until all is written the old file stands, and if it never is, it stays.
func TestFailureKeepsOld(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	if err := WriteFile(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no more")
	err := Write(path, func(w io.Writer) error {
		w.Write(bytes.Repeat([]byte("new"), 1000))
		if got, _ := os.ReadFile(path); string(got) != "old" {
			t.Errorf("half-way the file holds %q", got)
		}
		return failed
	})
	if err != failed {
		t.Errorf("error %v, want that of fill as it is", err)
	}
	expect(t, filepath.Dir(path), "a.txt", "old")
}

func TestErrorsNamePath(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o777); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"missing/a.txt": fs.ErrNotExist, "folder": nil} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		err := WriteFile(path, nil)
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Fatalf("%s: error %v", name, err)
		}
		if text := err.Error(); !strings.Contains(text, path+":") || strings.Contains(text, ".tmp") {
			t.Errorf("%s: %q names another file", name, text)
		}
	}
	expect(t, dir, "folder", "")
}

// The permissions are those of any new file, by the umask.
func TestPermissions(t *testing.T) {
	dir := t.TempDir()
	for name, write := range map[string]func(string) error{
		"ours":  func(path string) error { return WriteFile(path, nil) },
		"usual": func(path string) error { return os.WriteFile(path, nil, 0o666) },
	} {
		if err := write(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	ours, _ := os.Stat(filepath.Join(dir, "ours"))
	usual, _ := os.Stat(filepath.Join(dir, "usual"))
	if ours.Mode() != usual.Mode() {
		t.Errorf("mode %v, that of new files is %v", ours.Mode(), usual.Mode())
	}
}

// Of many that create a file one succeeds, and its data stay.
func TestCreateOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	var mu sync.Mutex
	var won []string
	var wg sync.WaitGroup
	for _, content := range []string{"a", "b", "c", "d", "e", "f"} {
		wg.Go(func() {
			err := Create(path, []byte(content))
			if err != nil && !errors.Is(err, fs.ErrExist) {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				won = append(won, content)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%q all created it", won)
	}
	expect(t, filepath.Dir(path), "a.txt", won[0])
}

// /dev/full takes nothing, as a full disk does.
func TestReason(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("needs /dev/full")
	}
	defer full.Close()
	_, cause := full.Write([]byte("x"))
	if got := Reason(cause).Error(); got != "no space left on device" {
		t.Errorf("reason %q", got)
	}
	if plain := errors.New("plain"); Reason(plain) != plain || Reason(nil) != nil {
		t.Error("another error is left as it is")
	}
}

func TestReasonOf(t *testing.T) {
	const path = "/nowhere/a.png"
	_, absent := os.Open(path)
	plain := errors.New("torn")
	for _, c := range []struct {
		err  error
		want string
	}{
		{absent, "no such file or directory"}, {fmt.Errorf("%s: %w", path, absent), "no such file or directory"},
		{plain, "torn"}, {fmt.Errorf("%s: %w", path, plain), "torn"}, {fmt.Errorf("%s: %v", path, plain), "torn"},
		{fmt.Errorf("model: %w", plain), "model: torn"},
	} {
		if got := ReasonOf(c.err, path); got.Error() != c.want {
			t.Errorf("of %q: %q, want %q", c.err, got, c.want)
		}
	}
	if !errors.Is(ReasonOf(fmt.Errorf("%s: %w", path, plain), path), plain) {
		t.Error("the error itself is lost")
	}
}
