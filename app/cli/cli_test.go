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
	"syscall"
	"testing"
	"time"

	"latent/app/pipeline"
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

func TestExitCodes(t *testing.T) {
	dir := model(t)
	empty := t.TempDir()
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.CopyFS(broken, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	weights := filepath.Join(broken, "unet", "diffusion_pytorch_model.safetensors")
	if err := os.Truncate(weights, 5000); err != nil {
		t.Fatal(err)
	}
	lfs := filepath.Join(t.TempDir(), "model.safetensors")
	write(t, lfs, []byte("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"))
	misspelt := filepath.Join(t.TempDir(), "recipe.toml")
	write(t, misspelt, []byte("output = \"x\"\nstepz = 3\n"))

	picture := filepath.Join(filepath.Dir(dir), "pictures", "red.png")
	out := filepath.Join(t.TempDir(), "x.png")
	gen := func(more ...string) []string {
		return append([]string{"generate", "--prompt", "red", "--model", dir, "--device", "reference", "--steps", "1", "--size", "16x16", "--out", out}, more...)
	}
	for _, test := range []struct {
		args []string
		code int
		want string // part of the line on standard error
	}{
		{gen("--size", "100x100"), 1, "multiples of 8"},
		{gen("--steps", "0"), 1, "steps 0"},
		{gen("--steps", "-1"), 1, "steps -1"},
		{gen("--sampler", "magic"), 1, "ddim"},
		{gen("--rng", "dice"), 1, "dice"},
		{gen("--eta", "7"), 1, "eta"},
		{gen("--model", filepath.Join(empty, "none")), 1, "no such file"},
		{gen("--model", empty), 1, "not a whole diffusers model"},
		{gen("--model", out), 1, "no such file"},
		{gen("--model", broken), 1, "unet/diffusion_pytorch_model.safetensors"},
		{gen("--device", "abacus"), 1, "abacus"},
		{gen("--precision", "f8"), 1, "bf16"},
		{gen("--out", filepath.Join(empty, "none", "x.png")), 1, "no such file"},
		{gen("--out", filepath.Join(misspelt, "x.png")), 1, "not a directory"},
		{gen("--out", filepath.Join(empty, "none", "folder")), 1, "no such file"},
		{gen("--out", "x.jpg"), 2, ".png"},
		{gen("--count", "2"), 2, "folder"},
		{gen("--count", "0"), 2, "at least 1"},
		{gen("--size", "16"), 2, "512x768"},
		{gen("--size", "0x0"), 2, "512x768"},
		{gen("--steps", "many"), 2, "steps"},
		{gen("--schedule", "magic"), 1, "karras"},
		{gen("--guidance-rescale", "2"), 1, "guidance rescale"},
		{gen("--variation-strength", "2"), 1, "variation strength"},
		{gen("--variation-seed", "2"), 2, "--variation-strength"},
		{gen("--clip-skip", "-1"), 2, "clip-skip"},
		{gen("--clip-skip", "99"), 1, "clip skip is 99"},
		{gen("--vae", filepath.Join(empty, "none")), 1, "no such file"},
		{gen("--vae", misspelt), 1, "autoencoder"},
		{gen("--init", filepath.Join(empty, "none.png")), 1, "--init"},
		{gen("--init", misspelt), 1, "not a PNG"},
		{gen("--init", picture, "--strength", "0"), 2, "at most 1"},
		{gen("--init", picture, "--strength", "1.5"), 2, "at most 1"},
		{gen("--init", picture, "--strength", "0.5"), 1, "leaves none"},
		{gen("--init", picture, "--hires", "2"), 2, "leave out"},
		{gen("--init", picture, "--mask", misspelt), 1, "--mask"},
		{gen("--init", picture, "--mask", picture, "--mask-padding", "3"), 2, "--only-masked"},
		{gen("--strength", "0.5"), 2, "--init"},
		{gen("--mask", picture), 2, "--init"},
		{gen("--only-masked"), 2, "--mask"},
		{gen("--hires", "large"), 2, "1024x1024"},
		{gen("--hires", "0.5"), 2, "factor"},
		{gen("--hires", "0x0"), 2, "--hires"},
		{gen("--hires", "17x16"), 1, "multiples of 8"},
		{gen("--hires", "2", "--hires-upscaler", "magic"), 1, "lanczos"},
		{gen("--hires", "2", "--hires-strength", "2"), 2, "at most 1"},
		{gen("--hires-steps", "2"), 2, "--hires"},
		{gen("--tiling", "maybe"), 2, "auto"},
		{gen("--prediction", "speed"), 2, "v_prediction"},
		{gen("--model", pipeline.Builtin, "--prediction", "epsilon"), 1, "leave it out"},
		{gen("--lora", "fur:strong"), 2, "fur:0.8"},
		{gen("--lora", ":1"), 2, "fur:0.8"},
		{gen("--lora", "fur"), 1, "no folder"},
		{gen("--lora", "fur:0.5", "--lora-dir", empty), 1, "none in"},
		{gen("--prompt", "red <lora:fur:1>", "--lora-dir", empty), 1, "none in"},
		{gen("--embeddings-dir", misspelt), 1, "embeddings"},
		{gen("--colour", "red"), 2, "colour"},
		{gen("red"), 2, "red"},
		{[]string{"generate", "--out", out}, 2, "--prompt"},
		{[]string{"generate", "--prompt", "red"}, 2, "--out"},
		{[]string{"paint"}, 2, "unknown command"},
		{[]string{"train"}, 2, "recipe"},
		{[]string{"train", filepath.Join(empty, "none.toml"), "--resume"}, 1, "no such file"},
		{[]string{"train", misspelt}, 1, "stepz"},
		{[]string{"dataset", "--out", empty}, 2, "postcard"},
		{[]string{"dataset", "landscape", "--out", empty, "--count", "1"}, 2, "landscape"},
		{[]string{"dataset", "postcard", "--out", empty}, 2, "--count"},
		{[]string{"bench", "everything"}, 2, "everything"},
		{[]string{"inspect"}, 2, "path"},
		{[]string{"inspect", filepath.Join(empty, "none")}, 1, "no such file"},
		{[]string{"inspect", empty}, 1, "not a whole diffusers model"},
		{[]string{"inspect", weights}, 1, "diffusion_pytorch_model.safetensors"},
		{[]string{"inspect", lfs}, 1, "git lfs pull"},
		{[]string{"inspect", misspelt}, 1, "safetensors"},
	} {
		t.Run(strings.ReplaceAll(strings.Join(test.args, " "), "/", "|"), func(t *testing.T) {
			code, stdout, stderr := latent(t, test.args...)
			if code != test.code || !strings.Contains(stderr, test.want) {
				t.Errorf("exit %d, %q; want %d with %q", code, stderr, test.code, test.want)
			}
			if stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "latent: ") {
				t.Errorf("want one line on standard error alone: %q, %q", stdout, stderr)
			}
		})
	}
	if left := append(names(t, empty), names(t, filepath.Dir(out))...); len(left) > 0 {
		t.Errorf("left behind: %v", left)
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

func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to mount a small disk")
	}
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=16k", "none", disk).CombinedOutput(); err != nil {
		t.Skipf("cannot mount a small disk: %s", out)
	}
	defer exec.Command("umount", disk).Run()
	code, _, stderr := latent(t, "generate", "--prompt", "red", "--model", model(t), "--device", "reference",
		"--steps", "1", "--size", "256x256", "--out", filepath.Join(disk, "x.png"))
	if code != 1 || !strings.Contains(stderr, "no space left") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if left := names(t, disk); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// interrupt starts the program, sends it Ctrl-C once it has shown progress, and
