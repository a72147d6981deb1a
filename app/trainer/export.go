package trainer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"latent/app/library"
	"latent/app/pipeline"
	"latent/gpu"
	"latent/gpu/nn"
)

// write writes what was trained to path, a LoRA's file or a model's folder. values
// are those of the parameters that moved.
func (r *run) write(path string, steps int, values map[*nn.Param]*gpu.Tensor, lora *adapters, b *batches) error {
	format := map[string]string{"f16": "F16", "bf16": "BF16", "f32": "F32"}[r.SaveFormat]
	if lora != nil {
		return lora.write(path, values, format, r.metadata(steps, b))
	}
	original, err := r.original(r.trainsText())
	if err != nil {
		return err
	}
	if original != nil {
		defer original.Close()
		for _, pair := range [][2]any{{r.model.VAE, original.VAE}, {r.model.Text, original.Text}, {r.model.Text2, original.Text2}} {
			was := nn.Params(pair[1])
			for i, p := range nn.Params(pair[0]) {
				if _, moved := values[p.Param]; !moved {
					values[p.Param] = was[i].T
				}
			}
		}
	}
	return library.Save(path, r.model, format, func(p nn.Named) *gpu.Tensor {
		if t, ok := values[p.Param]; ok {
			return t
		}
		return p.T
	})
}

// Export writes what an unfinished training of a recipe has reached at its last
// checkpoint, and returns its path: that of Config.Weights. The training can go on.
func Export(dev *gpu.Device, c Config) (path string, err error) {
	defer gpu.Catch(&err)
	r := &run{Training: &Training{Config: c}, ctx: context.Background(), dev: dev}
	if r.dtype, err = pipeline.Precision(c.Precision, dev); err != nil {
		return "", err
	}
	if c.Base == "" || !exists(r.statePath(stateFile(denoiserStage))) || !exists(r.statePath(latentsFile)) {
		return "", fmt.Errorf("%s holds no checkpoint of a fine-tuning yet", filepath.Join(c.Output, State))
	}
	if err := r.openData(); err != nil {
		return "", err
	}
	if err := r.openModel(); err != nil {
		return "", err
	}
	defer r.model.Close()
	cache, err := r.cacheLatents()
	if err != nil {
		return "", err
	}
	d, err := r.denoising(cache, nil)
	if err != nil {
		return "", err
	}
	params, lora, err := r.moving(r.trainsText())
	if err != nil {
		return "", err
	}
	defer r.still(lora)
	l := &loop{run: r, name: denoiserStage, stage: r.Denoiser, params: params}
	if err := l.begin(); err != nil {
		return "", err
	}
	defer l.opt.Free()
	step, err := l.restore()
	if err != nil {
		return "", err
	}
	if step == 0 {
		return "", errors.New("the training has not done a step yet")
	}
	path = c.Weights(step)
	return path, r.write(path, step, l.opt.Values(), lora, d.batches)
}
