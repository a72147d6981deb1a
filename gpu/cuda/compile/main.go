//go:build cgo && linux

package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// target is the oldest GPU; the driver compiles its PTX for any later one.
const target = "compute_80"

var dtypes = []string{"f32", "bf16", "f16"}

func main() {
	if err := run("gpu/cuda/kernels"); err != nil {
		fmt.Fprintln(os.Stderr, "compile:", err)
		os.Exit(1)
	}
}

func run(folder string) error {
	if _, _, err := open(); err != nil {
		return err
	}
	return each(folder, func(file, ptx string) error {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := w.Write([]byte(ptx)); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		return os.WriteFile(file, packed.Bytes(), 0o644)
	})
}

// each compiles every kernel file of the folder for every dtype and calls f with
// the PTX and the name of the file it belongs in. A program without kernels is
// left out: attention has none in Float32.
func each(folder string, f func(file, ptx string) error) error {
	sources, err := filepath.Glob(filepath.Join(folder, "*.cu"))
	if err != nil || len(sources) == 0 {
		return fmt.Errorf("no *.cu in %s: run in the root of the module", folder)
	}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			return err
		}
		for _, dtype := range dtypes {
			ptx, err := compile(filepath.Base(source), string(text),
				"--gpu-architecture="+target, "--std=c++17", "-DDTYPE_"+dtype, "-I"+folder)
			if err != nil {
				return err
			}
			if !strings.Contains(ptx, ".entry") {
				continue
			}
			name := strings.TrimSuffix(filepath.Base(source), ".cu")
			if err := f(filepath.Join(folder, name+"_"+dtype+".ptx.gz"), ptx); err != nil {
				return err
			}
		}
	}
	return nil
}
