//go:build cuda

package cuda

import (
	"fmt"

	"gorgonia.org/cu"
)

// Examine looks for the driver and its GPUs.
func Examine() Report {
	r := Report{Built: true, Modules: len(modules())}
	if r.Err = start(); r.Err != nil {
		return r
	}
	v := cu.Version()
	r.Driver = fmt.Sprintf("%d.%d", v/1000, v%1000/10)
	n, err := cu.NumDevices()
	if err != nil {
		r.Err = err
		return r
	}
	for i := range n {
		r.GPUs = append(r.GPUs, examine(i))
	}
	return r
}

func examine(ordinal int) GPU {
	g := GPU{Free: -1}
	device, err := cu.GetDevice(ordinal)
	if err == nil {
		g.Name, g.Memory, g.Capability, err = describe(device)
	}
	if err != nil {
		g.Unsupported = err.Error()
		return g
	}
	b, err := openDevice(ordinal)
	if err != nil {
		g.Unsupported = err.Error()
		return g
	}
	defer b.Close()
	defer b.enter()()
	for _, module := range modules() {
		if _, err := b.module(module); err != nil {
			g.Unsupported = err.Error()
			break
		}
		g.Kernels++
	}
	if free, _, err := cu.MemInfo(); err == nil {
		g.Free = free
	}
	return g
}

func describe(d cu.Device) (name string, memory int64, capability string, err error) {
	if name, err = d.Name(); err != nil {
		return
	}
	if memory, err = d.TotalMem(); err != nil {
		return
	}
	major, err := d.Attribute(cu.ComputeCapabilityMajor)
	if err != nil {
		return
	}
	minor, err := d.Attribute(cu.ComputeCapabilityMinor)
	return name, memory, fmt.Sprintf("%d.%d", major, minor), err
}
