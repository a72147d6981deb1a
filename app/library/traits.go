package library

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"latent/gpu/nn"
	"latent/scheduler"
)

// traits are what a file's header tells.
type traits struct {
	kind       Kind
	what       string
	family     Family
	channels   int    // of the U-Net's input; 0: unknown
	context    int    // width of the text that it attends to
	prediction string // of a model
	zeroSNR    bool
	text, vae  bool // a model in one file holds them
	difference bool // a ControlNet holds what it differs by from its U-Net
}

// The tensors of a model in one file that tell its family.
const (
	ldmUNet    = "model.diffusion_model."
	ldmInput   = "input_blocks.0.0.weight" // [width, channels, 3, 3]
	ldmLabel   = "label_emb."
	unetInput  = "conv_in.weight"
	unetLabel  = "add_embedding.linear_1.weight"
	attendText = "attn2.to_k.weight" // [width, context]
)

// look identifies a file by the names and shapes of its tensors.
func look(f nn.Source) traits {
	names := f.Names()
	occurs := func(part string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, part) })
	}
	dim := func(end string, axis int) int {
		for _, n := range names {
			if strings.HasSuffix(n, end) {
				if v, _ := f.Get(n); len(v.Shape) > axis {
					return v.Shape[axis]
				}
			}
		}
		return 0
	}
	t := traits{kind: KindUnknown, what: "no model that is known here"}
	meta := Metadata(f)
	if meta["step"] != "" && meta["recipe"] != "" {
		t.kind, t.what = KindTraining, "a checkpoint of a training with Latent, step "+meta["step"]
		return t
	}
	for _, s := range signs {
		if slices.ContainsFunc(s.parts, func(part string) bool { return !occurs(part) }) {
			continue
		}
		t.kind, t.what = s.kind, s.what
		break
	}
	switch t.kind {
	case KindUnknown:
		if isEmbedding(f, names) {
			t.kind, t.what = KindEmbedding, "an embedding (textual inversion)"
		}
	case KindForeign:
		t.family = Family(t.what)
	case KindLoRA:
		t.family = loraFamily(f, names)
	case KindControlNet:
		t.family = controlFamily(dim(attendText, 1), max(dim(unetLabel, 1), dim(ldmLabel+"0.0.weight", 1)))
		_, t.difference = f.Get("difference")
	case KindUNet, KindModel:
		t.context = dim(attendText, 1)
		t.channels = dim(ldmInput, 1)
		if t.channels == 0 {
			t.channels = dim(unetInput, 1)
		}
		t.family = unetFamily(t.context, occurs(ldmLabel) || occurs(unetLabel))
		t.text = occurs("cond_stage_model.") || occurs("conditioner.embedders.")
		t.vae = occurs("first_stage_model.")
		t.prediction, t.zeroSNR = prediction(f, t, meta)
	}
	return t
}

// unetFamily names a U-Net by the width of the text that it attends to, and by
// whether it is told more than the time.
func unetFamily(context int, told bool) Family {
	switch {
	case told && context == 2048:
		return SDXL
	case told && context == 1280:
		return refiner
	case told && context == 1024:
		return unCLIP
	case context == 768:
		return SD1
	case context == 1024:
		return SD2
	}
	return Other
}

// loraFamily tells by the width of the text that the changed U-Net attends to.
func loraFamily(f nn.Source, names []string) Family {
	for _, name := range names {
		if !strings.Contains(name, "attn2") || !strings.Contains(name, "to_k") {
			continue
		}
		for _, in := range []string{"lora_down.", "lora_A.", "lora.down.", "hada_w1_b", "lokr_w2"} {
			v, _ := f.Get(name)
			if strings.Contains(name, in) && len(v.Shape) >= 2 {
				switch v.Shape[1] {
				case 768:
					return SD1
				case 1024:
					return SD2
				case 2048:
					return SDXL
				}
			}
		}
	}
	for _, name := range names {
		if strings.Contains(name, "double_blocks") || strings.Contains(name, "single_transformer_blocks") {
			return "Flux"
		}
		if strings.HasPrefix(name, "transformer.") || strings.HasPrefix(name, "diffusion_model.") || strings.Contains(name, "joint_blocks") {
			return "a transformer (Stable Diffusion 3, Flux or later)"
		}
	}
	return ""
}

// isEmbedding tells whether a file holds vectors for a prompt: few rows as wide as
// a text encoder.
func isEmbedding(f nn.Source, names []string) bool {
	if len(names) == 0 || len(names) > 4 {
		return false
	}
	for _, name := range names {
		v, _ := f.Get(name)
		rows, width := 1, 0
		switch len(v.Shape) {
		case 1:
			width = v.Shape[0]
		case 2:
			rows, width = v.Shape[0], v.Shape[1]
		}
		if rows >= 1 && rows <= 512 && (width == 768 || width == 1024 || width == 1280) {
			return true
		}
	}
	return false
}

