package trainer

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"latent/gpu/safetensors"
)

// Loss is that of one step, from 1.
type Loss struct {
	Step  int
	Value float64
}

// A lossLog keeps a stage's losses in the output, a line for each step, so that a
// training that goes on has the whole curve. It costs no training: where it cannot be
// written, the checkpoints beside it cannot either, and tell so.
type lossLog struct {
	file *os.File // nil: it could not be opened
	end  int64    // of what is whole
}

const lossHead = "step,loss\n"

func (c *Config) lossPath(stage string) string {
	return filepath.Join(c.Output, stage+"-losses.csv")
}

// openLosses opens the log of a stage that goes on after step steps. What stands in
// it of later ones came to nothing, and is cut off.
func openLosses(path string, step int) *lossLog {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return &lossLog{}
	}
	l := &lossLog{file: f}
	if data, err := os.ReadFile(path); err == nil {
		_, end := parseLosses(data, step)
		l.end = int64(end)
	}
	l.cut()
	if l.end == 0 {
		l.write(lossHead)
	}
	return l
}

// cut takes off what is torn.
func (l *lossLog) cut() {
	l.file.Truncate(l.end) // needs no room, and else the next reader stops here
}

func (l *lossLog) add(k Loss) {
	if l.file != nil {
		l.write(formatLoss(k))
	}
}

func (l *lossLog) write(line string) {
	if _, err := l.file.WriteAt([]byte(line), l.end); err != nil {
		l.cut()
		return
	}
	l.end += int64(len(line))
}

// sync lets what a checkpoint has behind it outlast a power cut.
func (l *lossLog) sync() {
	if l.file != nil {
		l.file.Sync()
	}
}

func (l *lossLog) close() {
	if l.file != nil {
		l.file.Close()
	}
}

func formatLoss(k Loss) string {
	return fmt.Sprintf("%d,%s\n", k.Step, strconv.FormatFloat(k.Value, 'g', -1, 32))
}

// parseLosses reads a log up to a step, or to where it is torn: end is the length of
// what was read. Steps may be missing; none comes twice.
func parseLosses(data []byte, last int) (list []Loss, end int) {
	if !bytes.HasPrefix(data, []byte(lossHead)) {
		return nil, 0
	}
	end = len(lossHead)
	for step := 0; ; {
		n := bytes.IndexByte(data[end:], '\n')
		if n < 0 {
			return list, end
		}
		first, second, _ := strings.Cut(string(data[end:end+n]), ",")
		at, err1 := strconv.Atoi(first)
		v, err2 := strconv.ParseFloat(second, 32)
		if err1 != nil || err2 != nil || at <= step || at > last {
			return list, end
		}
		list = append(list, Loss{at, v})
		step, end = at, end+n+1
	}
}

// Losses are those of the denoiser's steps so far, of a training that was stopped or
// has come to its end: of steps that its checkpoint has not, none.
func Losses(c Config) []Loss {
	data, err := os.ReadFile(c.lossPath(denoiserStage))
	if err != nil {
		return nil
	}
	last := math.MaxInt
	if f, err := safetensors.Open(c.statePath(stateFile(denoiserStage))); err == nil {
		if step, _, err := stepOf(f); err == nil {
			last = step
		}
		f.Close()
	}
	list, _ := parseLosses(data, last)
	return list
}
