package trainer

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A training goes on with the pictures and captions that it began with, whatever has
// become of the folder: that decides the order of the pictures and so the losses.
func TestFolderChangesMeanwhile(t *testing.T) {
	for name, c := range map[string]Config{"from scratch": tiny(t), "LoRA": loraConfig(t, basePath("sd1"))} {
		t.Run(name, func(t *testing.T) {
			stage, at := "denoiser", 3
			if c.Skeleton != "" {
				stage, at = "autoencoder", 2
			}
			torn := filepath.Join(c.Data.Folder, "bb.png")
			if err := os.WriteFile(torn, []byte("torn"), 0o644); err != nil {
				t.Fatal(err)
			}
			want := map[key]float64{}
			if _, err := heard(t, c, false, want); err != nil {
				t.Fatal(err)
			}
			c.Output = filepath.Join(t.TempDir(), "ramp")
			got := map[key]float64{}
			if err := losses(t, c, false, stage, at, got); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			// One is mended, one comes, one caption is another.
			good, err := os.ReadFile(filepath.Join(c.Data.Folder, "a.png"))
			if err != nil {
				t.Fatal(err)
			}
			for name, data := range map[string][]byte{"bb.png": good, "0.png": good, "c.txt": []byte("other words")} {
				if err := os.WriteFile(filepath.Join(c.Data.Folder, name), data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			notes, err := heard(t, c, true, got)
			if err != nil {
				t.Fatal(err)
			}
			if len(notes) != 1 || !strings.Contains(notes[0], "goes on with those that it began with") {
				t.Errorf("notes %q", notes)
			}
			for k, v := range want {
				if got[k] != v {
					t.Errorf("loss of %v is %v, uninterrupted %v", k, got[k], v)
				}
			}
		})
	}
}

// Once the latents are made, a training does without its folder.
func TestFolderVanishesFromALoRA(t *testing.T) {
	c := loraConfig(t, basePath("sd1"))
	want := map[key]float64{}
	if _, err := heard(t, c, false, want); err != nil {
		t.Fatal(err)
	}
	file := result(t, c)
	c.Output = filepath.Join(t.TempDir(), "ramp")
	got := map[key]float64{}
	ctx, cancel := context.WithCancel(context.Background())
	err := Train(ctx, open(t), c, false, func(p Progress) {
		if p.Loss != 0 {
			got[key{p.Stage, p.Step}] = p.Loss
		}
		if p.Stage == "denoiser" && p.Step == 1 {
			if err := os.RemoveAll(c.Data.Folder); err != nil {
				t.Error(err)
			}
		}
		if p.Step == 4 && p.Stage == "denoiser" {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := Forecast(open(t), c); err != nil {
		t.Error(err)
	}
	if _, err := Export(open(t), c); err != nil {
		t.Error(err)
	}
	if notes, err := heard(t, c, true, got); err != nil || len(notes) > 0 {
		t.Fatal(notes, err)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("loss of %v is %v, with the folder %v", k, got[k], v)
		}
	}
	if !bytes.Equal(result(t, c), file) {
		t.Error("another LoRA without the folder")
	}
}

// While latents are made the folder is needed: the training ends with one message
// and, with the folder back, comes to the same end.
func TestFolderVanishesWhileItIsRead(t *testing.T) {
	for name, c := range map[string]Config{
		"latents":     loraConfig(t, basePath("sd1")),
		"pictures":    tiny(t), // the survey
		"autoencoder": tiny(t),
		"decoder":     tiny(t),
	} {
		t.Run(name, func(t *testing.T) {
			c.Data.Folder = folderOfPictures(t, 8)
			want := map[key]float64{}
			if _, err := heard(t, c, false, want); err != nil {
				t.Fatal(err)
			}
			c.Output = filepath.Join(t.TempDir(), "ramp")
			away := c.Data.Folder + "-away"
			got, last := map[key]float64{}, key{}
			err := Train(context.Background(), open(t), c, false, func(p Progress) {
				if p.Note != "" {
					t.Errorf("note %q", p.Note)
				}
				last = key{p.Stage, p.Step}
				if p.Loss != 0 {
					got[last] = p.Loss
				}
				if p.Stage == name && p.Step == 1 {
					if err := os.Rename(c.Data.Folder, away); err != nil {
						t.Error(err)
					}
					// An unplugged disk leaves its mount point, which is empty.
					if err := os.Mkdir(c.Data.Folder, 0o755); err != nil {
						t.Error(err)
					}
				}
			})
			if err == nil || !strings.Contains(err.Error(), c.Data.Folder+" is gone") || strings.Contains(err.Error(), "\n") {
				t.Fatalf("after %v: %v", last, err)
			}
			if _, err := heard(t, c, true, map[key]float64{}); err == nil || !strings.Contains(err.Error(), c.Data.Folder) {
				t.Errorf("going on without the folder: %v", err)
			}
			if err := os.Remove(c.Data.Folder); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(away, c.Data.Folder); err != nil {
				t.Fatal(err)
			}
			before := len(got)
			if _, err := heard(t, c, true, got); err != nil {
				t.Fatal(err)
			}
			for k, v := range want {
				if got[k] != v {
					t.Errorf("loss of %v is %v, undisturbed %v (%d before)", k, got[k], v, before)
				}
			}
		})
	}
}

// A single picture that is missed later ends a training from scratch, which wants it,
// with its checkpoint kept.
func TestPictureVanishes(t *testing.T) {
	c := tiny(t)
	c.Data.Folder = folderOfPictures(t, 8)
	path := filepath.Join(c.Data.Folder, "f.png")
	var data []byte
	err := Train(context.Background(), open(t), c, false, func(p Progress) {
		if p.Stage == "autoencoder" && p.Step == 1 {
			data, _ = os.ReadFile(path)
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				t.Error(err)
			}
		}
	})
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "was trained on") {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if notes, err := heard(t, c, true, map[key]float64{}); err != nil || len(notes) > 0 {
		t.Error(notes, err)
	}
}
