package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"latent/app/pipeline"
)

// addShortCuts adds the flags that save part of the U-Net's work.
func addShortCuts(f flags, req *pipeline.Request) {
	f.Func("cfg-interval", "`FROM-TO`: the share of the steps that are guided, the others cost half (0-1)", func(s string) (err error) {
		if req.GuidanceStart, req.GuidanceEnd, err = parseShare(s); err != nil {
			return fmt.Errorf("%w, such as 0-0.7", err)
		}
		return nil
	})
	f.IntVar(&req.CacheInterval, "cache-interval", 1, "`N`: run the whole U-Net at one of so many steps, and at the others its last layer (DeepCache): faster, the picture a little different")
}

// parseShare reads FROM-TO, a part of the numbers from 0 to 1.
func parseShare(s string) (from, to float64, err error) {
	a, b, _ := strings.Cut(s, "-")
	for _, n := range []struct {
		to   *float64
		text string
	}{{&from, a}, {&to, b}} {
		if *n.to, err = strconv.ParseFloat(n.text, 64); err != nil || math.IsNaN(*n.to) {
			return 0, 0, fmt.Errorf("want FROM-TO")
		}
	}
	if !(from >= 0 && from < to && to <= 1) {
		return 0, 0, fmt.Errorf("want FROM-TO, the first at least 0 and less than the second, that at most 1")
	}
	return from, to, nil
}
