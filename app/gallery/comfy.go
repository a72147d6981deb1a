package gallery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// A graph is what ComfyUI was asked to run: nodes, whose inputs are values or
// links [node, output] to what another node makes. Nodes of any kind can be added
// to ComfyUI, so beside those it comes with, nodes are known by their inputs.
type graph struct {
	nodes     map[string]*node
	unmatched []string
}

// The graph of a damaged file may have cycles: no walk enters a node twice.

type node struct {
	Class  string         `json:"class_type"`
	Inputs map[string]any `json:"inputs"`
}

// fromComfyUI follows the graph from the saved picture up to the last sampler,
// and from there to the prompts, the model and the size.
func fromComfyUI(data []byte) (Recipe, []string, error) {
	g := &graph{}
	if err := decodeJSON(withoutNaN(data), &g.nodes); err != nil {
		return Recipe{}, nil, fmt.Errorf("damaged ComfyUI graph: %w", err)
	}
	maps.DeleteFunc(g.nodes, func(_ string, n *node) bool { return n == nil })
	s, vae := g.sampler()
	if s == nil {
		return Recipe{}, nil, errors.New("the ComfyUI graph in this picture has no sampler that Latent knows")
	}
	r := Recipe{RNG: "cpu", VAE: baseName(vae)}
	g.settings(s, &r)

	source := s // of prompts and model
	if guider := g.link(s.Inputs["guider"]); guider != nil {
		source = guider
		r.CFGScale = 1 // BasicGuider has none
		if cfg, ok := g.number(guider, "cfg"); ok {
			r.CFGScale = cfg
		}
	}
	positive := source.Inputs["positive"]
	if positive == nil {
		positive = source.Inputs["conditioning"]
	}
	r.Prompt = g.prompt(positive, "positive", &r, map[*node]bool{})
	r.Negative = g.prompt(source.Inputs["negative"], "negative", &r, map[*node]bool{})
	loras := g.model(source.Inputs["model"], &r)
	if len(loras) > 0 {
		r.Prompt = strings.TrimSpace(r.Prompt + " " + strings.Join(loras, " "))
	}
	g.latent(s.Inputs["latent_image"], &r)
	return r, g.unmatched, nil
}

// settings reads the sampler's own inputs, and the nodes of SamplerCustom's.
func (g *graph) settings(s *node, r *Recipe) {
	for _, n := range []*node{s, g.link(s.Inputs["noise"]), g.link(s.Inputs["sampler"]), g.link(s.Inputs["sigmas"])} {
		if n == nil {
			continue
		}
		for _, name := range []string{"seed", "noise_seed"} {
			if seed, ok := g.value(n, name).(json.Number); ok {
				r.Seed = parseSeed(seed.String())
			}
		}
		if steps, ok := g.number(n, "steps"); ok {
			r.Steps = whole(steps)
		}
		if cfg, ok := g.number(n, "cfg"); ok {
			r.CFGScale = cfg
		}
		if denoise, ok := g.number(n, "denoise"); ok && denoise < 1 {
			r.Denoising = denoise
		}
		if name, ok := g.value(n, "sampler_name").(string); ok {
			r.Sampler = displayed(samplers, name)
		}
		if name, ok := g.value(n, "scheduler").(string); ok {
			r.ScheduleType = displayed(schedules, name)
		}
	}
	if class := g.link(s.Inputs["sigmas"]); class != nil && r.ScheduleType == "" {
		switch {
		case class.Class == "KarrasScheduler":
			r.ScheduleType = "Karras"
		case class.Class == "ExponentialScheduler":
			r.ScheduleType = "Exponential"
		default:
			note(&g.unmatched, class.Class)
		}
	}
	if start, _ := g.number(s, "start_at_step"); start > 0 {
		note(&g.unmatched, "start_at_step")
	}
}

