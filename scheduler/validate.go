package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Validate returns an error that names the first setting that this package
// cannot honour, and what it could be instead.
func (c Config) Validate() error {
	if strings.HasPrefix(c.ClassName, "FlowMatch") || string(c.Extra["use_flow_sigmas"]) == "true" {
		return fmt.Errorf("scheduler config: %s is for flow-matching models (SD 3, Flux), which are not supported", c.ClassName)
	}
	if strings.HasPrefix(c.ClassName, "EDM") {
		return fmt.Errorf("scheduler config: %s is for models trained in σ (EDM), which are not supported", c.ClassName)
	}
	if c.Thresholding {
		return errors.New("scheduler config: thresholding (dynamic) is not supported; it must be false")
	}
	if c.NumTrainTimesteps < 1 || c.NumTrainTimesteps > maxTrainTimesteps {
		return fmt.Errorf("scheduler config: num_train_timesteps is %d, must be 1 to %d", c.NumTrainTimesteps, maxTrainTimesteps)
	}
	if c.RescaleBetasZeroSNR && c.NumTrainTimesteps < 2 {
		return errors.New("scheduler config: rescale_betas_zero_snr needs num_train_timesteps of 2 or more")
	}
	if c.StepsOffset < 0 || c.StepsOffset >= c.NumTrainTimesteps {
		return fmt.Errorf("scheduler config: steps_offset is %d, must be 0 to num_train_timesteps-1 = %d", c.StepsOffset, c.NumTrainTimesteps-1)
	}
	if c.ClipSample && !(c.ClipSampleRange > 0) {
		return fmt.Errorf("scheduler config: clip_sample_range is %g, must be above 0", c.ClipSampleRange)
	}
	if err := oneOf("prediction_type", c.PredictionType, PredictEpsilon, PredictVelocity, PredictSample); err != nil {
		return err
	}
	if c.TimestepSpacing != "" {
		if err := oneOf("timestep_spacing", c.TimestepSpacing, SpacingLeading, SpacingTrailing, SpacingLinspace); err != nil {
			return err
		}
	}
	if err := c.validateSigmas(); err != nil {
		return err
	}
	return c.validateBetas()
}

// validateSigmas checks the settings of samplers that count in σ, of solvers and
// of distilled models.
func (c Config) validateSigmas() error {
	uses := 0
	for _, use := range []bool{c.UseKarrasSigmas, c.UseExponentialSigmas, c.UseBetaSigmas} {
		if use {
			uses++
		}
	}
	if uses > 1 {
		return errors.New("scheduler config: only one of use_karras_sigmas, use_exponential_sigmas and use_beta_sigmas may be true")
	}
	for key, sigma := range map[string]float64{"sigma_min": c.SigmaMin, "sigma_max": c.SigmaMax} {
		if sigma != 0 && !(sigma >= minSigma && sigma <= 1/minSigma) {
			return fmt.Errorf("scheduler config: %s is %g, must be %g to %g", key, sigma, minSigma, 1/minSigma)
		}
	}
	if c.SigmaMin != 0 && c.SigmaMax != 0 && c.SigmaMin >= c.SigmaMax {
		return fmt.Errorf("scheduler config: sigma_min is %g, must be below sigma_max = %g", c.SigmaMin, c.SigmaMax)
	}
	if c.FinalSigmasType != "" {
		if err := oneOf("final_sigmas_type", c.FinalSigmasType, FinalZero, FinalSigmaMin); err != nil {
			return err
		}
	}
	if c.SolverOrder < 1 || c.SolverOrder > maxOrder {
		return fmt.Errorf("scheduler config: solver_order is %d, must be 1 to %d", c.SolverOrder, maxOrder)
	}
	if c.OriginalInferenceSteps < 1 || c.OriginalInferenceSteps > maxTrainTimesteps {
		return fmt.Errorf("scheduler config: original_inference_steps is %d, must be 1 to %d", c.OriginalInferenceSteps, maxTrainTimesteps)
	}
	if !(c.TimestepScaling >= 1e-6 && c.TimestepScaling <= 1e6) {
		return fmt.Errorf("scheduler config: timestep_scaling is %g, must be 1e-06 to 1e+06", c.TimestepScaling)
	}
	return nil
}

func (c Config) validateBetas() error {
	if c.TrainedBetas != nil {
		if len(c.TrainedBetas) != c.NumTrainTimesteps {
			return fmt.Errorf("scheduler config: trained_betas holds %d numbers, must hold num_train_timesteps = %d", len(c.TrainedBetas), c.NumTrainTimesteps)
		}
		for t, b := range c.TrainedBetas {
			if !isVariance(b) {
				return fmt.Errorf("scheduler config: trained_betas[%d] is %g, must lie between 0 and 1", t, b)
			}
		}
		return nil
	}
	if err := oneOf("beta_schedule", c.BetaSchedule, BetaLinear, BetaScaledLinear, BetaSquaredCosine); err != nil {
		return err
	}
	if !isVariance(c.BetaStart) || !isVariance(c.BetaEnd) {
		return fmt.Errorf("scheduler config: beta_start and beta_end are %g and %g, must lie between 0 and 1", c.BetaStart, c.BetaEnd)
	}
	return nil
}

// isVariance reports whether b is a β that neither keeps nor loses all of x.
// The bounds keep 1−β apart from 0 and 1 in float64.
func isVariance(b float64) bool { return b >= 1e-12 && b <= 1-1e-12 }

func oneOf(key, value string, choices ...string) error {
	if slices.Contains(choices, value) {
		return nil
	}
	return fmt.Errorf("scheduler config: %s is %q, must be one of %s", key, value, strings.Join(choices, ", "))
}
