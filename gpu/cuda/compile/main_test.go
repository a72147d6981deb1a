//go:build cgo && linux

package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const kernels = "../kernels"

// committed reads a packed file.
func committed(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The committed PTX is what the sources give: byte for byte with the compiler that
// made it, else in the names of its kernels.
func TestPTXIsOfTheseSources(t *testing.T) {
	major, minor, err := open()
	if errors.Is(err, errNoCompiler) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	release := fmt.Sprintf("release %d.%d,", major, minor)
	var made []string
	err = each(kernels, func(file, ptx string) error {
		made = append(made, file)
		want := committed(t, file)
		if strings.Contains(want, release) {
			if ptx != want {
				t.Errorf("%s is not what %s gives: run go run ./gpu/cuda/compile", file, release)
			}
		} else if got, want := entries(ptx), entries(want); !slices.Equal(got, want) {
			t.Errorf("%s holds the kernels %v, its source %v", file, want, got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if all, _ := filepath.Glob(kernels + "/*.ptx.gz"); len(all) != len(made) {
		t.Errorf("there are %d PTX files, and %d have a source", len(all), len(made))
	}
}

func entries(ptx string) (names []string) {
	for _, line := range strings.Split(ptx, "\n") {
		if _, after, ok := strings.Cut(line, ".entry "); ok {
			names = append(names, strings.TrimRight(after, "( "))
		}
	}
	slices.Sort(names)
	return names
}

// Every kernel becomes machine code for the GPUs that the device serves, and keeps
// its registers: a stack frame of more than a few words would make it slow.
func TestPTXAssembles(t *testing.T) {
	ptxas := os.Getenv("PTXAS")
	if ptxas == "" {
		var err error
		if ptxas, err = exec.LookPath("ptxas"); err != nil {
			t.Skip("ptxas is not found: set PTXAS to its path")
		}
	}
	help, err := exec.Command(ptxas, "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(kernels + "/*.ptx.gz")
	for _, arch := range []string{"sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"} {
		if !strings.Contains(string(help), arch) {
			t.Logf("this assembler does not know %s", arch)
			continue
		}
		for _, file := range files {
			ptx := filepath.Join(t.TempDir(), "kernel.ptx")
			if err := os.WriteFile(ptx, []byte(committed(t, file)), 0o644); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(ptxas, "-v", "-arch="+arch, ptx, "-o", ptx+".cubin").CombinedOutput()
			if err != nil {
				t.Errorf("%s for %s: %v\n%s", file, arch, err, out)
			}
			for _, line := range strings.Split(string(out), "\n") {
				var stack, stores, loads int
				_, err := fmt.Sscanf(strings.TrimSpace(line), "%d bytes stack frame, %d bytes spill stores, %d bytes spill loads", &stack, &stores, &loads)
				if err == nil && stores > 64 {
					t.Errorf("%s for %s spills %d bytes", file, arch, stores)
				}
			}
		}
	}
}
