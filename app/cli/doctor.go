package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"latent/app/pipeline"
	"latent/assets"
	"latent/gpu"
	"latent/gpu/cuda"
)

// startEngine opens a device. Where a GPU is asked for that cannot be had it says
// why, once, and takes the best there is.
func startEngine(device, precision string) (*pipeline.Engine, error) {
	e, err := pipeline.Start(device, precision)
	if u := new(cuda.Unavailable); errors.As(err, u) {
		fmt.Fprintln(os.Stderr, usingCPU(*u))
		return pipeline.Start("auto", precision)
	}
	return e, err
}

func usingCPU(why error) string { return why.Error() + ": using the CPU" }

func doctor(_ context.Context, args []string) error {
	_, done, err := newFlags("doctor").parse(args)
	if done || err != nil {
		return err
	}
	tw := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer tw.Flush()
	fmt.Fprintf(tw, "program:\tlatent %s\n", assets.Version)
	describeGPUs(tw, cuda.Examine())
	for _, name := range gpu.Drivers() {
		if name == "cuda" {
			continue
		}
		dev, err := gpu.Open(name)
		if err != nil {
			fmt.Fprintf(tw, "%s:\t%v\n", name, err)
			continue
		}
		fmt.Fprintf(tw, "%s:\t%s\n", name, dev.Info().Detail)
		dev.Close()
	}
	dev, err := gpu.Open("auto")
	if err != nil {
		return err
	}
	defer dev.Close()
	i := dev.Info()
	fmt.Fprintf(tw, "will be used:\t%s (%s) in %v: the first of cuda, host and reference that opens\n", i.Name, i.Detail, i.Compute)
	return nil
}

// describeGPUs says what the driver has to say.
func describeGPUs(w io.Writer, r cuda.Report) {
	switch {
	case !r.Built:
		fmt.Fprintf(w, "GPU:\t%v\n", r.Err)
		return
	case r.Err != nil:
		fmt.Fprintf(w, "GPU:\t%s\n", usingCPU(r.Err))
		return
	}
	fmt.Fprintf(w, "NVIDIA driver:\tfor CUDA up to %s\n", r.Driver)
	if len(r.GPUs) == 0 {
		fmt.Fprintf(w, "GPU:\tnone: using the CPU\n")
	}
	for i, g := range r.GPUs {
		fmt.Fprintf(w, "cuda:%d:\t%s, %s", i, g.Name, size(int(g.Memory)))
		if g.Free >= 0 {
			fmt.Fprintf(w, " (%s free)", size(int(g.Free)))
		}
		fmt.Fprintf(w, ", compute capability %s\n", g.Capability)
		switch {
		case g.Unsupported != "":
			fmt.Fprintf(w, "\tcannot be used: %s\n", g.Unsupported)
		default:
			fmt.Fprintf(w, "\tkernels: the driver took all %d modules\n", g.Kernels)
		}
	}
}
