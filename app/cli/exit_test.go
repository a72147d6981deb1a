package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"latent/app/pipeline"
)

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
		{gen("--cfg-interval", "0.5"), 2, "FROM-TO"},
		{gen("--cfg-interval", "0.7-0.2"), 2, "FROM-TO"},
		{gen("--cache-interval", "-1"), 1, "cache interval"},
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
