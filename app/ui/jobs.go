//go:build !headless

package ui

import (
	"context"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// jobs is the queue at work: it paints one picture of one job after another. All
// of it happens on the window's goroutine but the painting.
type jobs struct {
	engine Engine
	post   poster
	keeper *keeper
	dir    string
	output func() string // the folder that finished pictures go to

	// What the pages want to know, all on the window's goroutine.
	changed  func()               // the list, or what runs
	progress func(*Job, Progress) // coalesced
	finished func(*Job, *result)  // a picture, kept unless its path is empty
	failed   func(*Job, string)   // in words a person can act on
	measured func(Request, Work)  // how long a picture took

	list    []*Job
	paused  bool // nothing new begins
	waiting bool // until somebody else has done with the engine
	running *Job
	cancel  context.CancelFunc
	skipped bool // what runs shall end, and its job go on with its next picture
	removed bool // what runs shall end with its job
	steps   coalesce[jobProgress]
}

type jobProgress struct {
	job *Job
	Progress
}

// result is a finished picture of this session.
type result struct {
	Picture
	thumb image.Image
	path  string // where the gallery keeps it; empty: nowhere
}

func newJobs(e Engine, post poster, k *keeper, dir string) (*jobs, string) {
	q := &jobs{engine: e, post: post, keeper: k, dir: dir}
	var message string
	q.list, message = readJobs(dir)
	// Whoever comes back decides what goes on.
	q.paused = len(q.list) > 0
	q.steps = coalesce[jobProgress]{post: post, show: func(p jobProgress) {
		if q.running == p.job && q.running != nil {
			q.progress(p.job, p.Progress)
		}
	}, merge: func(older, newer jobProgress) jobProgress {
		if newer.Preview == nil && older.job == newer.job {
			newer.Preview = older.Preview
		}
		return newer
	}}
	return q, message
}

// stateFile is where the engine keeps job j's half-made picture.
func (q *jobs) stateFile(j *Job) string {
	return filepath.Join(q.dir, fmt.Sprintf("%s.%d.state", strings.TrimSuffix(j.name, jobSuffix), j.Made))
}

// halfMade tells whether j's picture can go on from where it was.
func (q *jobs) halfMade(j *Job) bool {
	if !q.engine.Features().State {
		return false
	}
	_, err := os.Stat(q.stateFile(j))
	return err == nil
}

// anew makes j's picture begin again.
func (q *jobs) anew(j *Job) {
	q.keeper.put(q.stateFile(j), nil)
	j.Begun = false
	q.save(j)
	q.changed()
}

func (q *jobs) save(j *Job) { q.keeper.put(filepath.Join(q.dir, j.name), j.encode()) }

// add puts a request at the queue's end. init and mask are the PNG files that it
// begins from, nil for none, and controls those of its controls.
func (q *jobs) add(r Request, count int, init, mask []byte, controls ...[]byte) *Job {
	j := &Job{Request: r, Count: count, name: newJobName()}
	type file struct {
		data []byte
		kind string
		path *string
	}
	files := []file{{init, "init", &j.Request.Init}, {mask, "mask", &j.Request.Mask}}
	for i, data := range controls {
		files = append(files, file{data, fmt.Sprint("control", i), &j.Request.Controls[i].Picture})
	}
	for _, f := range files {
		if f.data != nil {
			*f.path = filepath.Join(q.dir, strings.TrimSuffix(j.name, jobSuffix)+"."+f.kind+".png")
			q.keeper.put(*f.path, f.data)
		}
	}
	if n := len(q.list); n > 0 {
		j.Rank = q.list[n-1].Rank + 1
	}
	q.list = append(q.list, j)
	q.save(j)
	q.next()
	return j
}

// remove takes a job out. If it runs, it ends within a step.
func (q *jobs) remove(j *Job) {
	if j == q.running {
		q.removed = true
		q.cancel()
		q.changed()
		return
	}
	q.drop(j)
	q.changed()
}

func (q *jobs) drop(j *Job) {
	q.list = slices.DeleteFunc(q.list, func(o *Job) bool { return o == j })
	q.keeper.put(filepath.Join(q.dir, j.name), nil)
	files := []string{q.stateFile(j), j.Request.Init, j.Request.Mask}
	for _, c := range j.Request.Controls {
		files = append(files, c.Picture)
	}
	for _, file := range files {
		if file != "" && filepath.Dir(file) == q.dir { // its own copies
			q.keeper.put(file, nil)
		}
	}
}

// skip ends the picture under way; its job goes on with the next one.
func (q *jobs) skip() {
	if q.running != nil {
		q.skipped = true
		q.cancel()
	}
}

// hold keeps a job from being begun, or lets it go.
func (q *jobs) hold(j *Job, held bool) {
	j.Held, j.Problem = held, ""
	q.save(j)
	q.next()
}

// pause keeps all jobs from being begun; the picture under way is finished.
func (q *jobs) pause(paused bool) {
	q.paused = paused
	q.next()
}

// move brings a job to another place in the list.
func (q *jobs) move(j *Job, to int) {
	from := slices.Index(q.list, j)
	to = min(max(to, 0), len(q.list)-1)
	if from < 0 || from == to {
		return
	}
	q.list = slices.Insert(slices.Delete(q.list, from, from+1), to, j)
	switch {
	case to == 0:
		j.Rank = q.list[1].Rank - 1
	case to == len(q.list)-1:
		j.Rank = q.list[to-1].Rank + 1
	default:
		low, high := q.list[to-1].Rank, q.list[to+1].Rank
		if j.Rank = low + (high-low)/2; j.Rank <= low || j.Rank >= high {
			// No number fits between the two any more: number all anew.
			for i, o := range q.list {
				o.Rank = float64(i)
				q.save(o)
			}
		}
	}
	q.save(j)
	q.changed()
}

// waits counts the jobs that will run without anybody's doing.
func (q *jobs) waits() (n int) {
	for _, j := range q.list {
		if !j.Held && j != q.running {
			n++
		}
	}
	return n
}
