//go:build !headless

package ui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"latent/app/pictures"
)

// next begins what is to be done, if nothing is under way.
func (q *jobs) next() {
	defer q.changed()
	if q.running != nil || q.paused || q.waiting {
		return
	}
	i := slices.IndexFunc(q.list, func(j *Job) bool { return !j.Held })
	if i < 0 {
		return
	}
	j := q.list[i]
	ctx, cancel := context.WithCancel(context.Background())
	q.running, q.cancel, q.skipped, q.removed = j, cancel, false, false
	j.Begun = true
	q.save(j)
	r := j.Request
	if r.Seed += int64(j.Made); r.VariationStrength > 0 {
		r.Seed, r.VariationSeed = j.Request.Seed, r.VariationSeed+int64(j.Made)
	}
	r.State = q.stateFile(j)
	k, count, output := j.Made, j.Count, q.output()
	go func() {
		q.keeper.flush() // the engine reads the job's files
		begun := time.Now()
		first := begun
		pic, err := q.engine.Generate(ctx, r, func(p Progress) {
			if p.Step == 1 {
				first = time.Now()
			}
			p.Image, p.Images = k+1, count
			if p.Step > 1 {
				each := time.Since(first) / time.Duration(p.Step-1)
				p.Left = each * time.Duration(p.Steps-p.Step+p.Steps*(count-k-1))
			}
			q.steps.put(jobProgress{j, p})
		})
		if err != nil {
			q.post(func() { q.ended(j, nil, err) })
			return
		}
		work := Work{Setup: first.Sub(begun), Steps: time.Since(first), Count: r.effort() - 1, Memory: pic.Memory}
		out := &result{Picture: pic, thumb: pictures.Fit(asRGBA(pic.Image), thumbPixels, thumbPixels)}
		path, err := saveNext(output, pic)
		if out.path = path; err != nil {
			out.path = ""
			err = &keepError{output, err}
		}
		q.post(func() { q.measured(r, work); q.ended(j, out, err) })
	}()
}

// keepError says that a finished picture could not be written.
type keepError struct {
	folder string
	err    error
}

func (e *keepError) Error() string {
	return fmt.Sprintf("the picture could not be kept in %s: %v. The queue is paused: press Save PNG or choose another folder on the Settings page, then let it go on", e.folder, e.err)
}

// ended is told that a picture of j is done, or why not.
func (q *jobs) ended(j *Job, made *result, err error) {
	q.cancel()
	q.running, q.cancel = nil, nil
	j.Begun = false
	if made != nil {
		q.finished(j, made)
	}
	var lost *keepError
	switch {
	case errors.As(err, &lost):
		// The job stays as it was, so that its picture can be made once more.
		q.paused = true
		q.save(j)
		q.failed(j, err.Error())
	case made != nil, q.skipped && errors.Is(err, context.Canceled):
		q.keeper.put(q.stateFile(j), nil)
		if j.Made++; j.Made == j.Count || q.removed {
			q.drop(j)
		} else {
			q.save(j)
		}
	case q.removed:
		q.drop(j)
	case errors.Is(err, ErrBusy):
		q.waiting = true
		q.save(j)
	case errors.Is(err, context.Canceled): // the window closes: the job stays as it is
		q.paused = true
	default:
		j.Held, j.Problem = true, err.Error()
		q.save(j)
		q.failed(j, err.Error())
	}
	q.next()
}

// free is told that the engine has nothing else to do any more.
func (q *jobs) free() {
	q.waiting = false
	q.next()
}

// quit stops what runs. Its job stays on the disk as one that was interrupted.
func (q *jobs) quit() {
	q.paused = true
	if q.running != nil {
		q.cancel()
	}
}
