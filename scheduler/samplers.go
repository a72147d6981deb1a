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
	{"euler", "Euler", 1, 0, false, everySchedule, euler},
	{"euler_a", "Euler a", 1, 1, true, everySchedule, eulerAncestral},
	{"heun", "Heun", 2, 0, false, everySchedule, heun},
	{"dpmpp_2m", "DPM++ 2M", 1, 0, false, everySchedule, dpmSolver2M},
	{"dpmpp_2m_sde", "DPM++ 2M SDE", 1, 1, true, everySchedule, dpmSolver2MSDE},
	{"dpmpp_2m_sde_heun", "DPM++ 2M SDE Heun", 1, 1, true, everySchedule, dpmSolver2MSDEHeun},
	{"dpmpp_sde", "DPM++ SDE", 2, 1, true, everySchedule, dpmSDE},
	{"unipc", "UniPC", 1, 0, false, everySchedule, uniPC},
	{"plms", "PLMS", 1, 0, false, spacings, plms},
	{"ddpm", "DDPM", 1, 0, true, spacings, ddpm},
	{"lcm", "LCM", 1, 0, true, itsOwn, lcm},
	{"tcd", "TCD", 1, 0.3, true, itsOwn, tcd},
}

// The schedules that samplers can follow.
var (
	everySchedule = []string{ScheduleAutomatic, ScheduleUniform, ScheduleKarras, ScheduleExponential, ScheduleSGMUniform, ScheduleDDIMUniform, ScheduleSimple, ScheduleKLOptimal, ScheduleBeta}
	spacings      = []string{ScheduleAutomatic, ScheduleUniform, ScheduleSGMUniform, ScheduleDDIMUniform, ScheduleSimple} // of samplers that know training timesteps alone
	itsOwn        = []string{ScheduleAutomatic}                                                                           // the timesteps that the model was distilled on
)

// sampler names of other programs, normalized, and what they are here.
var samplerAliases = map[string]string{
	"eulerancestral": "euler_a",
	"unipcbh2":       "unipc",
	"dpmpp2msdegpu":  "dpmpp_2m_sde",
	"dpmppsdegpu":    "dpmpp_sde",
	"pndm":           "plms",
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
	ScheduleSimple      = "simple"       // timesteps even from T−1, rounded up
	ScheduleKLOptimal   = "kl_optimal"   // arctan σ even (Sabour et al. 2024)
	ScheduleBeta        = "beta"         // σ at the quantiles of Beta(0.6, 0.6)
)

var scheduleTypes = []ScheduleType{
	{ScheduleAutomatic, "Automatic"},
	{ScheduleUniform, "Uniform"},
	{ScheduleKarras, "Karras"},
	{ScheduleExponential, "Exponential"},
	{ScheduleSGMUniform, "SGM Uniform"},
	{ScheduleDDIMUniform, "DDIM"},
	{ScheduleSimple, "Simple"},
	{ScheduleKLOptimal, "KL Optimal"},
	{ScheduleBeta, "Beta"},
}

// schedule names of other programs, normalized, and what they are here.
var scheduleAliases = map[string]string{
	"":                ScheduleAutomatic,
	"normal":          ScheduleUniform,     // ComfyUI's name of it
	"polyexponential": ScheduleExponential, // which it is with ρ = 1, as used
}

// Schedules returns all schedule types, in the order in which to offer them.
func Schedules() []ScheduleType { return slices.Clone(scheduleTypes) }

// samplersByName and schedulesByName hold every name, label and alias, normalized.
var (
	samplersByName  = map[string]Sampler{}
	schedulesByName = map[string]ScheduleType{}
)

func init() {
	for _, s := range samplers {
		samplersByName[normalize(s.Name)], samplersByName[normalize(s.Label)] = s, s
	}
	for alias, name := range samplerAliases {
		samplersByName[alias] = samplersByName[normalize(name)]
	}
	for _, s := range scheduleTypes {
		schedulesByName[normalize(s.Name)], schedulesByName[normalize(s.Label)] = s, s
	}
	for alias, name := range scheduleAliases {
		schedulesByName[alias] = schedulesByName[normalize(name)]
	}
}

// FindSampler returns the sampler of a name or label, in any case, as Latent,
// AUTOMATIC1111 and ComfyUI write them. schedule is the name of the schedule
// that the text ends on, as AUTOMATIC1111 wrote it before version 1.9: "DPM++ 2M
// Karras"; empty if it names none.
func FindSampler(text string) (sampler Sampler, schedule string, err error) {
	wanted := normalize(text)
	for end := len(wanted); end > 0; end-- { // the longest name: "DPM++ 2M SDE" is not "DPM++ 2M"
		sampler, ok := samplersByName[wanted[:end]]
		if !ok {
			continue
		}
		if end == len(wanted) {
			return sampler, "", nil
		}
		if s, ok := schedulesByName[wanted[end:]]; ok {
			return sampler, s.Name, nil
		}
	}
	return Sampler{}, "", fmt.Errorf("unknown sampler %q: choose one of %s", text, strings.Join(SamplerNames(), ", "))
}

// FindSchedule returns the schedule type of a name or label, in any case. The
// empty text is ScheduleAutomatic.
func FindSchedule(text string) (ScheduleType, error) {
	if s, ok := schedulesByName[normalize(text)]; ok {
		return s, nil
	}
	names := make([]string, len(scheduleTypes))
	for i, s := range scheduleTypes {
		names[i] = s.Name
	}
	return ScheduleType{}, fmt.Errorf("unknown schedule %q: choose one of %s", text, strings.Join(names, ", "))
}

var normalizer = strings.NewReplacer("+", "p", " ", "", "_", "", "-", "")

// normalize makes "DPM++ 2M SDE" and "dpmpp_2m_sde" one.
func normalize(text string) string { return normalizer.Replace(strings.ToLower(text)) }

// Sampler returns the name of the sampler that the config's class stands for;
// ddim if it is none of ours.
func (c Config) Sampler() string {
	if c.ClassName == "DPMSolverMultistepScheduler" && strings.HasPrefix(c.AlgorithmType, "sde-") {
		return "dpmpp_2m_sde"
	}
	if name, ok := classes[c.ClassName]; ok {
		return name
	}
	return "ddim"
}

// classes are the samplers that diffusers' classes stand for.
var classes = map[string]string{
	"DDIMScheduler":                   "ddim",
	"DDPMScheduler":                   "ddpm",
	"DPMSolverMultistepScheduler":     "dpmpp_2m",
	"DPMSolverSDEScheduler":           "dpmpp_sde",
	"EulerAncestralDiscreteScheduler": "euler_a",
	"EulerDiscreteScheduler":          "euler",
	"HeunDiscreteScheduler":           "heun",
	"LCMScheduler":                    "lcm",
	"PNDMScheduler":                   "plms",
	"TCDScheduler":                    "tcd",
	"UniPCMultistepScheduler":         "unipc",
}

// sigmas returns the name of the schedule by which the config lets σ fall;
// empty if it is as the timesteps have it.
func (c Config) sigmas() string {
	switch {
	case c.UseKarrasSigmas:
		return ScheduleKarras
	case c.UseExponentialSigmas:
		return ScheduleExponential
	case c.UseBetaSigmas:
		return ScheduleBeta
	}
	return ""
}
