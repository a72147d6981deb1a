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
// Note that DDPM counts t from 1 and DDIM (Song et al. 2020, arXiv:2010.02502)
// writes α_t for what is ᾱ_t here.
package scheduler
