// Package gpu gives tensors, the operations a latent diffusion model needs
// with their gradients, and the devices that run them.
//
// One memory layout serves everywhere: channels last. An image is [N,H,W,C],
// and the tokens of an attention layer, [N,H·W,C], are the same bytes.
// Convolution weights are [O,KH,KW,C], linear weights [O,C].
//
// Operations are eager functions of tensors (Conv2d, Linear, Attention, …).
// Each stands in a file with its shape check, its forward and its gradient.
// A [Backend] does the arithmetic; backends register themselves when imported,
// as database/sql drivers do:
//
//	import _ "latent/gpu/host"
//
//	dev, err := gpu.Open("host")
//
// Operations panic with *[Error] on wrong shapes or exhausted memory; exported
// boundaries of the packages above turn that into an error with [Catch]. A
// Device and its tensors belong to one goroutine.
package gpu