// prediction is what the U-Net predicts, and whether it was trained to zero
// terminal signal-to-noise, by the marks that programs leave in the file. Of
// Stable Diffusion 2 those with 768 pixels predict v, and only the number of
// training steps tells them apart.
func prediction(f nn.Source, t traits, meta map[string]string) (kind string, zeroSNR bool) {
	_, zeroSNR = f.Get("ztsnr")
	if _, ok := f.Get("v_pred"); ok {
		return scheduler.PredictVelocity, zeroSNR
	}
	switch meta["modelspec.prediction_type"] {
	case "v":
		return scheduler.PredictVelocity, zeroSNR
	case "epsilon":
		return scheduler.PredictEpsilon, zeroSNR
	}
	const baseSteps = 875000 // of stable-diffusion-2-base, 512 pixels
	if t.family == SD2 && t.channels == 4 && globalStep(f) != baseSteps {
		return scheduler.PredictVelocity, zeroSNR
	}
	return scheduler.PredictEpsilon, zeroSNR
}

// parameterization is the line of a model's .yaml that says what it predicts.
var parameterization = regexp.MustCompile(`(?m)^\s*parameterization:\s*["']?(\w+)`)

// readYAML heeds the settings that stand beside the model file at path under its
// name with the ending .yaml, as those of Stable Diffusion 2 were distributed: with
// it a model predicts ε unless it says v.
func (t *traits) readYAML(path string) {
	data, err := os.ReadFile(strings.TrimSuffix(path, weightsExt(path)) + ".yaml")
	if err != nil || t.kind != KindModel || !bytes.Contains(data, []byte("unet_config")) {
		return
	}
	t.prediction = scheduler.PredictEpsilon
	if m := parameterization.FindSubmatch(data); m != nil && string(m[1]) == "v" {
		t.prediction = scheduler.PredictVelocity
	}
}

// words describe the file in a line.
func (t traits) words() string {
	s := t.what
	switch t.kind {
	case KindModel, KindUNet:
		s += ", " + string(t.family)
		switch t.channels {
		case 9:
			s += ", inpainting"
		case 8:
			s += ", editing by instruction"
		}
		if t.prediction == scheduler.PredictVelocity {
			s += ", v prediction"
		}
	case KindLoRA, KindControlNet:
		if t.family != "" && t.family != Other {
			s += " for " + string(t.family)
		}
	}
	return s
}

// usable says why a file of this kind cannot be used at all.
func (t traits) usable() error {
	switch t.kind {
	case KindForeign:
		return fmt.Errorf("is %s, which is not supported: only Stable Diffusion 1.x, 2.x and XL are", t.what)
	case KindAdapter:
		return fmt.Errorf("is %s, which is not supported", t.what)
	case KindOtherScaler:
		return fmt.Errorf("is %s, which is not supported: look for an ESRGAN", t.what)
	case KindControlNet:
		return t.controls()
	case KindUnknown:
		return fmt.Errorf("holds %s", t.what)
	case KindModel, KindUNet:
		return t.paints()
	}
	return nil
}

// paints says why a U-Net of these traits cannot be painted with.
func (t traits) paints() error {
	if t.family == refiner {
		return errRefiner
	}
	if t.family == unCLIP {
		return errors.New("is Stable unCLIP, which is not supported")
	}
	if what := extraInput(t.channels, 4); what != "" {
		return fmt.Errorf("%s, which is not supported", what)
	}
	if t.family == Other {
		return fmt.Errorf("is no Stable Diffusion: its U-Net attends to texts %d wide, where 768 (1.x), 1024 (2.x) and 2048 (XL) are known", t.context)
	}
	return nil
}

// model says why a file of these traits is not a model to open by itself, with
// what to do about it.
func (t traits) model() error {
	switch t.kind {
	case KindModel:
		if err := t.paints(); err != nil {
			return err
		}
		if !t.text {
			return errors.New("holds no text encoder: a model in one file has one, look for the whole model")
		}
		return nil
	case KindUNet:
		return fmt.Errorf("is %s without text encoder and autoencoder: open the whole model, a folder or a file", t.what)
	case KindLoRA:
		return fmt.Errorf("is %s, which changes a model: open that and write <lora:name:1> in the prompt", t.what)
	case KindControlNet:
		if err := t.controls(); err != nil {
			return err
		}
		return errors.New("is a ControlNet, which guides a model: open that and choose this file as its control")
	case KindEmbedding:
		return errors.New("is an embedding: open a model and write the embedding's name in the prompt")
	case KindVAE:
		return errors.New("is an autoencoder alone: open a model and choose this file as its autoencoder")
	case KindTinyVAE:
		return errors.New("is a tiny decoder for previews, not a model")
	case KindText:
		return fmt.Errorf("is %s alone, not a model", t.what)
	case KindUpscaler:
		return errors.New("is an upscaler: it enlarges pictures, and paints none")
	case KindTraining:
		return errors.New("is a checkpoint of a training: open the folder that the training wrote")
	}
	return t.usable()
}

// Metadata are a file's free texts; what torch.save wrote has none.
func Metadata(f nn.Source) map[string]string {
	if m, ok := f.(interface{ Metadata() map[string]string }); ok {
		return m.Metadata()
	}
	return nil
}
