//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build makes libfar.so, libnear.so, which needs it, and a program that needs libnear.
func build(t *testing.T, flags ...string) (path, libs string) {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("no C compiler")
	}
	dir := t.TempDir()
	for _, b := range []struct{ name, code, args string }{
		{"libfar.so", "int far(void) { return 3; }", "-shared -fPIC -Wl,-soname,libfar.so"},
		{"libnear.so", "int far(void); int near(void) { return far(); }", "-shared -fPIC -Wl,-soname,libnear.so -L. -lfar"},
		{"bin/latent", "int near(void); int main(void) { return near(); }", "-L. -Wl,-rpath-link,. -lnear"},
	} {
		file := filepath.Join(dir, "x.c")
		if err := os.WriteFile(file, []byte(b.code), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"-Wl,--no-as-needed", "-o", b.name, "x.c"}, strings.Fields(b.args)...)
		if b.name == "bin/latent" {
			args = append(args, flags...)
		}
		c := exec.Command(gcc, args...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	return filepath.Join(dir, program), dir
}

const oldRunPath = "-Wl,--disable-new-dtags,-rpath," + runPath

func TestCollect(t *testing.T) {
	path, libs := build(t, oldRunPath)
	at := func(name string) (string, error) { return filepath.Join(libs, name), nil }
	dir := filepath.Join(filepath.Dir(filepath.Dir(path)), libraries)
	from, err := collect(path, dir, at)
	if err != nil || len(from) != 2 {
		t.Fatalf("copied %v, %v; want libnear and, for its sake, libfar", from, err)
	}
	needs, err := check(path, dir)
	if err != nil || !strings.HasPrefix(needs, "GLIBC 2.") {
		t.Fatalf("needs %q, %v", needs, err)
	}
	for _, name := range []string{"libnear.so", "libfar.so"} {
		if err := os.Remove(filepath.Join(libs, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := exec.Command(path).Run(); fmt.Sprint(err) != "exit status 3" {
		t.Errorf("the program with its libraries ends with %v, want status 3", err)
	}
}

func TestCheck(t *testing.T) {
	path, libs := build(t, oldRunPath)
	at := func(name string) (string, error) { return filepath.Join(libs, name), nil }
	dir := filepath.Join(t.TempDir(), "lib")
	if _, err := check(path, dir); err == nil || !strings.Contains(err.Error(), "needs libnear.so") {
		t.Errorf("without libraries: %v", err)
	}
	if _, err := collect(path, dir, at); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "libfar.so")); err != nil {
		t.Fatal(err)
	}
	if _, err := check(path, dir); err == nil || !strings.Contains(err.Error(), "needs libfar.so") {
		t.Errorf("without a library's library: %v", err)
	}

	path, libs = build(t) // looks nowhere
	if _, err := collect(path, dir, at); err != nil {
		t.Fatal(err)
	}
	if _, err := check(path, dir); err == nil || !strings.Contains(err.Error(), "DT_RPATH") {
		t.Errorf("without a run path: %v", err)
	}
}

func TestFindNothing(t *testing.T) {
	if path, err := find("libthatisnot.so.9"); err == nil {
		t.Errorf("found %s", path)
	}
}

func TestOlder(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"", "2.2", true}, {"2.2.5", "2.34", true}, {"2.34", "2.4", false}, {"3.4.29", "3.4.29", false}} {
		if got := older(c.a, c.b); got != c.want {
			t.Errorf("older(%q, %q) = %v", c.a, c.b, got)
		}
	}
}
