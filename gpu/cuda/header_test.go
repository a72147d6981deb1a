//go:build cuda

package cuda

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What include/cuda.h declares is what NVIDIA's header declares, wherever one is
// found: CUDA_INCLUDE names its folder.
func TestHeaderIsNVIDIAs(t *testing.T) {
	folder := os.Getenv("CUDA_INCLUDE")
	if folder == "" {
		folder = "/usr/local/cuda/include"
	}
	theirs := filepath.Join(folder, "cuda.h")
	if _, err := os.Stat(theirs); err != nil {
		t.Skipf("there is no %s; CUDA_INCLUDE can name its folder", theirs)
	}
	ours, err := os.ReadFile("include/cuda.h")
	if err != nil {
		t.Fatal(err)
	}
	var c strings.Builder
	fmt.Fprintf(&c, "#include \"%s\"\n#include <stddef.h>\n", theirs)
	constants := regexp.MustCompile(`(?m)^\t(CU\w+) = (\w+),$`).FindAllStringSubmatch(string(ours), -1)
	for _, m := range constants {
		// What NVIDIA dropped is used by old code of gorgonia.org/cu alone.
		fmt.Fprintf(&c, "_Static_assert((int)%s == (int)%s, \"%s\");\n", m[1], m[2], m[1])
	}
	// Structs: the same fields, declared anew under another name, at the same places.
	structs := regexp.MustCompile(`(?s)typedef struct \{\n([^}]*)\} (CUDA_\w+);`).FindAllStringSubmatch(string(ours), -1)
	for _, m := range structs {
		theirs := m[2]
		if theirs == "CUDA_KERNEL_NODE_PARAMS" {
			theirs += "_v1" // the symbol without a version takes this one
		}
		fmt.Fprintf(&c, "typedef struct {\n%s} ours_%s;\n_Static_assert(sizeof(ours_%s) == sizeof(%s), \"%s\");\n", m[1], m[2], m[2], theirs, m[2])
		for _, line := range strings.Split(strings.TrimSpace(m[1]), "\n") {
			for _, field := range strings.Split(strings.TrimSuffix(line, ";"), ",") {
				words := strings.FieldsFunc(field, func(r rune) bool { return r == ' ' || r == '*' || r == '\t' })
				f := words[len(words)-1]
				if strings.HasPrefix(f, "reserved") {
					continue
				}
				fmt.Fprintf(&c, "_Static_assert(offsetof(ours_%s, %s) == offsetof(%s, %s), \"%s.%s\");\n", m[2], f, theirs, f, m[2], f)
			}
		}
	}
	// Functions: declared once more, with our types, which must fit theirs.
	names := regexp.MustCompile(`(?m)^#define (cu\w+) (cu\w+)$`).FindAllStringSubmatch(string(ours), -1)
	symbols := map[string]string{}
	for _, m := range names {
		symbols[m[1]] = m[2]
	}
	functions := regexp.MustCompile(`(?m)^CUresult (cu\w+)\((.*)\);$`).FindAllStringSubmatch(string(ours), -1)
	for _, m := range functions {
		name := m[1]
		if s, ok := symbols[name]; ok {
			name = s
		}
		if m[1] == "cuGraphAddKernelNode" {
			continue // NVIDIA declares the later version alone
		}
		fmt.Fprintf(&c, "#ifdef %s\n#undef %s\n#endif\nCUresult %s(%s);\n", m[1], m[1], name, m[2])
	}
	if len(constants) < 200 || len(structs) < 6 || len(functions) < 150 {
		t.Fatalf("only %d constants, %d structs and %d functions are found", len(constants), len(structs), len(functions))
	}
	file := filepath.Join(t.TempDir(), "check.c")
	if err := os.WriteFile(file, []byte(c.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-fsyntax-only", "-w", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
