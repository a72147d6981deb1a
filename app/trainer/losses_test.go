package trainer

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestParseLosses(t *testing.T) {
	a, b := Loss{1, 0.5}, Loss{2, 0.25}
	for _, c := range []struct {
		name, text string
		last       int
		want       []Loss
		whole      string // what is kept
	}{
		{"empty", "", 9, nil, ""},
		{"another file", "epoch,loss\n1,0.5\n", 9, nil, ""},
		{"torn head", "step,lo", 9, nil, ""},
		{"head", lossHead, 9, nil, lossHead},
		{"all", lossHead + "1,0.5\n2,0.25\n", 9, []Loss{a, b}, lossHead + "1,0.5\n2,0.25\n"},
		{"beyond the checkpoint", lossHead + "1,0.5\n2,0.25\n3,1\n", 2, []Loss{a, b}, lossHead + "1,0.5\n2,0.25\n"},
		{"torn", lossHead + "1,0.5\n2,0.2", 9, []Loss{a}, lossHead + "1,0.5\n"},
		{"two torn into one", lossHead + "1,0.5\n2,0.3,0.25\n4,1\n", 9, []Loss{a}, lossHead + "1,0.5\n"},
		{"zeros", lossHead + "1,0.5\n\x00\x00\x00\n", 9, []Loss{a}, lossHead + "1,0.5\n"},
		{"twice", lossHead + "1,0.5\n1,0.5\n", 9, []Loss{a}, lossHead + "1,0.5\n"},
		{"steps missing", lossHead + "1,0.5\n7,0.25\n", 9, []Loss{a, {7, 0.25}}, lossHead + "1,0.5\n7,0.25\n"},
	} {
		list, end := parseLosses([]byte(c.text), c.last)
		if !reflect.DeepEqual(list, c.want) || c.text[:end] != c.whole {
			t.Errorf("%s: %v of %q", c.name, list, c.text[:end])
		}
	}
}

func FuzzLosses(f *testing.F) {
	f.Add([]byte(lossHead+"1,0.5\n2,NaN\n9,1e-3\n"), 7)
	f.Add([]byte(lossHead+"1,0.5\n2,0."), 3)
	f.Fuzz(func(t *testing.T, data []byte, last int) {
		list, end := parseLosses(data, last)
		again, n := parseLosses(data[:end], last)
		if n != end || len(again) != len(list) {
			t.Fatalf("%d losses of %d bytes, again %d of %d", len(list), end, len(again), n)
		}
		text := []byte(lossHead)
		for _, k := range list {
			text = append(text, formatLoss(k)...)
		}
		if again, n := parseLosses(text, last); n != len(text) || len(again) != len(list) {
			t.Fatalf("%v does not come back from %q", list, text)
		}
	})
}

// However often a training is stopped or dies, its log is that of one left alone.
func TestLossesOfAResumedTraining(t *testing.T) {
	c := loraConfig(t, basePath("sd1"))
	c.Denoiser.Checkpoint = 2
	if err := Train(context.Background(), open(t), c, false, nil); err != nil {
		t.Fatal(err)
	}
	log := func(c Config) []byte {
		data, err := os.ReadFile(c.lossPath(denoiserStage))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	want := log(c)
	if list := Losses(c); len(list) != 6 || list[5].Step != 6 {
		t.Fatalf("losses %v", list)
	}
	c.Output = filepath.Join(t.TempDir(), "ramp")
	if list := Losses(c); list != nil {
		t.Errorf("before it has begun: %v", list)
	}
	if err := losses(t, c, false, denoiserStage, 3, map[key]float64{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	// As if it had died in the middle of a line, steps after its checkpoint.
	f, err := os.OpenFile(c.lossPath(denoiserStage), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("4,9\n5,9"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if list := Losses(c); len(list) != 3 {
		t.Errorf("losses %v, want those of the three steps that are kept", list)
	}
	if err := losses(t, c, true, denoiserStage, 5, map[key]float64{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := losses(t, c, true, "", 0, map[key]float64{}); err != nil {
		t.Fatal(err)
	}
	if got := log(c); !bytes.Equal(got, want) {
		t.Errorf("log\n%s, want\n%s", got, want)
	}
}

// A log that cannot be written costs nothing but itself.
func TestLossesThatCannotBeKept(t *testing.T) {
	c := loraConfig(t, basePath("sd1"))
	if err := os.MkdirAll(c.lossPath(denoiserStage), 0o755); err != nil {
		t.Fatal(err)
	}
	if notes, err := heard(t, c, false, map[key]float64{}); err != nil || len(notes) > 0 {
		t.Error(notes, err)
	}
}
