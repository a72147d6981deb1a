// Package scheduler is the arithmetic of diffusion in time: the noise schedule,
// the forward process, what a model is trained to predict, and the samplers
// that run the process backwards.
//
// It holds no tensors. A [Schedule] gives numbers per timestep t; a sampler
// gives a list of [Step], each naming the coefficients of one linear
// combination, which the caller applies to its tensors.
//
// Notation is that of DDPM (Ho et al. 2020, arXiv:2006.11239):
//
//	β_t    variance added at timestep t, 0 ≤ t < T
//	α_t    1 − β_t
//	ᾱ_t    α_0·…·α_t
//	σ_t    √((1−ᾱ_t)/ᾱ_t), the noise level of Karras et al. 2022
//	x_0    the clean latent; x̂0 the model's idea of it
//	x_t    √ᾱ_t·x_0 + √(1−ᾱ_t)·ε, ε ~ N(0, I)        (DDPM, eq. 4)
//
// Samplers ([Samplers], [New]), in the order in which they are offered:
//
//	name               paper                                          calls  noise  order
//	ddim               Song et al. 2020, arXiv:2010.02502             1      eta    1
//	euler              Karras et al. 2022, arXiv:2206.00364           1      –      1
//	euler_a            Song et al. 2021, arXiv:2011.13456             1      yes    1
//	heun               Karras et al. 2022, algorithm 1                2      –      2
//	dpmpp_2m           Lu et al. 2022, arXiv:2211.01095, algorithm 2  1      –      2
//	dpmpp_2m_sde       Lu et al. 2022, as an SDE                      1      yes    2, noise aside
//	dpmpp_2m_sde_heun  the same, another second-order term            1      yes    2, noise aside
//	dpmpp_sde          Lu et al. 2022, algorithm 1, ancestral         2      yes    2, noise aside
//	unipc              Zhao et al. 2023, arXiv:2302.04867             1      –      solver_order+1
//	plms               Liu et al. 2022, arXiv:2202.09778              1      –      –
//	ddpm               Ho et al. 2020, arXiv:2006.11239               1      yes    1
//	lcm                Luo et al. 2023, arXiv:2310.04378              1      yes    – (distilled models)
//	tcd                Zheng et al. 2024, arXiv:2402.19159            1      eta    – (distilled models)
//
// The order is that of the error in the step size, as TestOrder measures it.
// Calls of the model are per step. heun and dpmpp_sde need one less, for the last
// step has no middle (and heun another one less from zero SNR), and plms one more.
// "eta" is noise by the share of [Options].Eta; the others that draw noise take it
// as its scale too, but for ddpm and lcm, which have none.
//
// Where diffusers and k-diffusion (AUTOMATIC1111, ComfyUI) differ, this package
// does as diffusers does and says so at the place. It goes beyond diffusers where
// that has no answer: euler_a follows every schedule, heun and dpmpp_sde heed
// rescale_betas_zero_snr, x_0 models go with every sampler but plms, and
// image-to-image with plms begins anew where it begins.
//
// From zero terminal SNR σ falls from 4096, as in diffusers (and from 4519 in
// AUTOMATIC1111 and ComfyUI). beta, which is even in σ but for its ends, then has 18
// of 20 steps above σ = 100, where there is next to nothing to see: choose another
// schedule, or a sigma_max in the config.
//
// Note that DDPM counts t from 1 and DDIM (Song et al. 2020, arXiv:2010.02502)
// writes α_t for what is ᾱ_t here.
package scheduler
