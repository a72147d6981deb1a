//go:build !headless

package desktop

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"runtime"
	"strings"
	"time"

	"fyne.io/fyne/v2"
)

// watch writes to a file how the window's goroutine stood still, once it did so for
// longer than a tenth of a second, or for longer than a fiftieth in our own code. A
// line holds the time, and in milliseconds the whole, the share of painting, where
// Fyne waits for the graphics driver, and that of all else, as samples of the stack
// divide them. The time in which other programs had the processor counts for nobody.
// Below stands what else was seen most.
func watch(file string) {
	for range watchLines {
		s := still()
		for s.total < stillTotal && s.rest < stillElse {
			time.Sleep(10 * time.Millisecond)
			s = still()
		}
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			return
		}
		fmt.Fprintf(f, "%s %d %d %d\n%s", time.Now().Format("15:04:05.000"), s.total.Milliseconds(), s.painting.Milliseconds(), s.rest.Milliseconds(), s.stack)
		f.Close()
	}
}

const (
	watchLines  = 2000
	stillTotal  = 100 * time.Millisecond
	stillElse   = 20 * time.Millisecond
	sampleEvery = 4 * time.Millisecond
)

type stillness struct {
	total, painting, rest time.Duration
	stack                 string
}

// still measures until the window's goroutine has time.
func still() (s stillness) {
	seen, painting, idle, samples := map[string]int{}, 0, 0, 0
	done := make(chan time.Duration)
	asked, late := time.Now(), runDelay()
	go func() {
		fyne.DoAndWait(func() {})
		done <- time.Since(asked)
	}()
	for s.total == 0 {
		select {
		case s.total = <-done:
		case <-time.After(sampleEvery):
			samples++
			stack := windowStack()
			switch top, _, _ := strings.Cut(strings.TrimSpace(stack), "\n"); {
			case strings.Contains(top, "._Cfunc_gl"), strings.Contains(stack, "glfw.(*glCanvas).paint"): // with GL, GLFW and the X server behind them
				painting++
			case strings.HasSuffix(top, ".runGL"): // it has nothing to do
				idle++
			default:
				seen[stack]++
			}
		}
	}
	busy := max(0, s.total-(runDelay()-late))
	s.rest = busy
	if samples > 0 {
		s.painting = busy * time.Duration(painting) / time.Duration(samples)
		s.rest = busy - s.painting - busy*time.Duration(idle)/time.Duration(samples)
	}
	most := 0
	for stack, n := range seen {
		if n > most {
			most, s.stack = n, stack
		}
	}
	return s
}

// windowStack names the functions of the window's goroutine, the innermost first.
func windowStack() string {
	buf := make([]byte, 1<<18)
	buf = buf[:runtime.Stack(buf, true)]
	at := bytes.Index(buf, []byte("goroutine 1 ["))
	if at < 0 {
		return ""
	}
	buf = buf[at:]
	if end := bytes.Index(buf, []byte("\n\n")); end > 0 {
		buf = buf[:end]
	}
	var out strings.Builder
	for line := range strings.Lines(string(buf)) {
		if name, _, ok := strings.Cut(line, "("); ok && !strings.HasPrefix(line, "\t") {
			if receiver, rest, ok := strings.Cut(strings.TrimSpace(line[len(name):]), ")."); ok {
				method, _, _ := strings.Cut(rest, "(")
				name += receiver + ")." + method
			}
			fmt.Fprintf(&out, "\t%s\n", path.Base(strings.TrimSpace(name)))
		}
	}
	return out.String()
}

// runDelay is how long the window's thread was ready to run and did not; 0 where
// that is not known.
func runDelay() time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/schedstat", os.Getpid()))
	if err != nil {
		return 0
	}
	var ran, waited int64
	if _, err := fmt.Sscan(string(data), &ran, &waited); err != nil {
		return 0
	}
	return time.Duration(waited)
}
