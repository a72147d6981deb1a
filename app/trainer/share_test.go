package trainer

import (
	"bytes"
	"sync/atomic"
	"testing"
	"time"

	"latent/app/pipeline"
	"latent/gpu"
)

// Pictures that are painted between two steps, even with what is being trained, do not
// change the training.
func TestPaintingWhileTraining(t *testing.T) {
	c := loraConfig(t, basePath("sd1"))
	if _, err := heard(t, c, false, map[key]float64{}); err != nil {
		t.Fatal(err)
	}
	want := result(t, c)
	c.Output += "-again"
	e, err := pipeline.Start("reference", "f32")
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var waiting atomic.Int32
	painted := 0
	paint := func(lora pipeline.LoRA) {
		defer waiting.Add(-1)
		r := pipeline.Request{Prompt: "a ramp", Steps: 1, Guidance: 1, Width: 32, Height: 32, Count: 1, LoRAFolder: c.Output}
		if lora.Name != "" {
			r.LoRAs = []pipeline.LoRA{lora}
		}
		_, err := e.Generate(t.Context(), c.Base, r, nil)
		if err != nil {
			t.Error(err)
		}
		painted++
	}
	err = e.Share(t.Context(), func(dev *gpu.Device, yield func()) error {
		tr := &Training{Config: c}
		tr.Between = func() {
			for yield(); waiting.Load() > 0; yield() {
				time.Sleep(time.Millisecond)
			}
		}
		tr.WriteWeights()
		tr.Progress = func(p Progress) {
			if p.Stage == "latents" && p.Step == 1 || p.Weights != "" {
				waiting.Add(1)
				go paint(pipeline.LoRA{Name: map[bool]string{true: "ramp-000001"}[p.Weights != ""], UNet: 1, Text: 1})
			}
		}
		return tr.Run(t.Context(), dev)
	})
	if err != nil {
		t.Fatal(err)
	}
	if painted != 2 {
		t.Errorf("%d pictures were painted", painted)
	}
	if !bytes.Equal(result(t, c), want) {
		t.Error("it ended with another LoRA")
	}
}
