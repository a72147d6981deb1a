package scheduler

// Target returns what a model is trained to predict at timestep t, as
// coefficients of the clean latent and the noise: target = x0·x_0 + eps·ε.
//
//	ε prediction:  ε                          (DDPM, eq. 14)
//	v prediction:  √ᾱ_t·ε − √(1−ᾱ_t)·x_0      (Salimans & Ho 2022, section 4)
//	x_0 prediction: x_0
func (s *Schedule) Target(t int) (x0, eps float64) {
	switch signal, noise := s.Forward(t); s.cfg.PredictionType {
	case PredictVelocity:
		return -noise, signal
	case PredictSample:
		return 1, 0
	default: // PredictEpsilon
		return 0, 1
	}
}

// Weight returns the factor of the squared error at timestep t.
//
// It is 1 if gamma is 0. Otherwise it is the min-SNR-γ weight of Hang et al.
// 2023 (arXiv:2303.09556, section 3.4; they take γ = 5), which keeps the easy
// timesteps of little noise from ruling the training. The weight of the x_0
// error is min(SNR, γ); written for the other targets that is
//
//	x_0: min(SNR, γ)    ε: min(SNR, γ)/SNR    v: min(SNR, γ)/(SNR+1)
func (s *Schedule) Weight(t int, gamma float64) float64 {
	if gamma == 0 {
		return 1
	}
	snr := s.SNR(t)
	switch s.cfg.PredictionType {
	case PredictVelocity:
		return min(snr, gamma) / (snr + 1)
	case PredictSample:
		return min(snr, gamma)
	default: // PredictEpsilon
		return min(1, gamma/snr) // 1 at zero SNR
	}
}

// linear is a combination X·x_t + Output·(model output).
type linear struct{ X, Output float64 }

// predictions returns the model's ideas of x_0 and ε at timestep t.
func (s *Schedule) predictions(t int) (x0, eps linear) {
	signal, noise := s.Forward(t)
	return predictions(s.cfg.PredictionType, signal, noise)
}

// predictions returns the model's ideas of x_0 and ε, as the output's meaning
// gives them with x = signal·x_0 + noise·ε, signal² + noise² = 1.
func predictions(predictionType string, signal, noise float64) (x0, eps linear) {
	switch predictionType {
	case PredictVelocity:
		// x̂0 = √ᾱ·x_t − √(1−ᾱ)·v,  ε̂ = √(1−ᾱ)·x_t + √ᾱ·v   (Salimans & Ho, appendix D)
		return linear{signal, -noise}, linear{noise, signal}
	case PredictSample:
		return linear{0, 1}, linear{1 / noise, -signal / noise}
	default: // PredictEpsilon: x̂0 = (x_t − √(1−ᾱ)·ε)/√ᾱ   (DDPM, eq. 15)
		return linear{1 / signal, -noise / signal}, linear{0, 1}
	}
}
