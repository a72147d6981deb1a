package gallery

import "strings"

// samplers gives the names that AUTOMATIC1111 shows for ComfyUI's samplers.
var samplers = map[string]string{
	"euler": "Euler", "euler_ancestral": "Euler a", "heun": "Heun", "heunpp2": "HeunPP2", "lms": "LMS",
	"dpm_2": "DPM2", "dpm_2_ancestral": "DPM2 a", "dpm_fast": "DPM fast", "dpm_adaptive": "DPM adaptive",
	"dpmpp_2s_ancestral": "DPM++ 2S a", "dpmpp_sde": "DPM++ SDE", "dpmpp_sde_gpu": "DPM++ SDE",
	"dpmpp_2m": "DPM++ 2M", "dpmpp_2m_sde": "DPM++ 2M SDE", "dpmpp_2m_sde_gpu": "DPM++ 2M SDE",
	"dpmpp_2m_sde_heun": "DPM++ 2M SDE Heun", "dpmpp_2m_sde_heun_gpu": "DPM++ 2M SDE Heun",
	"dpmpp_3m_sde": "DPM++ 3M SDE", "dpmpp_3m_sde_gpu": "DPM++ 3M SDE",
	"ddim": "DDIM", "ddpm": "DDPM", "lcm": "LCM", "tcd": "TCD", "uni_pc": "UniPC", "uni_pc_bh2": "UniPC",
	"ipndm": "iPNDM", "ipndm_v": "iPNDM_v", "deis": "DEIS", "restart": "Restart",
}

// schedules gives the names that AUTOMATIC1111 shows for ComfyUI's schedules and
// NovelAI's.
var schedules = map[string]string{
	"normal": "Normal", "karras": "Karras", "exponential": "Exponential", "polyexponential": "Polyexponential",
	"sgm_uniform": "SGM Uniform", "simple": "Simple", "ddim_uniform": "DDIM", "beta": "Beta",
	"kl_optimal": "KL Optimal", "native": "", "turbo": "Turbo", "align_your_steps": "Align Your Steps",
}

// invokeSamplers gives ComfyUI's names for InvokeAI's samplers; an ending "_k"
// asks for Karras' schedule.
var invokeSamplers = map[string]string{
	"euler": "euler", "euler_a": "euler_ancestral", "heun": "heun", "lms": "lms", "ddim": "ddim", "ddpm": "ddpm",
	"deis": "deis", "lcm": "lcm", "tcd": "tcd", "unipc": "uni_pc", "kdpm_2": "dpm_2", "kdpm_2_a": "dpm_2_ancestral",
	"dpmpp_2s": "dpmpp_2s_ancestral", "dpmpp_2m": "dpmpp_2m", "dpmpp_2m_sde": "dpmpp_2m_sde", "dpmpp_sde": "dpmpp_sde",
}

// displayed looks a name up in one of the tables; one that is not there stays.
func displayed(table map[string]string, name string) string {
	if shown, ok := table[strings.ToLower(name)]; ok {
		return shown
	}
	return name
}
