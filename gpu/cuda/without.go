//go:build !cuda

package cuda

import "errors"

// Examine says that this program has no GPU support.
func Examine() Report {
	return Report{Err: errors.New("this program was built without GPU support: use make, or -tags cuda")}
}
