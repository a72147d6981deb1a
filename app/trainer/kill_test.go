package trainer

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"latent/gpu"
	"latent/gpu/safetensors"
)

// childConfig holds the recipe of a training that the test binary runs instead
// of tests.
const childConfig = "LATENT_TEST_TRAIN"

func TestMain(m *testing.M) {
	if text := os.Getenv(childConfig); text != "" {
		trainChild(text)
	}
	os.Exit(m.Run())
}

func trainChild(text string) {
	var c Config
	err := json.Unmarshal([]byte(text), &c)
	var dev *gpu.Device
	if err == nil {
		dev, err = gpu.Open("reference")
	}
	if err == nil {
		err = Train(context.Background(), dev, c, true, func(p Progress) { fmt.Println(p.Stage, p.Step) })
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("done")
	os.Exit(0)
}

// TestKilledRunLosesNothingBeforeItsCheckpoint kills a training, with SIGKILL,
// after ever more lines of its progress until one run ends by itself. Whatever
// is on disk at each death must be whole, and the end must be that of a run
// that was left alone.
func TestKilledRunLosesNothingBeforeItsCheckpoint(t *testing.T) {
	for name, c := range map[string]Config{"model": tiny(t), "LoRA": killedLoRA(t)} {
		t.Run(name, func(t *testing.T) {
			c.Autoencoder.Checkpoint, c.Denoiser.Checkpoint = 1, 1
			killUntilDone(t, c)
		})
	}
}

func killUntilDone(t *testing.T, c Config) {
	t.Helper()
	end := func() []byte {
		if c.LoRA != nil {
			return result(t, c)
		}
		return weights(t, c.Output)
	}
	if err := Train(context.Background(), open(t), c, false, nil); err != nil {
		t.Fatal(err)
	}
	want := end()

	c.Output = t.TempDir() + "/killed"
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	deaths := 0
	for lines := 1; ; lines++ {
		if lines > 40 {
			t.Fatal("training does not end")
		}
		out, ended := runAndKill(t, string(text), lines)
		for _, name := range []string{"autoencoder", "vae", "latents", "text", "denoiser"} {
			path := c.Output + "/" + State + "/" + name + ".safetensors"
			if _, err := os.Stat(path); err != nil {
				continue
			}
			f, err := safetensors.Open(path)
			if err != nil {
				t.Fatalf("after %q: %v", out, err)
			}
			f.Close()
		}
		if ended {
			break
		}
		deaths++
	}
	if deaths < 3 {
		t.Errorf("only %d deaths", deaths)
	}
	if string(end()) != string(want) {
		t.Error("the killed run ended with other weights")
	}
}

// runAndKill runs the recipe in a child and kills it after so many lines. It
// tells whether the training came to its end first.
func runAndKill(t *testing.T, recipe string, lines int) (last string, ended bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childConfig+"="+recipe)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := bufio.NewScanner(out)
	for n := 0; n < lines && s.Scan(); n++ {
		if last = s.Text(); strings.HasPrefix(last, "error:") {
			t.Fatal(last)
		}
		ended = last == "done"
	}
	cmd.Process.Kill()
	cmd.Wait()
	return last, ended
}

// killedLoRA keeps its text in a file.
func killedLoRA(t *testing.T) Config {
	c := loraConfig(t, basePath("sd1"))
	c.LoRA.TextEncoder, c.Denoiser.Steps = false, 4
	return c
}
