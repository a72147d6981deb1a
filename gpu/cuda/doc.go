// Package cuda is the device on NVIDIA GPUs of compute capability 8.0 and newer
// (Ampere, Ada, Hopper, Blackwell): gorgonia.org/cu for device, memory, copies and
// modules, and kernels of our own (kernels/) as PTX inside the program, which the
// driver compiles for the GPU it finds. Nothing but the driver is needed, and that
// is looked for at run time: importing this package is harmless where there is
// none.
//
// It is built with -tags cuda, for which cgo must find include/ and lib/; see the
// Makefile. Without the tag there is no device "cuda".
//
// The device is deterministic: sums have one order, and nothing is added up by
// atomic operations.
package cuda

// Unavailable is why there is no device: no driver, no GPU, or one too old. The CPU
// can do its work.
type Unavailable struct{ Reason string }

func (u Unavailable) Error() string { return u.Reason }

// GPU is one that the driver found.
type GPU struct {
	Name        string
	Memory      int64  // bytes
	Free        int64  // bytes; −1 where that is unknown
	Capability  string // "9.0"
	Kernels     int    // modules of kernels that the driver took, of Report.Modules
	Unsupported string // why it cannot be used; empty if it can
}

// Report is what Examine found.
type Report struct {
	Built  bool   // with -tags cuda
	Driver string // the newest CUDA version the driver serves: "13.0"
	GPUs   []GPU
	// Modules is how many modules of kernels the program holds.
	Modules int
	Err     error // why there is nothing to be found
}
