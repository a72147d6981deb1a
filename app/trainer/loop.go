package trainer

import (
	"fmt"
	"math"
	"time"

	"latent/gpu"
	"latent/gpu/nn"
	"latent/gpu/optim"
)

// loop is one optimisation: what both stages share.
type loop struct {
	*run
	name   string
	stage  Stage
	params []nn.Named
	loss   func(step, micro int) *gpu.Tensor // builds the loss of a batch
	after  func(p *Progress) error           // every step, once its weights are in place; may be nil
	rate   func(p nn.Named) float64          // see optim.Config

	opt *optim.AdamW
}

// maxSkips is how many steps in a row may have gradients that are not finite.
const maxSkips = 10

// begin makes the optimiser.
func (l *loop) begin() (err error) {
	s := l.stage
	l.opt, err = optim.New(l.params, optim.Config{
		Beta1: s.Beta1, Beta2: s.Beta2, Eps: 1e-8, WeightDecay: s.WeightDecay,
		ClipNorm: s.ClipNorm, EMADecay: s.EMA, EMAEvery: s.EMAEvery, Rate: l.rate,
	})
	return err
}

// train runs the steps that are left, saving as it goes.
func (l *loop) train() (err error) {
	s := l.stage
	if err := l.begin(); err != nil {
		return err
	}
	schedule, err := optim.NewSchedule(s.Schedule, s.LR, s.Warmup, s.Steps)
	if err != nil {
		return fmt.Errorf("%s: %w", l.name, err)
	}
	first, err := l.restore()
	if err != nil {
		return err
	}
	start, skipped := time.Now(), 0
	for step := first; step < s.Steps; step++ {
		if err := l.ctx.Err(); err != nil {
			if _, serr := l.save(step); serr != nil {
				return serr
			}
			return err
		}
		loss := 0.0
		for micro := range s.Accumulate {
			v := l.dev.Differentiate(1/float32(s.Accumulate), func() *gpu.Tensor { return l.loss(step, micro) })
			loss += float64(v) / float64(s.Accumulate)
		}
		p := Progress{Stage: l.name, Step: step + 1, Of: s.Steps, Loss: loss, LR: schedule(step)}
		p.GradNorm = l.opt.Step(p.LR)
		if math.IsNaN(p.GradNorm) || math.IsInf(p.GradNorm, 0) {
			if skipped++; skipped > maxSkips {
				return fmt.Errorf("%s: gradients are not finite since step %d: lower learning_rate, or set precision = \"f32\"", l.name, step-maxSkips)
			}
		} else {
			skipped = 0
		}
		if l.after != nil {
			if err := l.after(&p); err != nil {
				return err
			}
		}
		if (step+1)%s.Checkpoint == 0 || step+1 == s.Steps {
			if p.Checkpoint, err = l.save(step + 1); err != nil {
				return err
			}
		}
		done, elapsed := step+1-first, time.Since(start).Seconds()
		p.Rate = float64(done*s.Batch*s.Accumulate) / elapsed
		p.Left = time.Duration(elapsed / float64(done) * float64(s.Steps-step-1) * float64(time.Second))
		l.progress(p)
	}
	return nil
}
