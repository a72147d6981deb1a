package ui

import (
	"slices"
	"strings"

	"latent/app/gallery"
	"latent/scheduler"
	"latent/textencoder"
)

// takeLoRAs takes the LoRAs out of a recipe's prompt, by the names that their files
// have here. What is not here is named among unmatched.
func (x Extras) takeLoRAs(r *gallery.Recipe) (out []LoRA, unmatched []string) {
	clean, nets, err := textencoder.ExtractNetworks(r.Prompt)
	if err != nil || len(nets) == 0 {
		return nil, nil // what the prompt means to say is told when it is used
	}
	r.Prompt = strings.TrimSpace(clean)
	for _, n := range nets {
		if n.Kind != "lora" {
			unmatched = append(unmatched, n.Kind+" "+n.Name)
			continue
		}
		name, problem := x.find(n.Name, hashOf(r.LoraHashes, n.Name))
		if problem != "" {
			unmatched = append(unmatched, problem)
		}
		if name != "" {
			out = append(out, LoRA{name, n.UNet, n.Text})
		}
	}
	return out, unmatched
}

func hashOf(list []gallery.Pair, name string) string {
	for _, p := range list {
		if strings.EqualFold(p.Key, name) {
			return strings.ToLower(p.Value)
		}
	}
	return ""
}

// find is the LoRA of a name, or one of another name with the hash that a recipe
// gives; problem is what to say of it.
func (x Extras) find(name, hash string) (found, problem string) {
	same := func(e Extra) bool { return hash != "" && strings.HasPrefix(strings.ToLower(e.Hash), hash) }
	i := slices.IndexFunc(x.LoRAs, func(e Extra) bool { return strings.EqualFold(e.Name, name) })
	if i >= 0 && (hash == "" || x.LoRAs[i].Hash == "" || same(x.LoRAs[i])) {
		return x.LoRAs[i].Name, ""
	}
	if k := slices.IndexFunc(x.LoRAs, same); k >= 0 {
		return x.LoRAs[k].Name, ""
	}
	if i >= 0 {
		return x.LoRAs[i].Name, "LoRA " + name + " (that of this name is another file)"
	}
	return "", "LoRA " + name
}

// samplerLabels are the labels of a recipe's sampler and schedule as this program
// writes them, whatever program wrote the recipe.
func samplerLabels(r gallery.Recipe) (sampler, schedule string) {
	sampler, schedule = r.Sampler, r.ScheduleType
	if s, named, err := scheduler.FindSampler(sampler); err == nil {
		sampler = s.Label
		if schedule == "" {
			schedule = named
		}
	}
	if s, err := scheduler.FindSchedule(schedule); err == nil && schedule != "" {
		schedule = s.Label
	}
	return sampler, schedule
}
