package ui

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/BurntSushi/toml"

	"latent/app/pipeline"
)

// Work is how long a picture took.
type Work struct {
	Setup time.Duration // until the first step was done
	Steps time.Duration // all others
	Count float64       // of the others, as Request.effort counts them

	Memory int64 // bytes of the device at the most; 0: unknown
}

// A measure is what pictures of one kind took, as it was measured.
type measure struct {
	Step   float64 `toml:"step"`   // seconds
	Setup  float64 `toml:"setup"`  // seconds beside the steps: text, first step, decoding
	Memory int64   `toml:"memory"` // bytes of the device at the most; 0: unknown
	Width  int     `toml:"width"`
	Height int     `toml:"height"`
}

// measures forecasts from what was measured before. It is kept in a file.
type measures struct {
	mu   sync.Mutex
	kind map[string]measure
}

// kindOf is what a step's time depends on, but for the size.
func kindOf(r Request) string {
	guided := "guided"
	if r.Guidance <= 1 {
		guided = "plain"
	}
	kind := fmt.Sprintf("%s|%s|%s|%s|%s", r.Model, r.Device, r.Precision, r.Sampler, guided)
	if r.GuidanceEnd > 0 {
		kind += fmt.Sprintf(" %g-%g", r.GuidanceStart, r.GuidanceEnd)
	}
	if r.CacheInterval > 1 {
		kind += fmt.Sprint("|cache ", r.CacheInterval)
	}
	for _, c := range r.Controls {
		kind += "|" + c.Net
	}
	if r.SecondPass != (SecondPass{}) {
		kind += "|enlarged " + r.HiresUpscaler
	}
	return kind
}

// effort is how many steps of the first pass's size a picture takes as much time as.
func (r Request) effort() float64 {
	steps, grown := float64(cmp.Or(r.HiresSteps, r.Steps)), r.Hires*r.Hires
	if r.HiresWidth > 0 {
		grown = float64(r.HiresWidth*r.HiresHeight) / float64(r.Width*r.Height)
	}
	return float64(r.Steps) + steps*cmp.Or(r.HiresStrength, pipeline.HiresStrength)*grown
}

func (m *measures) add(r Request, w Work) {
	if w.Count < 1 {
		return
	}
	step := w.Steps.Seconds() / w.Count
	now := measure{step, max(0, w.Setup.Seconds()-step), w.Memory, r.Width, r.Height}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kind == nil {
		m.kind = map[string]measure{}
	}
	if old, ok := m.kind[kindOf(r)]; ok && old.Width == r.Width && old.Height == r.Height {
		// Opening the model counts once; later pictures say what is usual.
		now.Step = (old.Step + now.Step) / 2
		now.Setup = min(old.Setup, now.Setup)
		now.Memory = max(old.Memory, now.Memory)
	}
	m.kind[kindOf(r)] = now
}

// forecast says how long a picture will take and how many bytes of the device;
// 0 is unknown.
func (m *measures) forecast(r Request) (time.Duration, int64) {
	m.mu.Lock()
	known, ok := m.kind[kindOf(r)]
	if !ok && r.SecondPass != (SecondPass{}) {
		plain := r
		plain.SecondPass = SecondPass{}
		known, ok = m.kind[kindOf(plain)]
		known.Memory = 0
	}
	m.mu.Unlock()
	if !ok {
		return 0, 0
	}
	grown := float64(r.Width*r.Height) / float64(known.Width*known.Height)
	memory := known.Memory
	if grown != 1 {
		memory = 0 // weights do not grow with the picture: no figure is better than a wrong one
	}
	seconds := known.Setup + known.Step*r.effort()*grown
	return time.Duration(math.Min(seconds, 1e6) * float64(time.Second)), memory
}

// sample notes the seconds that a training sample of a kind took.
func (m *measures) sample(kind string, seconds float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kind == nil {
		m.kind = map[string]measure{}
	}
	if seconds > 0 && seconds < 1e6 {
		m.kind[kind] = measure{Step: seconds, Width: 1, Height: 1}
	}
}

// perSample is the seconds of a training sample; 0: unknown.
func (m *measures) perSample(kind string) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kind[kind].Step
}

func (m *measures) encode() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(m.kind); err != nil {
		panic(err) // plain numbers
	}
	return append(b.Bytes(), '\n')
}

// parseMeasures reads what encode wrote. What makes no sense is left out: it
// will be measured again.
func parseMeasures(data []byte) map[string]measure {
	all := map[string]measure{}
	if _, err := toml.Decode(string(data), &all); err != nil {
		return nil
	}
	for k, m := range all {
		if !(m.Step >= 0 && m.Step < 1e6 && m.Setup >= 0 && m.Setup < 1e6) || m.Width < 1 || m.Height < 1 || m.Width > maxSide || m.Height > maxSide || m.Memory < 0 {
			delete(all, k)
		}
	}
	return all
}

// about is a forecast in words.
func about(d time.Duration, memory int64) string {
	if d <= 0 {
		return ""
	}
	s := span(d)
	if d >= time.Second {
		s = "about " + s
	}
	if memory > 0 {
		s += ", " + byteSize(memory) + " of memory"
	}
	return s
}

// byteSize is a number of bytes as a person says it.
func byteSize(n int64) string {
	switch {
	case n < 1e6:
		return fmt.Sprintf("%d kB", (n+999)/1000)
	case n < 1e9:
		return fmt.Sprintf("%d MB", (n+5e5)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}
