// Package host is the CPU device: convolution and matrix products run in
// oneDNN, forward and backward, but for most 3×3 convolutions, which Winograd's
// algorithm takes; everything else in small C kernels with OpenMP.
//
// Importing the package registers the device "host". Without cgo, or with the
// build tag nodnnl, it is empty and registers nothing: gpu.Open("auto") then
// takes the reference device.
package host
