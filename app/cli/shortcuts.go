package cli

import (
	"fmt"

	"latent/app/pipeline"
)

// addShortCuts adds the flags that save part of the U-Net's work.
func addShortCuts(f flags, req *pipeline.Request) {
	f.Func("cfg-interval", "`FROM-TO`: the share of the steps that are guided, the others cost half (0-1)", func(s string) (err error) {
		if req.GuidanceStart, req.GuidanceEnd, err = pipeline.ParseInterval(s); err != nil {
			return fmt.Errorf("%w, such as 0-0.7", err)
		}
		return nil
	})
	f.IntVar(&req.CacheInterval, "cache-interval", 1, "`N`: run the whole U-Net at one of so many steps, and at the others its last layer (DeepCache): faster, the picture a little different")
}
