package cli

import (
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		count(999): "999", count(11_234_567): "11.2 million", count(2_570_000_000): "2.57 billion",
		size(512): "0.5 kB", size(29_500_000): "29.5 MB", size(6_940_000_000): "6.94 GB",
		left(0): "", left(1400 * time.Millisecond): "1 s left", left(190 * time.Second): "3 min 10 s left",
		left(2*time.Hour + 5*time.Minute): "2 h 5 min left",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
