// Package host is the CPU device: convolution and matrix products run in
// oneDNN, forward and backward, but for most 3×3 convolutions, which Winograd's
// algorithm takes; everything else in small C kernels with OpenMP. Those multiply
// too, in float32, where oneDNN is missing or with the device's argument "own".
//
// Importing the package registers the device "host". With the build tag nodnnl
// it does without oneDNN. Without cgo it is empty and registers nothing:
// gpu.Open("auto") then takes the reference device.
package host
