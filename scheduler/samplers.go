package scheduler

import (
	"fmt"
	"slices"
	"strings"
)

// A Sampler takes noise to a latent.
type Sampler struct {
	Name      string   // on the command line and in settings: "euler_a"
	Label     string   // as AUTOMATIC1111 shows and writes it: "Euler a"
	Calls     int      // of the model per step, but for the first or last one
	Eta       float64  // the usual share of fresh noise
	Noisy     bool     // whether fresh noise is drawn where Options.Eta is 0
	Schedules []string // names of the schedules it can follow, ScheduleAutomatic first

	steps func(*plan) ([]Step, error)
}

// takes reports whether the sampler can follow a schedule.
func (s Sampler) takes(schedule string) bool { return slices.Contains(s.Schedules, schedule) }

// samplers are the ones a user can name, in the order they are offered.
var samplers = []Sampler{
	{"ddim", "DDIM", 1, 0, false, spacings, ddim},
	{"ddpm", "DDPM", 1, 1, true, spacings, ddpm},
}

// sampler names of other programs, normalized, and what they are here.
var samplerAliases = map[string]string{
	"ddimuniform": "ddim",
}

// Samplers returns all samplers, in the order in which to offer them.
func Samplers() []Sampler { return slices.Clone(samplers) }

// SamplerNames returns the names of all samplers.
func SamplerNames() []string {
	names := make([]string, len(samplers))
	for i, s := range samplers {
		names[i] = s.Name
	}
	return names
}

// A ScheduleType is a way to choose the noise levels at which a sampler calls
// the model.
type ScheduleType struct {
	Name  string // "sgm_uniform"
	Label string // as AUTOMATIC1111 shows and writes it: "SGM Uniform"
}

// Names of schedule types.
const (
	ScheduleAutomatic   = "automatic"    // as the config and the sampler have it
	ScheduleUniform     = "uniform"      // timesteps even from T−1 to 0 (linspace)
	ScheduleSGMUniform  = "sgm_uniform"  // timesteps even from T−1, the last a step above 0 (trailing)
	ScheduleDDIMUniform = "ddim_uniform" // timesteps even, the first below T−1 (leading)
	ScheduleKarras      = "karras"       // σ^(1/7) even (Karras et al. 2022, eq. 5)
	ScheduleExponential = "exponential"  // log σ even
	ScheduleBeta        = "beta"         // σ at the quantiles of Beta(0.6, 0.6)
)

var scheduleTypes = []ScheduleType{
	{ScheduleAutomatic, "Automatic"},
	{ScheduleUniform, "Uniform"},
	{ScheduleKarras, "Karras"},
	{ScheduleExponential, "Exponential"},
	{ScheduleSGMUniform, "SGM Uniform"},
	{ScheduleDDIMUniform, "DDIM"},
	{ScheduleBeta, "Beta"},
}

// schedule names of other programs, normalized, and what they are here.
var scheduleAliases = map[string]string{
	"":                ScheduleAutomatic,
	"normal":          ScheduleUniform,     // ComfyUI's name of it
	"polyexponential": ScheduleExponential, // which it is with ρ = 1, as used
}

// spacings are the schedules of samplers that know whole timesteps alone.
var spacings = []string{ScheduleAutomatic, ScheduleUniform, ScheduleSGMUniform, ScheduleDDIMUniform}

// Schedules returns all schedule types, in the order in which to offer them.
func Schedules() []ScheduleType { return slices.Clone(scheduleTypes) }

// FindSampler returns the sampler of a name or label, in any case, as Latent,
// AUTOMATIC1111 and ComfyUI write them. schedule is the name of the schedule
// that the text ends on, as AUTOMATIC1111 wrote it before version 1.9: "DPM++ 2M
// Karras"; empty if it names none.
func FindSampler(text string) (sampler Sampler, schedule string, err error) {
	wanted := normalize(text)
	// The longest name that wanted begins with: "DPM++ 2M SDE" is not "DPM++ 2M".
	longest := -1
	match := func(name string, s Sampler) {
		rest, ok := strings.CutPrefix(wanted, name)
		if !ok || len(name) <= longest {
			return
		}
		if rest == "" {
			longest, sampler, schedule = len(name), s, ""
		} else if found, err := FindSchedule(rest); err == nil {
			longest, sampler, schedule = len(name), s, found.Name
		}
	}
	for _, s := range samplers {
		match(normalize(s.Name), s)
		match(normalize(s.Label), s)
		for alias, name := range samplerAliases {
			if name == s.Name {
				match(alias, s)
			}
		}
	}
	if longest < 0 {
		return Sampler{}, "", fmt.Errorf("unknown sampler %q: choose one of %s", text, strings.Join(SamplerNames(), ", "))
	}
	return sampler, schedule, nil
}

// FindSchedule returns the schedule type of a name or label, in any case. The
// empty text is ScheduleAutomatic.
func FindSchedule(text string) (ScheduleType, error) {
	wanted := normalize(text)
	if name, ok := scheduleAliases[wanted]; ok {
		wanted = normalize(name)
	}
	names := make([]string, len(scheduleTypes))
	for i, s := range scheduleTypes {
		if wanted == normalize(s.Name) || wanted == normalize(s.Label) {
			return s, nil
		}
		names[i] = s.Name
	}
	return ScheduleType{}, fmt.Errorf("unknown schedule %q: choose one of %s", text, strings.Join(names, ", "))
}

// normalize makes "DPM++ 2M SDE" and "dpmpp_2m_sde" one.
func normalize(text string) string {
	return strings.NewReplacer("+", "p", " ", "", "_", "", "-", "").Replace(strings.ToLower(text))
}

// Sampler returns the name of the sampler that the config's class stands for;
// ddim if it is none of ours.
func (c Config) Sampler() string {
	if name, ok := classes[c.ClassName]; ok {
		return name
	}
	return "ddim"
}

// classes are the samplers that diffusers' classes stand for.
var classes = map[string]string{
	"DDIMScheduler": "ddim",
	"DDPMScheduler": "ddpm",
}
