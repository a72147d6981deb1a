package ui

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// shelfServer serves one file and breaks the connection after limit bytes of an
// answer; 0: never.
type shelfServer struct {
	data  []byte
	limit atomic.Int64
	tag   atomic.Value
	sent  atomic.Int64
}

func (s *shelfServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/page.safetensors":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte("<html>sign in</html>"))
		return
	case "/secret.safetensors":
		w.WriteHeader(http.StatusForbidden)
		return
	case "/api/download/7":
		w.Header().Set("Content-Disposition", `attachment; filename="../../.named model.safetensors"`)
	case "/gone.safetensors":
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", s.tag.Load().(string))
	out := http.ResponseWriter(w)
	if n := s.limit.Load(); n > 0 {
		out = &breaking{w, n}
	}
	http.ServeContent(&counting{out, &s.sent}, r, "", time.Time{}, bytes.NewReader(s.data))
}

type counting struct {
	http.ResponseWriter
	n *atomic.Int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n.Add(int64(n))
	return n, err
}

type breaking struct {
	http.ResponseWriter
	left int64
}

func (b *breaking) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		b.ResponseWriter.Write(p[:b.left])
		b.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	b.left -= int64(len(p))
	return b.ResponseWriter.Write(p)
}

func newShelfServer(t *testing.T) (*shelfServer, *httptest.Server) {
	t.Helper()
	s := &shelfServer{data: make([]byte, 3<<20)}
	r := rand.NewChaCha8([32]byte{1})
	r.Read(s.data)
	s.tag.Store(`"one"`)
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return s, web
}

func TestDownload(t *testing.T) {
	s, web := newShelfServer(t)
	dir := filepath.Join(t.TempDir(), "models")
	sum := fmt.Sprintf("%X", sha256.Sum256(s.data))
	var done, total int64
	d := &download{url: web.URL + "/a%20model.safetensors?token=x", sha256: sum, folder: dir, client: web.Client(), report: func(a, b int64) { done, total = a, b }}

	// The connection breaks; what came is kept and only the rest is fetched.
	s.limit.Store(1 << 20)
	if _, err := d.run(t.Context()); err == nil || !strings.Contains(err.Error(), "to go on") {
		t.Fatalf("error %v", err)
	}
	s.limit.Store(0)
	s.sent.Store(0)
	path, err := d.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Base(path) != "a model.safetensors" || !bytes.Equal([]byte(read(t, path)), s.data) {
		t.Errorf("%s holds other bytes", path)
	}
	if n := s.sent.Load(); n > 2<<20+1 {
		t.Errorf("%d bytes were sent the second time, want the missing 2 MB", n)
	}
	if done != 3<<20 || total != 3<<20 {
		t.Errorf("reported %d of %d", done, total)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("the folder holds %v", left)
	}
	if _, err := d.run(t.Context()); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second time: %v", err)
	}
}

// A file that has changed on the server meanwhile is fetched from its beginning.
func TestDownloadOfAChangedFile(t *testing.T) {
	s, web := newShelfServer(t)
	d := &download{url: web.URL + "/m.safetensors", folder: t.TempDir(), client: web.Client(), report: func(int64, int64) {}}
	s.limit.Store(1 << 20)
	if _, err := d.run(t.Context()); err == nil {
		t.Fatal("the connection did not break")
	}
	s.limit.Store(0)
	s.data = bytes.Repeat([]byte("new"), 1<<19)
	s.tag.Store(`"two"`)
	path, err := d.run(t.Context())
	if err != nil || read(t, path) != string(s.data) {
		t.Errorf("%v; the file is a mixture", err)
	}
}

func TestDownloadErrors(t *testing.T) {
	s, web := newShelfServer(t)
	for _, c := range []struct{ url, sum, want string }{
		{"no address", "", "whole address"},
		{"file:///etc/passwd", "", "whole address"},
		{web.URL + "/x", "abc", "64 hexadecimal"},
		{web.URL + "/x", strings.Repeat("ab", 32), "not kept"},
		{web.URL + "/page.safetensors", "", "web page"},
		{web.URL + "/secret.safetensors", "", "sign in"},
		{web.URL + "/gone.safetensors", "", "404 not found"},
		{"http://127.0.0.1:1/x", "", "does not answer"},
	} {
		dir := t.TempDir()
		d := &download{url: c.url, sha256: c.sum, folder: dir, client: web.Client(), report: func(int64, int64) {}}
		if _, err := d.run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want something of %q", c.url, err, c.want)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%s left %v", c.url, left)
		}
	}
	d := &download{url: web.URL + "/api/download/7", folder: t.TempDir(), client: web.Client(), report: func(int64, int64) {}}
	path, err := d.run(t.Context())
	if err != nil || filepath.Dir(path) != d.folder || filepath.Base(path) != "named model.safetensors" {
		t.Errorf("the server's name gave %s, %v", path, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	d = &download{url: web.URL + "/c.safetensors", folder: t.TempDir(), client: web.Client(), report: func(int64, int64) { cancel() }}
	if _, err := d.run(ctx); err != nil && err != context.Canceled {
		t.Errorf("stopping gave %v", err)
	}
	_ = s
}

func FuzzPlainName(f *testing.F) {
	f.Add("../../etc/passwd")
	f.Add(`..\x.safetensors`)
	f.Fuzz(func(t *testing.T, s string) {
		n := plainName(s)
		if n == "" || strings.ContainsAny(n, "/\x00") || n[0] == '.' || len(n) > 255 || filepath.Base(n) != n {
			t.Errorf("%q gave %q", s, n)
		}
	})
}

func TestAddModel(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "models")
	model := filepath.Join(from, "tiny")
	if err := os.MkdirAll(filepath.Join(model, "unet"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(model, "model_index.json"), "{}")
	write(t, filepath.Join(model, "unet", "w"), "weights")
	if err := os.Symlink(filepath.Join(model, "unet", "w"), filepath.Join(model, "link")); err != nil {
		t.Fatal(err)
	}
	quiet := func(int64, int64) {}
	path, err := addModel(t.Context(), model, to, quiet)
	if err != nil || read(t, filepath.Join(path, "unet", "w")) != "weights" || read(t, filepath.Join(path, "link")) != "weights" {
		t.Error(err)
	}
	if _, err := addModel(t.Context(), model, to, quiet); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second time: %v", err)
	}
	if _, err := addModel(t.Context(), filepath.Join(from, "nothing"), to, quiet); err == nil {
		t.Error("a file that is not there was added")
	}
	// From another file system it is copied, and a stop leaves nothing.
	far, err := os.MkdirTemp("/dev/shm", "latent")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(far)
	write(t, filepath.Join(far, "m.safetensors"), strings.Repeat("x", 9<<20))
	ctx, cancel := context.WithCancel(t.Context())
	copied := int64(0)
	_, err = addModel(ctx, filepath.Join(far, "m.safetensors"), to, func(done, total int64) { copied = total; cancel() })
	if copied > 0 && err != context.Canceled {
		t.Errorf("stopping gave %v", err)
	}
	if left, _ := os.ReadDir(to); len(left) != 1 && copied > 0 {
		t.Errorf("stopping left %v", left)
	}
}
