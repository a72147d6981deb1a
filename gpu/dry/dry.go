// Package dry is a device without arithmetic or memory: what runs on it takes
// next to no time, and tells afterwards how much device memory it would have
// taken (Device.Memory) and how many flops (Device.Profile). Every value is 0.
package dry

import "latent/gpu"

// Open returns such a device. It is not among those that gpu.Open knows: nobody
// is to compute with it by mistake.
func Open() *gpu.Device { return gpu.New(backend{}) }

type backend struct{}

type buffer int

func (b buffer) Size() int { return int(b) }

var _ gpu.Backend = backend{}

func (backend) Info() gpu.Info                                                                { return gpu.Info{Name: "dry", Compute: gpu.BFloat16, Threads: 1} }
func (backend) Alloc(bytes int) (gpu.Buffer, error)                                           { return buffer(bytes), nil }
func (backend) Free(gpu.Buffer)                                                               {}
func (backend) Close()                                                                        {}
func (backend) Write(*gpu.Tensor, []byte)                                                     {}
func (backend) Read([]byte, *gpu.Tensor)                                                      {}
func (backend) Finite(*gpu.Tensor) bool                                                       { return true }
func (backend) SumSquares(*gpu.Tensor) float64                                                { return 0 }
func (backend) Fill(*gpu.Tensor, float32)                                                     {}
func (backend) Cast(_, _ *gpu.Tensor)                                                         {}
func (backend) Mul(_, _, _ *gpu.Tensor)                                                       {}
func (backend) Clamp(_, _ *gpu.Tensor, _, _ float32)                                          {}
func (backend) AddChannels(_, _, _ *gpu.Tensor)                                               {}
func (backend) SumMiddle(_, _ *gpu.Tensor)                                                    {}
func (backend) Upsample2x(_, _ *gpu.Tensor)                                                   {}
func (backend) Upsample2xGrad(_, _ *gpu.Tensor)                                               {}
func (backend) AvgPool2x(_, _ *gpu.Tensor)                                                    {}
func (backend) AvgPool2xGrad(_, _ *gpu.Tensor)                                                {}
func (backend) Softmax(_, _ *gpu.Tensor)                                                      {}
func (backend) SoftmaxGrad(_, _, _ *gpu.Tensor)                                               {}
func (backend) Embedding(_, _, _ *gpu.Tensor)                                                 {}
func (backend) EmbeddingGrad(_, _, _ *gpu.Tensor)                                             {}
func (backend) Unary(_, _ *gpu.Tensor, _ gpu.Func)                                            {}
func (backend) GEGLU(_, _ *gpu.Tensor)                                                        {}
func (backend) GEGLUGrad(_, _, _ *gpu.Tensor)                                                 {}
func (backend) MSE(_, _, _, _ *gpu.Tensor)                                                    {}
func (backend) MSEGrad(_, _, _, _, _ *gpu.Tensor)                                             {}
func (backend) L1(_, _, _ *gpu.Tensor)                                                        {}
func (backend) L1Grad(_, _, _, _ *gpu.Tensor)                                                 {}
func (backend) GaussianSample(_, _, _ *gpu.Tensor)                                            {}
func (backend) GaussianKL(_, _ *gpu.Tensor)                                                   {}
func (backend) GaussianKLGrad(_, _, _ *gpu.Tensor)                                            {}
func (backend) LinearGradInput(_, _, _ *gpu.Tensor)                                           {}
func (backend) Linear(_, _, _, _, _ *gpu.Tensor)                                              {}
func (backend) LinearGradWeight(_, _, _, _ *gpu.Tensor)                                       {}
func (backend) UnaryGrad(_, _, _ *gpu.Tensor, _ gpu.Func)                                     {}
func (backend) Combine(*gpu.Tensor, []float32, []*gpu.Tensor)                                 {}
func (backend) GaussianSampleGrad(_, _, _, _ *gpu.Tensor)                                     {}
func (backend) CopyRows(_, _ *gpu.Tensor, _, _, _, _, _, _ int)                               {}
func (backend) AdamW(_, _, _, _, _ *gpu.Tensor, _ gpu.AdamWStep)                              {}
func (backend) Conv2d(_, _, _, _, _ *gpu.Tensor, _ gpu.Conv)                                  {}
func (backend) Conv2dGradInput(_, _, _ *gpu.Tensor, _ gpu.Conv)                               {}
func (backend) Conv2dGradWeight(_, _, _, _ *gpu.Tensor, _ gpu.Conv)                           {}
func (backend) GroupNorm(_, _, _, _, _ *gpu.Tensor, _ int, _ float32, _ bool)                 {}
func (backend) GroupNormGrad(_, _, _, _, _, _, _, _ *gpu.Tensor, _ int, _ bool)               {}
func (backend) LayerNorm(_, _, _, _, _ *gpu.Tensor, _ float32)                                {}
func (backend) LayerNormGrad(_, _, _, _, _, _, _ *gpu.Tensor)                                 {}
func (backend) Attention(_, _, _, _, _ *gpu.Tensor, _ int, _ float32, _ bool)                 {}
func (backend) AttentionGrad(_, _, _, _, _, _, _, _, _ *gpu.Tensor, _ int, _ float32, _ bool) {}
