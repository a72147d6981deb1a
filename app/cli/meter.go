package cli

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// meter shows on standard error how far a job is: as a bar on a terminal, else
// as a line now and then.
type meter struct {
	bar   *progressbar.ProgressBar // nil: lines
	total int
	last  time.Time // of the last line
	ended bool      // all is done, and said
}

// lineEvery is the time between lines; tests do not wait so long.
var lineEvery = 2 * time.Second

func newMeter(total int) *meter {
	total = max(total, 1) // less would be a bar without end; the job itself will refuse
	m := &meter{total: total, last: time.Now()}
	if term.IsTerminal(int(os.Stderr.Fd())) {
		m.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetWidth(24),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(false),
			progressbar.OptionSetElapsedTime(false), progressbar.OptionThrottle(60*time.Millisecond))
	}
	return m
}

// set shows that done of the total are done. text makes the words beside it, and
// is called only when they are shown; parts that are empty are left out.
func (m *meter) set(done int, text func() []string) {
	if m.bar != nil {
		m.bar.Describe(words(text()))
		m.bar.Set(done)
		return
	}
	if now := time.Now(); !m.ended && (now.Sub(m.last) >= lineEvery || done == m.total) {
		m.last, m.ended = now, done == m.total
		fmt.Fprintln(os.Stderr, words(append([]string{fmt.Sprintf("%d/%d", done, m.total)}, text()...)))
	}
}

func words(parts []string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "  ")
}

// close takes the bar away.
func (m *meter) close() {
	if m != nil && m.bar != nil {
		m.bar.Clear()
	}
}

// left is a time to go in words, empty for none.
func left(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d <= 0:
		return ""
	case d < time.Minute:
		return fmt.Sprintf("%d s left", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s left", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%d h %d min left", d/time.Hour, d%time.Hour/time.Minute)
}
