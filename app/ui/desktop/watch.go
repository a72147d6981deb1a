//go:build !headless

package desktop

import (
	"fmt"
	"os"
	"time"

	"fyne.io/fyne/v2"
)

// watch measures how long the window's goroutine is busy at a time, and writes
// each new longest time of more than 100 ms to a file.
func watch(path string) {
	worst := 100 * time.Millisecond
	for {
		asked := time.Now()
		fyne.DoAndWait(func() {})
		if took := time.Since(asked); took > worst {
			worst = took
			if f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644); err == nil {
				fmt.Fprintf(f, "%s %d\n", time.Now().Format("15:04:05.000"), took.Milliseconds())
				f.Close()
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}
