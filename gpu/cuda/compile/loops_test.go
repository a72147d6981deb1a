//go:build cgo && linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tool finds a program by an environment variable, or in PATH.
func tool(t *testing.T, variable, name string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not found: set %s to its path", name, variable)
	}
	return path
}

var (
	label       = regexp.MustCompile(`^(\.L_\w+):`)
	instruction = regexp.MustCompile(`^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?\w+\s+)?([A-Z0-9_]+)[^;]*?(\.L_\w+)?\)?\s*;`)
)

// innermost gives the length of the shortest loop of a disassembled kernel that has
// matrix instructions, and how many.
func innermost(text string) (length, matrix int) {
	begins := map[string]int{}
	matrices := []int{0} // before each instruction
	for _, line := range strings.Split(text, "\n") {
		if m := label.FindStringSubmatch(line); m != nil {
			begins[m[1]] = len(matrices) - 1
		}
		m := instruction.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		at, n := len(matrices)-1, matrices[len(matrices)-1]
		if m[1] == "HMMA" {
			n++
		}
		matrices = append(matrices, n)
		if m[1] != "BRA" {
			continue
		}
		if from, back := begins[m[2]]; back && n > matrices[from] && (length == 0 || at+1-from < length) {
			length, matrix = at+1-from, n-matrices[from]
		}
	}
	return length, matrix
}

// The loops of the large tiles are matrix instructions for a seventh at least: what
// looks up operands stays outside.
func TestLoops(t *testing.T) {
	ptxas, disassembler := tool(t, "PTXAS", "ptxas"), tool(t, "NVDISASM", "nvdisasm")
	seen := 0
	for _, module := range []string{"matmul_nt", "matmul_nn", "matmul_tn", "attention"} {
		ptx := filepath.Join(t.TempDir(), "kernel.ptx")
		if err := os.WriteFile(ptx, []byte(committed(t, filepath.Join(kernels, module+"_bf16.ptx.gz"))), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(ptxas, "-arch=sm_90", ptx, "-o", ptx+".cubin").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		text, err := exec.Command(disassembler, "-c", ptx+".cubin").Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, kernel := range strings.Split(string(text), "\n.text.")[1:] {
			name, _, _ := strings.Cut(kernel, ":")
			length, matrix := innermost(kernel)
			if length == 0 {
				continue
			}
			seen++
			fmt.Printf("%-32s %4d matrix instructions in a loop of %d\n", name, matrix, length)
			if module == "matmul_nt" && !strings.Contains(name, "64x64") && 100*matrix < 15*length {
				t.Errorf("%s: %d of %d", name, matrix, length)
			}
		}
	}
	if seen < 10 {
		t.Errorf("%d loops were found", seen)
	}
}
