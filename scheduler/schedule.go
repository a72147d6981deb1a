package scheduler

import (
	"errors"
	"math"
)

// Schedule holds the tables of a noise schedule. It is immutable; any number of
// goroutines may use it. Methods panic if t is not in [0, Len()).
type Schedule struct {
	cfg      Config
	alphaBar []float64
}

// minAlphaBar is the least ᾱ that a schedule may fall to (but for exactly 0 by
// rescaling); below it lies underflow, and no schedule in use comes near.
const minAlphaBar = 1e-100

// NewSchedule computes the tables of cfg, or says what is wrong with it.
func NewSchedule(cfg Config) (*Schedule, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	alphaBar := cumulativeAlphas(cfg)
	if alphaBar[len(alphaBar)-1] < minAlphaBar {
		return nil, errors.New("scheduler config: the betas are too large for so many timesteps: nothing of the picture is left at the last")
	}
	if cfg.RescaleBetasZeroSNR {
		rescaleZeroSNR(alphaBar)
	}
	return &Schedule{cfg: cfg, alphaBar: alphaBar}, nil
}

// Len returns T, the number of timesteps the model was trained on.
func (s *Schedule) Len() int { return len(s.alphaBar) }

// AlphaBar returns ᾱ_t, the share of the clean latent in the variance of x_t.
func (s *Schedule) AlphaBar(t int) float64 { return s.alphaBar[t] }

// Beta returns β_t = 1 − ᾱ_t/ᾱ_{t−1}, the variance added at timestep t.
func (s *Schedule) Beta(t int) float64 {
	if t == 0 {
		return 1 - s.alphaBar[0]
	}
	return 1 - s.alphaBar[t]/s.alphaBar[t-1]
}

// Sigma returns σ_t = √((1−ᾱ_t)/ᾱ_t), which is +Inf at zero SNR.
func (s *Schedule) Sigma(t int) float64 {
	return math.Sqrt((1 - s.alphaBar[t]) / s.alphaBar[t])
}

// SNR returns the signal-to-noise ratio ᾱ_t/(1−ᾱ_t).
func (s *Schedule) SNR(t int) float64 { return s.alphaBar[t] / (1 - s.alphaBar[t]) }

// Forward returns the coefficients of the forward process,
//
//	x_t = signal·x_0 + noise·ε,  signal = √ᾱ_t,  noise = √(1−ᾱ_t)   (DDPM, eq. 4)
func (s *Schedule) Forward(t int) (signal, noise float64) {
	return math.Sqrt(s.alphaBar[t]), math.Sqrt(1 - s.alphaBar[t])
}

// cumulativeAlphas returns ᾱ_t for all t, before any rescaling.
func cumulativeAlphas(cfg Config) []float64 {
	alphaBar := make([]float64, cfg.NumTrainTimesteps)
	product := 1.0
	for t := range alphaBar {
		product *= 1 - beta(cfg, t)
		alphaBar[t] = product
	}
	return alphaBar
}

// beta returns β_t of a valid config.
func beta(cfg Config, t int) float64 {
	if cfg.TrainedBetas != nil {
		return cfg.TrainedBetas[t]
	}
	last := float64(max(cfg.NumTrainTimesteps-1, 1))
	switch cfg.BetaSchedule {
	case BetaScaledLinear:
		start, end := math.Sqrt(cfg.BetaStart), math.Sqrt(cfg.BetaEnd)
		root := start + (end-start)*float64(t)/last
		return root * root
	case BetaSquaredCosine:
		// Nichol & Dhariwal 2021, eq. 17: ᾱ(u) = cos²((u+s)/(1+s)·π/2), s = 0.008,
		// with β capped so that the last step keeps something of x.
		const cap = 0.999
		alphaBar := func(u float64) float64 {
			c := math.Cos((u + 0.008) / 1.008 * math.Pi / 2)
			return c * c
		}
		n := float64(cfg.NumTrainTimesteps)
		return min(1-alphaBar(float64(t+1)/n)/alphaBar(float64(t)/n), cap)
	default: // BetaLinear
		return cfg.BetaStart + (cfg.BetaEnd-cfg.BetaStart)*float64(t)/last
	}
}

// rescaleZeroSNR shifts and stretches √ᾱ so that the last is 0 and the first
// stays (Lin et al. 2024, algorithm 1). Models are trained so that they can make
// very dark and very bright pictures.
func rescaleZeroSNR(alphaBar []float64) {
	first, last := math.Sqrt(alphaBar[0]), math.Sqrt(alphaBar[len(alphaBar)-1])
	for t, a := range alphaBar {
		root := (math.Sqrt(a) - last) * first / (first - last)
		alphaBar[t] = root * root
	}
}
