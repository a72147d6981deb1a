package ui

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"latent/gpu/atomicfile"
)

// Job is a request in the queue. Each is a TOML file of its own in the queue's
// folder, so that a change writes one small file and a crash spoils none.
type Job struct {
	Request Request `toml:"request"` // of its first picture; picture k takes Seed+k
	Count   int     `toml:"count"`   // pictures
	Made    int     `toml:"made"`    // of them, finished or skipped
	Rank    float64 `toml:"rank"`    // jobs are worked off by rising rank
	Held    bool    `toml:"held"`    // waits for the person
	Begun   bool    `toml:"begun"`   // picture Made was under way when this was written
	Problem string  `toml:"problem,omitempty"`

	name string // of its file
}

// maxCount is how many pictures one job may ask for.
const maxCount = 9999

func (j *Job) check() error {
	r := j.Request
	switch {
	case r.Prompt == "" && r.Model == "" && r.Upscale == "":
		return errors.New("there is no request in it")
	case j.Count < 1 || j.Count > maxCount || j.Made < 0 || j.Made >= j.Count:
		return fmt.Errorf("%d of %d pictures", j.Made, j.Count)
	case r.Steps < 1 || r.Width < 1 || r.Height < 1 || r.Upscale == "" && (r.Width > maxSide || r.Height > maxSide):
		return fmt.Errorf("%d steps, %d × %d pixels, seed %d", r.Steps, r.Width, r.Height, r.Seed)
	}
	return nil
}

func (j *Job) encode() []byte {
	var b bytes.Buffer
	enc := toml.NewEncoder(&b)
	enc.Indent = ""
	if err := enc.Encode(j); err != nil {
		panic(err) // a Job is plain numbers and strings
	}
	return b.Bytes()
}

func parseJob(data []byte) (*Job, error) {
	j := &Job{}
	if _, err := toml.Decode(string(data), j); err != nil {
		return nil, errors.New(reason(err))
	}
	return j, j.check()
}

const jobSuffix = ".toml"

// newJobName is unique, and sorts by time.
func newJobName() string {
	return fmt.Sprintf("%s-%08x%s", time.Now().UTC().Format("20060102-150405.000000"), uint32(newSeed()), jobSuffix)
}

// readJobs returns the jobs in a folder in their order. A file that makes no
// sense is set aside; the message says so.
func readJobs(dir string) (jobs []*Job, message string) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ""
	}
	var notes []string
	if err != nil {
		return nil, fmt.Sprintf("the queue in %s cannot be read: %v", dir, atomicfile.Reason(err))
	}
	for _, e := range entries {
		name := e.Name()
		if !e.Type().IsRegular() || !strings.HasSuffix(name, jobSuffix) || strings.HasPrefix(name, ".") || strings.Contains(name, ".broken") {
			continue
		}
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			notes = append(notes, fmt.Sprintf("%s in the queue cannot be read: %v", name, atomicfile.Reason(err)))
			continue
		}
		j, err := parseJob(data)
		if err != nil {
			notes = append(notes, setAside(path, "a job in the queue", err.Error()))
			continue
		}
		j.name = name
		jobs = append(jobs, j)
	}
	slices.SortStableFunc(jobs, func(a, b *Job) int {
		return cmp.Or(cmp.Compare(a.Rank, b.Rank), strings.Compare(a.name, b.name))
	})
	return jobs, strings.Join(notes, "; ")
}

// newSeed draws from 32 bits, as other programs do: seeds stay short enough to
// read out.
func newSeed() int64 { return int64(rand.Uint32()) }
