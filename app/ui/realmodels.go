package ui

import (
	"io/fs"
	"os"
	"slices"

	"latent/app/library"
	"latent/app/library/lora"
	"latent/app/pipeline"
	"latent/assets"
	"latent/gpu"
	"latent/scheduler"
	"latent/textencoder"
	"latent/unet"
	"latent/vae"
)

// Models lists the built-in model and the model folders in folder.
func (l *Latent) Models(folder string) []Model {
	builtin := Model{ID: pipeline.Builtin, Name: "Postcard (built in)", Size: 128, Unit: 8, OnlyVAE: true, Family: string(library.Other)}
	if m, err := describe(assets.Model()); err == nil {
		builtin.Size, builtin.Unit = m.Size, m.Unit
	}
	// Small models want less guidance than those trained on the world's pictures.
	builtin.Steps, builtin.Guidance = 20, 4
	out := []Model{builtin}
	for _, i := range library.List(folder) {
		if i.Kind != library.KindModel || i.Err != nil {
			continue
		}
		m, err := describe(os.DirFS(i.Path))
		if !i.Folder {
			m, err = ofFamily(i.Family), nil
		}
		if err == nil {
			m.ID, m.Name, m.Family = i.Path, i.Name, string(i.Family)
			out = append(out, m)
		}
	}
	return out
}

// ofFamily is what suits a model in one file, which has no config to say so.
func ofFamily(f library.Family) Model {
	m := Model{Size: 512, Unit: 8, Steps: 20, Guidance: 7.5}
	switch f {
	case library.SD2:
		m.Size = 768
	case library.SDXL:
		m.Size = 1024
	}
	return m
}

// Library lists the built-in model and what is in the folders, used or not.
func (l *Latent) Library(folders Folders) []ModelFile {
	out := []ModelFile{{ID: pipeline.Builtin, Name: "Postcard (built in)", What: "a model in the program itself, always there"}}
	for _, i := range library.List(folders.Models, folders.LoRAs, folders.Embeddings, folders.VAEs, folders.Controls, folders.Upscalers) {
		f := ModelFile{Path: i.Path, Name: i.Name, What: i.What, Size: i.Size}
		if i.Kind == library.KindModel {
			f.ID = i.Path
		}
		f.LoRA = i.Kind == library.KindLoRA
		if i.Err != nil {
			f.Problem = i.Err.Error()
		}
		out = append(out, f)
	}
	return out
}

// describe reads from a model folder's config files what a form must know.
func describe(folder fs.FS) (Model, error) {
	if _, err := fs.Stat(folder, "model_index.json"); err != nil {
		return Model{}, err // a training that has not ended
	}
	data, err := fs.ReadFile(folder, "unet/config.json")
	if err != nil {
		return Model{}, err
	}
	u, err := unet.ParseConfig(data)
	if err != nil {
		return Model{}, err
	}
	if data, err = fs.ReadFile(folder, "vae/config.json"); err != nil {
		return Model{}, err
	}
	v, err := vae.ParseConfig(data)
	if err != nil {
		return Model{}, err
	}
	side := 64 // latents, where the config does not say
	if n := len(u.SampleSize); n > 0 {
		side = u.SampleSize[n-1]
	}
	m := Model{Size: side * v.Factor(), Unit: v.Factor(), Steps: 20, Guidance: 7.5}
	if m.Size <= 256 {
		m.Guidance = 4
	}
	return m, nil
}

// Devices lists what gpu.Open knows.
func (l *Latent) Devices() []string { return append([]string{"auto"}, gpu.Drivers()...) }

// Samplers lists the scheduler's, as recipes spell them.
func (l *Latent) Samplers() []Sampler {
	var out []Sampler
	labels := map[string]string{}
	for _, s := range scheduler.Schedules() {
		labels[s.Name] = s.Label
	}
	for _, s := range scheduler.Samplers() {
		mine := Sampler{Label: s.Label}
		for _, name := range s.Schedules {
			mine.Schedules = append(mine.Schedules, labels[name])
		}
		out = append(out, mine)
	}
	if i := slices.IndexFunc(out, func(s Sampler) bool { return s.Label == "DDIM" }); i > 0 {
		out[0], out[i] = out[i], out[0]
	}
	return out
}

// Extras lists what of the folders can be used.
func (l *Latent) Extras(f Folders) (out Extras) {
	for _, i := range library.List(f.LoRAs) {
		if i.Kind != library.KindLoRA || i.Err != nil {
			continue
		}
		e := Extra{Path: i.Path, Name: i.Name, What: i.What}
		if file, err := lora.Read(i.Path); err == nil {
			e.Hash = file.Metadata["sshs_model_hash"]
			file.Close()
		}
		out.LoRAs = append(out.LoRAs, e)
	}
	for _, i := range library.List(f.VAEs) {
		if i.Kind == library.KindVAE && i.Err == nil {
			out.VAEs = append(out.VAEs, Extra{Path: i.Path, Name: i.Name, What: i.What})
		}
	}
	for _, i := range library.List(f.Controls) {
		if i.Kind == library.KindControlNet && i.Err == nil {
			out.Controls = append(out.Controls, Extra{Path: i.Path, Name: i.Name, What: i.What, Family: string(i.Family)})
		}
	}
	for _, i := range library.List(f.Upscalers) {
		if i.Kind == library.KindUpscaler && i.Err == nil {
			out.Upscalers = append(out.Upscalers, Extra{Path: i.Path, Name: i.Name, What: i.What})
		}
	}
	return out
}

// Tokens measures prompts with the model's own tokenizer, which stays open, and
// the learned words that they name.
func (l *Latent) Tokens(r Request) (prompt, negative textencoder.Usage, err error) {
	l.words.Lock()
	defer l.words.Unlock()
	if l.tokenizer == nil || l.tokenized != r.Model {
		if l.tokenizer, err = openTokenizer(r.Model); err != nil {
			return prompt, negative, err
		}
		l.tokenized = r.Model
	}
	var opts textencoder.Options
	if opts.Embeddings, err = pipeline.ReadEmbeddings(r.Embeddings, r.Prompt+"\n"+r.Negative); err != nil {
		return prompt, negative, err
	}
	if prompt, err = l.tokenizer.Measure(r.Prompt, r.Steps, opts); err != nil {
		return prompt, negative, err
	}
	negative, err = l.tokenizer.Measure(r.Negative, r.Steps, opts)
	return prompt, negative, err
}

// openTokenizer is a model's own tokenizer, or CLIP's for models in one file.
func openTokenizer(model string) (*textencoder.Tokenizer, error) {
	folder := assets.Model()
	if model != pipeline.Builtin {
		if info, err := os.Stat(model); err == nil && !info.IsDir() {
			v, err := textencoder.CLIPVocabulary(assets.CLIPMerges(), textencoder.PadEOS)
			if err != nil {
				return nil, err
			}
			return v.Tokenizer()
		}
		folder = os.DirFS(model)
	}
	folder, err := fs.Sub(folder, "tokenizer")
	if err != nil {
		return nil, err
	}
	return textencoder.LoadTokenizer(folder)
}

// Examples are prompts of the built-in model's own words.
func (l *Latent) Examples() []string {
	return []string{
		"a large fox on a blue background",
		"a small rocket in the night sky",
		"a boat on the sea",
		"a large strawberry on a yellow background",
		"a penguin in the snow",
		"a castle at sunset",
	}
}
