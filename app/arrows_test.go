package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// imports lists every import of every package of the module, tests excepted. All
// files count, whatever their build tags.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	const root = ".."
	out := map[string][]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := d.Name(); d.IsDir() && name != root && (base == "testdata" || strings.HasPrefix(base, ".")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		pkg := path.Join("latent", filepath.ToSlash(dir))
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			out[pkg] = append(out[pkg], imp)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// in tells whether a package is one of those that patterns name; as for the go
// command, x/... is x and all inside it.
func in(pkg string, patterns ...string) bool {
	for _, p := range patterns {
		tree, all := strings.CutSuffix(p, "/...")
		if pkg == tree || all && strings.HasPrefix(pkg, tree+"/") {
			return true
		}
	}
	return false
}

var (
	models = []string{"latent/unet", "latent/vae", "latent/textencoder"}
	// workers do what window and command line ask for.
	workers = []string{"latent/app/pipeline/...", "latent/app/trainer/...", "latent/app/library/...", "latent/app/gallery/...", "latent/app/pictures/..."}
)

// arrows are the rules of who may import whom: of the packages under of, those
// of from import only what is in allowed.
var arrows = []struct {
	from, of, allowed []string
	why               string
}{
	{
		[]string{"latent/gpu/..."}, []string{"latent/..."}, []string{"latent/gpu/..."},
		"tensors and devices serve any model, and know none",
	},
	{
		[]string{"latent/gpu"}, []string{"latent/..."}, []string{"latent/gpu/half"},
		"tensors know no device by name, and nothing that is built on them",
	},
	{
		[]string{"latent/gpu/nn", "latent/gpu/optim"}, []string{"latent/gpu/host/...", "latent/gpu/cuda/...", "latent/gpu/reference/..."}, nil,
		"layers run on any device",
	},
	{
		[]string{"latent/gpu/safetensors"}, []string{"latent/..."}, []string{"latent/gpu/atomicfile"},
		"a file format is only a file format",
	},
	{
		[]string{"latent/noise", "latent/scheduler"}, []string{"latent/..."}, nil,
		"seeds and schedules are arithmetic, to be read and tested alone",
	},
	{
		models, []string{"latent/..."}, []string{"latent/gpu", "latent/gpu/nn", "latent/gpu/half"},
		"models do not know one another, nor files and devices: each can be exchanged",
	},
	{
		[]string{"latent/assets"}, []string{"latent/..."}, nil,
		"what is embedded is only data",
	},
	{
		[]string{"latent/assets/..."}, []string{"latent/..."}, []string{"latent/assets/...", "latent/gpu/atomicfile"},
		"the generator makes pictures, and knows no model that learns from them",
	},
	{
		workers, []string{"latent/app/..."}, workers,
		"work is done without window and command line, so that both can ask for it",
	},
	{
		[]string{"latent/app/pipeline/...", "latent/app/library/...", "latent/app/gallery/...", "latent/app/pictures/..."},
		[]string{"latent/app/trainer/..."}, nil,
		"painting needs no training",
	},
	{
		[]string{"latent/app/cli"}, []string{"latent/app/ui/..."}, nil,
		"the command line works where no window can open",
	},
	{
		[]string{"latent/app/ui/..."}, []string{"latent/app/cli"}, nil,
		"the window asks the workers itself",
	},
}

func TestArrows(t *testing.T) {
	met := make([]bool, len(arrows))
	for pkg, list := range imports(t) {
		for i, a := range arrows {
			if !in(pkg, a.from...) {
				continue
			}
			met[i] = true
			for _, imp := range list {
				if in(imp, a.of...) && !in(imp, a.allowed...) {
					t.Errorf("%s imports %s: %s", pkg, imp, a.why)
				}
			}
		}
		for _, imp := range list {
			if in(imp, "fyne.io/...") && !in(pkg, "latent/app/ui/...", "latent/app") {
				t.Errorf("%s imports %s: only app/ui draws", pkg, imp)
			}
		}
	}
	for i, a := range arrows {
		if !met[i] && a.from[0] != "latent/app/ui/..." {
			t.Errorf("no package is in %v: the rule holds nothing", a.from)
		}
	}
}

// The program without a window must start where no graphics library is installed.
func TestHeadlessLinksNoGraphics(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", "headless", "latent/app").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 50 {
		t.Fatalf("only %d dependencies are listed", len(deps))
	}
	for _, dep := range deps {
		if in(dep, "fyne.io/...", "github.com/go-gl/...", "latent/app/ui/...") {
			t.Errorf("with -tags headless the program depends on %s", dep)
		}
	}
}