// returns how it ended.
func interrupt(t *testing.T, args ...string) (code int, last string) {
	t.Helper()
	cmd := program(t, args...)
	var stderr lockedBuffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); !strings.Contains(stderr.String(), "left"); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			cmd.Process.Kill()
			t.Fatalf("no progress: %s", stderr.String())
		}
	}
	cmd.Process.Signal(syscall.SIGINT)
	cmd.Wait()
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	return cmd.ProcessState.ExitCode(), lines[len(lines)-1]
}

type lockedBuffer struct {
	sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.String()
}

func TestInterruptedGenerate(t *testing.T) {
	dir, parent := model(t), t.TempDir()
	for _, out := range []string{"x.png", "folder"} {
		code, last := interrupt(t, "generate", "--prompt", "red", "--model", dir, "--device", "reference",
			"--steps", "1000", "--size", "256x256", "--out", filepath.Join(parent, out))
		if code != 1 || last != "latent: stopped" {
			t.Errorf("exit %d: %s", code, last)
		}
	}
	if left := names(t, parent); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestInterruptedTraining(t *testing.T) {
	dir := t.TempDir()
	path := recipe(t, dir, 100000)
	code, last := interrupt(t, "train", path)
	if want := "latent train " + path + " --resume"; code != 1 || !strings.Contains(last, want) {
		t.Errorf("exit %d: %s; want it to name %q", code, last, want)
	}
	var step int
	if _, err := fmt.Sscanf(last, "latent: stopped after step %d of the denoiser", &step); err != nil || step < 1 {
		t.Fatalf("%q does not tell the step: %v", last, err)
	}
	code, _, stderr := latent(t, "train", path)
	if code != 1 || !strings.Contains(stderr, "--resume") {
		t.Errorf("training on top of a stopped one: exit %d: %s", code, stderr)
	}
	// Resumed, it goes on from there.
	code, last = interrupt(t, "train", path, "--resume")
	var later int
	if _, err := fmt.Sscanf(last, "latent: stopped after step %d of the denoiser", &later); err != nil || code != 1 || later <= step {
		t.Errorf("exit %d: %s; want a step beyond %d", code, last, step)
	}
	for _, name := range names(t, filepath.Join(dir, "model", ".train")) {
		if !strings.HasSuffix(name, ".safetensors") {
			t.Errorf("left behind: %s", name)
		}
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

func TestParseLoRA(t *testing.T) {
	for s, want := range map[string]pipeline.LoRA{
		"fur":                  {Name: "fur", UNet: 1, Text: 1},
		"fur:0.5":              {Name: "fur", UNet: 0.5, Text: 0.5},
		"fur:0.5:-2":           {Name: "fur", UNet: -2, Text: 0.5},
		`C:\l\fur.safetensors`: {Name: `C:\l\fur.safetensors`, UNet: 1, Text: 1},
		"C:/fur:0.5":           {Name: "C:/fur", UNet: 0.5, Text: 0.5},
	} {
		if got, err := parseLoRA(s); got != want || err != nil {
			t.Errorf("%s is %+v, %v; want %+v", s, got, err, want)
		}
	}
	for _, s := range []string{"", ":1", "fur:", "fur:x", "fur:1:2:3", "fur:NaN"} {
		if got, err := parseLoRA(s); err == nil {
			t.Errorf("%q is %+v", s, got)
		}
	}
}

func FuzzParseLoRA(f *testing.F) {
	for _, s := range []string{"fur:0.5:2", "C:/x:1", ":", "::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if l, err := parseLoRA(s); err == nil && l.Name == "" {
			t.Errorf("%q names nothing", s)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	for _, s := range []string{"512x768", "1X1", "0x0", "x", "-1x8", "99999999999999999999x8"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		w, h, err := parseSize(s)
		if err != nil {
			return
		}
		if w2, h2, err := parseSize(fmt.Sprintf("%dx%d", w, h)); w < 1 || h < 1 || w2 != w || h2 != h || err != nil {
			t.Errorf("%q is %d by %d", s, w, h)
		}
	})
}
