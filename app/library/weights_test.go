package library

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"latent/gpu"
)

func FuzzShardNames(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":1},"weight_map":{"a":"x-00001-of-00002.safetensors","b":"x-00002-of-00002.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"../x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		names, err := shardNames(fstest.MapFS{"unet/i.json": {Data: data}}, "unet/i.json")
		for _, name := range names {
			if dir, _ := path.Split(name); err == nil && (dir != "unet/" || !fs.ValidPath(name)) {
				t.Errorf("%q leads out of the folder", name)
			}
		}
	})
}

// An index that leads out of its folder is refused.
func TestShardsStayInTheirFolder(t *testing.T) {
	dir := copyModel(t)
	if err := os.Remove(filepath.Join(dir, unetWeights)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "unet/diffusion_pytorch_model.safetensors.index.json"), []byte(`{"weight_map":{"a":"../vae/x"}}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, device(t), gpu.Float32); err == nil || !strings.Contains(err.Error(), `"../vae/x" is not a file beside it`) {
		t.Error(err)
	}
}
