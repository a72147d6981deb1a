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
	load   func(step, micro int) error       // reads a batch; may be nil
	loss   func(step, micro int) *gpu.Tensor // builds its loss
	after  func(p *Progress) error           // every step, once its weights are in place; may be nil
	rate   func(p nn.Named) float64          // see optim.Config

	opt    *optim.AdamW
	losses *lossLog
	kept   int // step of the checkpoint on the disk
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
	l.kept = first
	l.losses = openLosses(l.lossPath(l.name), first)
	defer l.losses.close()
	start, skipped := time.Now(), 0
	for step := first; step < s.Steps; step++ {
		if err := l.ctx.Err(); err != nil {
			return l.end(step, err)
		}
		loss, err := l.gradients(step)
		if err != nil {
			return l.end(step, err)
		}
		p := Progress{Stage: l.name, Step: step + 1, Of: s.Steps, Loss: loss, LR: schedule(step)}
		p.GradNorm = l.opt.Step(p.LR)
		l.losses.add(Loss{p.Step, loss})
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
				// What was learned is in memory still, and there may be room by the next one.
				l.note("%v: the training goes on, with the checkpoint of step %d on the disk; make room", err, l.kept)
			}
		}
		done, elapsed := step+1-first, time.Since(start).Seconds()
		p.Rate = float64(done*s.Batch*s.Accumulate) / elapsed
		p.Left = time.Duration(elapsed / float64(done) * float64(s.Steps-step-1) * float64(time.Second))
		l.progress(p)
		l.between()
	}
	return nil
}

// gradients adds up those of a step's batches and returns its loss.
func (l *loop) gradients(step int) (loss float64, err error) {
	for micro := range l.stage.Accumulate {
		if l.load != nil {
			if err := l.load(step, micro); err != nil {
				l.opt.ZeroGrad()
				return 0, err
			}
		}
		v := l.dev.Differentiate(1/float32(l.stage.Accumulate), func() *gpu.Tensor { return l.loss(step, micro) })
		loss += float64(v) / float64(l.stage.Accumulate)
	}
	return loss, nil
}

// end keeps what was learned in step steps when the training ends early, and returns
// why it does.
func (l *loop) end(step int, why error) error {
	if step == l.kept {
		return why
	}
	if _, err := l.save(step); err != nil {
		if l.ctx.Err() == nil {
			err = fmt.Errorf("%w; and %w", why, err)
		}
		return fmt.Errorf("%w: what was learned since step %d is lost", err, l.kept)
	}
	return why
}
