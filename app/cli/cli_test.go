package cli

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"latent/assets"
)

// asProgram in the environment makes the test binary be the program.
const asProgram = "LATENT_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		lineEvery = 100 * time.Millisecond
		os.Exit(Run(os.Args[1:]))
	}
	// Hashes of the tests' models stay out of the user's cache.
	cache, err := os.MkdirTemp("", "latent-cache-*")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_CACHE_HOME", cache)
	code := m.Run()
	os.RemoveAll(cache)
	if shared.dir != "" {
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// latent runs the program to its end.
func latent(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := program(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// succeed is latent for a run that must go well; it returns the standard output.
func succeed(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := latent(t, args...)
	if code != 0 {
		t.Fatalf("latent %s: exit %d: %s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// shared is a tiny model that the first test to ask for it trains.
var shared struct {
	once sync.Once
	dir  string
}

func model(t *testing.T) string {
	t.Helper()
	shared.once.Do(func() {
		var err error
		if shared.dir, err = os.MkdirTemp("", "latent-cli-*"); err != nil {
			t.Fatal(err)
		}
		succeed(t, "train", recipe(t, shared.dir, 2))
	})
	if _, err := os.Stat(filepath.Join(shared.dir, "model", "model_index.json")); err != nil {
		t.Fatalf("no model to test with: %v", err)
	}
	return filepath.Join(shared.dir, "model")
}

// recipe writes a training recipe into dir, with its pictures; the model will be
// dir/model.
func recipe(t *testing.T, dir string, steps int) string {
	t.Helper()
	skeleton, err := filepath.Abs("../trainer/testdata/skeleton")
	if err != nil {
		t.Fatal(err)
	}
	pictures := filepath.Join(dir, "pictures")
	if err := os.MkdirAll(pictures, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"red", "green", "blue"} {
		img := image.NewNRGBA(image.Rect(0, 0, 32, 32))
		for p := range 32 * 32 {
			img.Pix[4*p+i], img.Pix[4*p+3] = uint8(255-p/8), 255
		}
		var buf bytes.Buffer
		if err := png.Encode(&buf, img); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(pictures, name+".png"), buf.Bytes())
		write(t, filepath.Join(pictures, name+".txt"), []byte("a "+name+" square"))
	}
	path := filepath.Join(dir, "recipe.toml")
	write(t, path, fmt.Appendf(nil, `
output = %q
skeleton = %q
device = "reference"
[data]
folder = "pictures"
resolution = 32
[autoencoder]
steps = 2
batch_size = 2
[denoiser]
steps = %d
batch_size = 2
checkpoint_every = 1000
[samples]
every = 2
prompts = ["a red square"]
steps = 2
`, filepath.Join(dir, "model"), skeleton, steps))
	return path
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// A picture that cannot be used is told of once, by name, and does not end a training.
func TestTrainWithABrokenPicture(t *testing.T) {
	dir := t.TempDir()
	path := recipe(t, dir, 1)
	torn := filepath.Join(dir, "pictures", "torn.png")
	write(t, torn, []byte("these are words"))
	code, stdout, stderr := latent(t, "train", path)
	if want := "latent: torn.png is left out: not a PNG, JPEG or WebP picture\n"; code != 0 || strings.Count(stderr, want) != 1 {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	for _, name := range []string{"red", "green", "blue"} {
		write(t, filepath.Join(dir, "pictures", name+".png"), nil)
	}
	code, _, stderr = latent(t, "train", path, "--resume")
	if code != 1 || !strings.HasSuffix(stderr, "latent: none of the pictures in "+filepath.Join(dir, "pictures")+" can be trained on: blue.png: not a PNG, JPEG or WebP picture\n") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestTrainGenerateInspect(t *testing.T) {
	dir := model(t)
	if samples := names(t, filepath.Join(dir, "samples")); !slices.Equal(samples, []string{"denoiser-2-0.png"}) {
		t.Errorf("sample pictures %v", samples)
	}
	a, b := filepath.Join(t.TempDir(), "a.png"), filepath.Join(t.TempDir(), "b.png")
	flags := []string{"generate", "--prompt", "a red square", "--negative=blue", "--model", dir, "--steps", "2", "--cfg", "3",
		"--sampler", "ddpm", "--seed", "41", "--rng", "nv", "--size", "40x32", "--device", "reference", "--precision", "f32"}
	out := succeed(t, append(flags, "--out", a)...)
	if out != a+"  (seed 41)\n" {
		t.Errorf("output %q", out)
	}
	succeed(t, append(flags, "-out", b)...)
	first, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := os.ReadFile(b); !bytes.Equal(first, second) {
		t.Error("two runs give two files")
	}
	out = succeed(t, "inspect", a)
	for _, want := range []string{"a red square\n", "Negative prompt: blue", "Steps: 2", "Sampler: DDPM", "CFG scale: 3", "Seed: 41", "Size: 40x32", "RNG: NV", "Model: model"} {
		if !strings.Contains(out, want) {
			t.Errorf("inspect does not say %q:\n%s", want, out)
		}
	}
	out = succeed(t, "inspect", dir)
	for _, want := range []string{"diffusers model", "32x32", "v_prediction", "unet/diffusion_pytorch_model.safetensors", "F16"} {
		if !strings.Contains(out, want) {
			t.Errorf("inspect does not say %q:\n%s", want, out)
		}
	}
}

// A folder is numbered, and picture k is that of seed+k alone.
func TestGenerateFolder(t *testing.T) {
	dir, out := model(t), filepath.Join(t.TempDir(), "pictures")
	flags := []string{"generate", "--prompt", "red", "--model", dir, "--steps", "1", "--size", "16x16", "--device", "reference", "--out", out}
	succeed(t, append(flags, "--count", "2", "--seed", "5")...)
	succeed(t, append(flags, "--seed", "6")...)
	if got := names(t, out); !slices.Equal(got, []string{"00001-5.png", "00002-6.png", "00003-6.png"}) {
		t.Fatalf("files %v", got)
	}
	second, _ := os.ReadFile(filepath.Join(out, "00002-6.png"))
	third, _ := os.ReadFile(filepath.Join(out, "00003-6.png"))
	if len(second) == 0 || !bytes.Equal(second, third) {
		t.Error("the second of two pictures is not the one of its seed alone")
	}
}

// Every way to a picture makes a file that says how.
func TestGenerateWays(t *testing.T) {
	dir, out := model(t), filepath.Join(t.TempDir(), "x.png")
	pictures := filepath.Join(filepath.Dir(dir), "pictures")
	for _, test := range []struct {
		name  string
		flags []string
		want  []string // of inspect's words
	}{
		{"init", []string{"--init", filepath.Join(pictures, "red.png"), "--strength", "0.5"}, []string{"Denoising strength: 0.5", "Size: 32x32"}},
		{"mask", []string{"--init", filepath.Join(pictures, "red.png"), "--mask", filepath.Join(pictures, "green.png")},
			[]string{"Denoising strength: 0.75", "Mask blur: 4"}},
		{"part", []string{"--init", filepath.Join(pictures, "red.png"), "--mask", filepath.Join(pictures, "green.png"), "--only-masked", "--size", "16x16"}, []string{"Size: 16x16"}},
		{"hires", []string{"--size", "16x16", "--hires", "1.5", "--hires-strength", "0.9", "--hires-upscaler", "latent"},
			[]string{"Size: 16x16", "Hires upscale: 1.5", "Hires upscaler: Latent", "Denoising strength: 0.9"}},
		{"variation", []string{"--size", "16x16", "--variation-seed", "8", "--variation-strength", "0.25"},
			[]string{"Seed: 3", "Variation seed: 8", "Variation seed strength: 0.25"}},
		{"short cuts", []string{"--size", "16x16", "--cfg", "4", "--cfg-interval", "0-0.75", "--cache-interval", "2"},
			[]string{"Guidance interval: 0-0.75", "Cache interval: 2"}},
		{"others", []string{"--size", "16x16", "--guidance-rescale", "0.5", "--schedule", "sgm_uniform", "--tiling", "on", "--prompt", "(red:1.2) [square:circle:0.5]"},
			[]string{"Guidance rescale: 0.5", "Schedule type: SGM Uniform", "(red:1.2)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			succeed(t, append([]string{"generate", "--prompt", "a red square", "--model", dir, "--steps", "4", "--seed", "3",
				"--device", "reference", "--precision", "f32", "--out", out}, test.flags...)...)
			text := succeed(t, "inspect", out)
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("inspect does not say %q:\n%s", want, text)
				}
			}
		})
	}
}

func TestHelp(t *testing.T) {
	if out := succeed(t, "--version"); !strings.Contains(out, assets.Version) {
		t.Errorf("version %q", out)
	}
	out := succeed(t, "help")
	for _, c := range commands() {
		if !strings.Contains(out, c.name) {
			t.Errorf("help does not speak of %s", c.name)
		}
		if a, b := succeed(t, "help", c.name), succeed(t, c.name, "--help"); a != b || !strings.Contains(a, c.synopsis) {
			t.Errorf("help of %s: %q and %q", c.name, a, b)
		}
	}
	out = succeed(t, "help", "generate")
	for _, want := range []string{"\nWhat to paint:\n  --prompt TEXT ", "\nWhich model:\n", "  --prediction NAME "} {
		if !strings.Contains(out, want) {
			t.Errorf("help of generate does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "Others:") {
		t.Errorf("a flag of generate is in no group:\n%s", out)
	}
}

func TestDataset(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "postcards")
	code, _, stderr := latent(t, "dataset", "postcard", "--out", dir, "--count", "2", "--seed", "9")
	if strings.Contains(stderr, "font") {
		t.Skip(stderr)
	}
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"000001.png", "000001.txt", "000002.png", "000002.txt"}) {
		t.Errorf("files %v", got)
	}
}
