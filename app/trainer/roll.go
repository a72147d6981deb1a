package trainer

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"latent/gpu/atomicfile"
)

// roll lists the pictures of a training with their captions: what it was begun
// with, and what was left out then. It stands in the state, so that a training that
// goes on deals the same pictures in the same order, whatever has become of the
// folder meanwhile.
type roll struct {
	Pictures []entry `json:"pictures"` // those of the class last
	LeftOut  []entry `json:"left_out,omitempty"`
}

type entry struct {
	Path    string `json:"path"` // inside data.folder or, of the class, data.class_folder
	Caption string `json:"caption,omitempty"`
	Repeats int    `json:"repeats"`
	Class   bool   `json:"class,omitempty"`
}

func parseRoll(data []byte) (r roll, err error) {
	if err := json.Unmarshal(data, &r); err != nil {
		return r, errors.New("it is damaged")
	}
	if len(r.Pictures) == 0 || r.Pictures[0].Class {
		return r, errors.New("it lists no pictures")
	}
	for i, e := range slices.Concat(r.Pictures, r.LeftOut) {
		own := i < len(r.Pictures)
		if !filepath.IsLocal(e.Path) || e.Repeats < 1 || own && i > 0 && r.Pictures[i-1].Class && !e.Class {
			return r, fmt.Errorf("its picture %q makes no sense", e.Path)
		}
	}
	return r, nil
}

// names are those of all pictures, whether they are used or not, in order.
func (r roll) names() (out []string) {
	for _, e := range slices.Concat(r.Pictures, r.LeftOut) {
		out = append(out, fmt.Sprint(e.Class, e.Path))
	}
	slices.Sort(out)
	return out
}

// rollPath is where the state keeps the roll.
func (r *run) rollPath() string { return r.statePath("pictures.json") }

// openData finds the pictures: those that the training began with, once it has.
func (r *run) openData() error {
	if r.Data.Postcard > 0 {
		var err error
		r.data, err = openPostcards(r.Data, r.Seed)
		return err
	}
	f := &folder{Data: r.Data}
	r.data = f
	begun := exists(r.statePath(latentsFile)) || exists(r.statePath(stateFile(denoiserStage))) || r.Skeleton != ""
	if !begun || !exists(r.rollPath()) {
		return f.list()
	}
	data, err := os.ReadFile(r.rollPath())
	if err != nil {
		return fmt.Errorf("checkpoint %s: %w", r.rollPath(), atomicfile.Reason(err))
	}
	if f.roll, err = parseRoll(data); err != nil {
		return fmt.Errorf("checkpoint %s cannot be used: %w: remove %s to start again", r.rollPath(), err, r.statePath(""))
	}
	f.fixed = true
	now := &folder{Data: r.Data}
	if now.list() == nil && !slices.Equal(now.names(), f.names()) {
		r.note("other pictures are in %s now: this training goes on with those that it began with", r.Data.Folder)
	}
	return nil
}

// keepRoll writes down which pictures the training has.
func (r *run) keepRoll() error {
	f, ok := r.data.(*folder)
	if !ok || f.fixed {
		return nil
	}
	data, err := json.Marshal(f.roll)
	if err != nil {
		return fmt.Errorf("list of pictures: %w", err)
	}
	if err := atomicfile.WriteFile(r.rollPath(), data); err != nil {
		return fmt.Errorf("%s: %w", r.rollPath(), atomicfile.Reason(err))
	}
	f.fixed = true
	return nil
}

// survey looks at every picture before a training that will read them again and
// again.
func (r *run) survey() error {
	f, ok := r.data.(*folder)
	if !ok || f.fixed {
		return nil
	}
	next := ahead(r.ctx, r.data.Sample)
	defer next.stop()
	n := len(f.Pictures)
	for i := range n {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if _, err := next.get(i); err != nil {
			if err := r.leaveOut(i, err); err != nil {
				return err
			}
		}
		r.progress(Progress{Stage: "pictures", Step: i + 1, Of: n})
	}
	return r.strike()
}

// leaveOut goes on without picture i, which could not be read, and tells so; the
// error that it returns ends the training.
func (r *run) leaveOut(i int, why error) error {
	f, ok := r.data.(*folder)
	if !ok {
		return why
	}
	at := i % len(f.Pictures)
	path := f.path(at)
	if dir := filepath.Dir(path); isReading(why) && gone(dir) {
		return fmt.Errorf("the pictures' folder %s is gone: bring it back, then let the training go on", dir)
	}
	why = atomicfile.ReasonOf(why, path)
	switch {
	case f.fixed:
		return fmt.Errorf("%s was trained on and cannot be read now: %w: bring it back, then let the training go on", path, why)
	case f.spoilt[at] != nil: // and this is its mirror image
		return nil
	}
	if f.spoilt == nil {
		f.spoilt = map[int]error{}
	}
	f.spoilt[at] = why
	name := f.Pictures[at].Path
	r.progress(Progress{Note: fmt.Sprintf("%s is left out: %v", name, why), LeftOut: name})
	return nil
}

// strike takes out what leaveOut has found. The folder itself stays as it is:
// pictures may be read ahead from it still.
func (r *run) strike() error {
	f, ok := r.data.(*folder)
	if !ok || f.fixed {
		return nil
	}
	left := &folder{Data: f.Data}
	for i, e := range f.Pictures {
		if f.spoilt[i] != nil {
			left.LeftOut = append(left.LeftOut, e)
		} else {
			left.Pictures = append(left.Pictures, e)
		}
	}
	r.data = left
	for i, dir := range []string{f.Folder, f.ClassFolder} {
		class := i == 1
		of := func(e entry) bool { return e.Class == class }
		if first := slices.IndexFunc(f.Pictures, of); first >= 0 && !slices.ContainsFunc(left.Pictures, of) {
			return fmt.Errorf("none of the pictures in %s can be trained on: %s: %w", dir, f.Pictures[first].Path, f.spoilt[first])
		}
	}
	return nil
}