// prompt returns the text behind a conditioning; role is "positive" or
// "negative", the name it has at nodes that pass both on.
func (g *graph) prompt(input any, role string, r *Recipe, seen map[*node]bool) string {
	if text, ok := input.(string); ok {
		return text
	}
	n := g.link(input)
	if n == nil || seen[n] {
		return ""
	}
	seen[n] = true
	if clip := n.Inputs["clip"]; clip != nil {
		g.clip(clip, r)
	}
	text := func(name string) string {
		s, ok := g.value(n, name).(string)
		if _, given := n.Inputs[name]; given && !ok {
			if from := g.link(n.Inputs[name]); from != nil {
				note(&g.unmatched, from.Class)
			}
		}
		return s
	}
	switch {
	case n.Class == "ConditioningZeroOut":
		return ""
	case n.Inputs["text_g"] != nil: // SDXL's two text encoders
		a, b := text("text_g"), text("text_l")
		if a != b && a != "" && b != "" {
			note(&g.unmatched, "text_l unlike text_g")
		}
		if a == "" {
			return b
		}
		return a
	case n.Inputs["text"] != nil:
		return text("text")
	case n.Class == "ConditioningConcat":
		return g.prompt(n.Inputs["conditioning_to"], role, r, seen) + " BREAK " +
			g.prompt(n.Inputs["conditioning_from"], role, r, seen)
	}
	note(&g.unmatched, n.Class)
	for _, name := range []string{role, "conditioning", "conditioning_1", "conditioning_to"} {
		if next := n.Inputs[name]; next != nil {
			return g.prompt(next, role, r, seen)
		}
	}
	return ""
}

// clip looks for clip skip between a text encoder and the file it came from.
func (g *graph) clip(input any, r *Recipe) {
	for n := range g.chain(input, "clip") {
		if last, ok := g.number(n, "stop_at_clip_layer"); ok && last < -1 {
			r.ClipSkip = whole(-last)
			return
		}
	}
}

// model follows the model to its file and returns the LoRAs on the way, those
// first that are nearest to the file.
func (g *graph) model(input any, r *Recipe) (loras []string) {
	for n := range g.chain(input, "model") {
		known := false
		for _, name := range []string{"ckpt_name", "unet_name"} {
			if file, ok := g.value(n, name).(string); ok {
				r.Model, known = baseName(file), true
			}
		}
		if file, ok := g.value(n, "lora_name").(string); ok {
			known = true
			unet, ok := g.number(n, "strength_model")
			if !ok {
				unet = 1
			}
			text, ok := g.number(n, "strength_clip")
			if !ok && n.Class != "LoraLoaderModelOnly" {
				text = unet
			}
			if file != "None" && (unet != 0 || text != 0) {
				loras = append(loras, loraTag(baseName(file), text, unet))
			}
		}
		if !known {
			note(&g.unmatched, n.Class)
		}
	}
	slices.Reverse(loras)
	return loras
}

// latent finds the size that an empty latent was made with. Where something was
// scaled or read from a file, the picture's own size is the one.
func (g *graph) latent(input any, r *Recipe) {
	for n := range g.chain(input, "latent_image") {
		switch {
		case ofSamplerClass(n):
			note(&g.unmatched, "an earlier "+n.Class)
			continue
		case strings.HasPrefix(n.Class, "Empty"):
			w, _ := g.number(n, "width")
			h, _ := g.number(n, "height")
			r.Width, r.Height = whole(w), whole(h)
			if count, _ := g.number(n, "batch_size"); count > 1 {
				note(&g.unmatched, "batch_size") // whose pictures share one seed
			}
			return
		}
		note(&g.unmatched, n.Class)
		return
	}
}

// whole is f without its fraction, 0 if that is no sensible number.
func whole(f float64) int {
	if math.IsNaN(f) || math.Abs(f) > math.MaxInt32 {
		return 0
	}
	return int(f)
}

// decodeJSON keeps numbers as they are written: seeds have 64 bits.
func decodeJSON(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return dec.Decode(v)
}

// withoutNaN writes null for NaN and Infinity, which Python puts into JSON.
func withoutNaN(data []byte) []byte {
	var out []byte
	inText, from := false, 0
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case !inText && (c == 'N' || c == 'I' || c == '-'):
			for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
				if bytes.HasPrefix(data[i:], []byte(word)) {
					out = append(append(out, data[from:i]...), "null"...)
					i += len(word) - 1
					from = i + 1
					break
				}
			}
		}
	}
	return append(out, data[from:]...)
}
