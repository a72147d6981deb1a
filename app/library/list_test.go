package library

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestList(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, s shapes) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		writeHeader(t, path, s, nil)
	}
	put("checkpoints/Zebra.safetensors", fullSize(t, SD1, 9))
	put("loras/apple.safetensors", shapes{"lora_unet_x.lora_down.weight": {4, 8}})
	put("notes.txt", shapes{})
	put(".hidden/x.safetensors", shapes{"w": {1}})
	put("noise.bin", shapes{"w": {1}})
	if err := os.CopyFS(filepath.Join(dir, "fox"), os.DirFS("testdata/sdxl")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "page.ckpt"), []byte("<html>"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "loras", "circle")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from what is known
		var got []string
		for _, i := range List(dir, filepath.Join(dir, "absent"), filepath.Join(dir, "loras")) {
			problem := ""
			if i.Err != nil {
				problem = i.Err.Error()
			}
			got = append(got, strings.Join([]string{i.Name, string(i.Kind), string(i.Family), problem}, "|"))
			if i.Size == 0 || i.Changed.IsZero() {
				t.Errorf("%s: %d bytes of %v", i.Name, i.Size, i.Changed)
			}
		}
		want := []string{
			"apple|LoRA||", "fox|model|Stable Diffusion XL|",
			"page|unknown||is a web page, perhaps an error message of the site it was downloaded from",
			"Zebra|model|Stable Diffusion 1.x|",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
