package nn

import (
	"runtime"
	"unsafe"

	"latent/gpu"
	"latent/gpu/half"
	"latent/gpu/safetensors"
)

// Loading is a stream: goroutines convert pieces of the file's bytes, and turn
// kernels to channels last, while the device's goroutine writes finished pieces to
// where they stay. Beside the parameters it takes a few pieces of memory: of a
// mapped file no more is in memory than what is at work.

// piece is a span of a parameter's rows, the first axis.
type piece struct {
	t     *gpu.Tensor
	src   []byte // of the rows, as the file holds them
	rows  int
	at    int // first element of the parameter
	c, k  int // a row is [c,k] in the file and [k,c] in the parameter
	from  format
	scale float32 // of numbers of 8 bits

	dst []byte // converted
}

// pieceBytes is about the size of a piece: it stays in a core's cache from its
// conversion to its writing.
const pieceBytes = 1 << 18

// pieces cuts the parameter that t holds.
func pieces(p *Param, t *gpu.Tensor, v safetensors.View) (out []piece) {
	from, scale := formats[v.DType], v.Scale
	if scale == 0 {
		scale = 1
	}
	rows, c, k := 1, p.Len(), 1
	if len(p.Shape) > 0 {
		rows = p.Shape[0]
		c /= max(rows, 1)
	}
	if p.Kind == Kernel {
		c, k = p.Shape[3], p.Shape[1]*p.Shape[2]
	}
	row := c * k
	step := max(1, pieceBytes/max(row*from.size, 1))
	for r := 0; r < rows; r += step {
		n := min(step, rows-r)
		out = append(out, piece{
			t: t, src: v.Data[r*row*from.size : (r+n)*row*from.size], rows: n, at: r * row, c: c, k: k, from: from, scale: scale,
		})
	}
	return out
}

// stream writes all pieces.
func stream(todo []piece) {
	workers := min(runtime.GOMAXPROCS(0), len(todo))
	free := make(chan []byte, 2*workers+2)
	for range cap(free) {
		free <- nil
	}
	in, out, quit := make(chan piece), make(chan piece, cap(free)), make(chan struct{})
	defer close(quit) // a device that fails ends the others
	go func() {
		defer close(in)
		for _, p := range todo {
			select {
			case in <- p:
			case <-quit:
				return
			}
		}
	}()
	for range workers {
		go func() {
			for p := range in {
				if p.plain() {
					p.dst = p.src
				} else {
					select {
					case buf := <-free:
						p.dst = p.convert(buf)
						safetensors.Release(p.src)
					case <-quit:
						return
					}
				}
				select {
				case out <- p:
				case <-quit:
					return
				}
			}
		}()
	}
	for range todo {
		p := <-out
		n := len(p.dst) / p.t.DType().Size()
		gpu.Rows(gpu.Reshape(p.t, p.t.Len()), p.at, p.at+n).WriteBytes(p.dst)
		if p.plain() {
			safetensors.Release(p.src)
		} else {
			free <- p.dst[:0]
		}
	}
}

// plain tells whether the file's bytes are the parameter's.
func (p *piece) plain() bool { return p.same() && (p.k == 1 || p.c == 1) }

// same tells whether the parameter's numbers are those of the file.
func (p *piece) same() bool { return p.from.size > 1 && p.from.dtype == p.t.DType() }

// convert gives the rows as the parameter holds them, in buf if it is large enough.
func (p *piece) convert(buf []byte) []byte {
	n := p.rows * p.c * p.k
	to := p.t.DType()
	if cap(buf) < n*to.Size() {
		buf = make([]byte, n*to.Size(), max(n*to.Size(), 2*pieceBytes))
	}
	buf = buf[:n*to.Size()]
	if p.same() {
		turn(buf, p.src, to.Size(), p.rows, p.c, p.k)
		return buf
	}
	switch src := aligned(p.src, p.from.size); {
	case p.from.size == 1:
		if p.k > 1 && p.c > 1 {
			src = make([]byte, n)
			turn(src, p.src, 1, p.rows, p.c, p.k)
		}
		dequantise(buf, src, p.from.eight, p.scale, to)
	case p.from.size == 2 && to.Size() == 2:
		lookup(as[uint16](buf), as[uint16](src), p.rows, p.c, p.k, table16(p.from.dtype, to))
	case p.from.size == 2:
		lookup(as[float32](buf), as[uint16](src), p.rows, p.c, p.k, table32(p.from.dtype))
	case to == gpu.BFloat16:
		narrow(as[uint16](buf), as[float32](src), p.rows, p.c, p.k, half.BF16FromF32)
	default:
		narrow(as[uint16](buf), as[float32](src), p.rows, p.c, p.k, half.F16FromF32)
	}
	return buf
}

// as views bytes as numbers of a type.
func as[T any](b []byte) []T {
	var t T
	if len(b) == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(unsafe.Sizeof(t)))
}

// aligned is b, or a copy of it where numbers of that size would lie across words:
// a file may begin its tensors anywhere.
func aligned(b []byte, size int) []byte {
	if len(b) == 0 || uintptr(unsafe.Pointer(unsafe.SliceData(b)))%uintptr(size) == 0 {
		return b
	}
	return append(make([]byte, 0, len(b)), b...)
}

// dequantise gives scale times the numbers of 8 bits, rounded once.
func dequantise(dst, src []byte, table *[256]float32, scale float32, to gpu.DType) {
	var wide [256]float32
	var short [256]uint16
	for b, v := range table {
		switch wide[b] = v * scale; to {
		case gpu.BFloat16:
			short[b] = half.BF16FromF32(wide[b])
		case gpu.Float16:
			short[b] = half.F16FromF32(wide[b])
		}
	}
	if to == gpu.Float32 {
		pick(as[float32](dst), src, &wide)
	} else {
		pick(as[uint16](dst), src, &short)
	}
}

func pick[D any](dst []D, src []byte, table *[256]D) {
	dst = dst[:len(src)]
	for i, b := range src {
		dst[i] = table[b]
	}
}

// lookup converts [rows,c,k] to [rows,k,c] by a table of all 16-bit numbers.
func lookup[D any](dst []D, src []uint16, rows, c, k int, table *[1 << 16]D) {
	dst = dst[:len(src)]
	if k == 1 || c == 1 {
		for i, v := range src {
			dst[i] = table[v]
		}
		return
	}
	for r := range rows {
		s, d := src[r*c*k:(r+1)*c*k], dst[r*c*k:(r+1)*c*k]
		for j := range k {
			at := j
			for i := range d[j*c : (j+1)*c] {
				d[j*c+i] = table[s[at]]
				at += k
			}
		}
	}
}

// narrow rounds [rows,c,k] to [rows,k,c] of 16 bits.
func narrow(dst []uint16, src []float32, rows, c, k int, round func(float32) uint16) {
	dst = dst[:len(src)]
	for r := range rows {
		s, d := src[r*c*k:(r+1)*c*k], dst[r*c*k:(r+1)*c*k]
		for j := range k {
			at := j
			for i := range d[j*c : (j+1)*c] {
				d[j*c+i] = round(s[at])
				at += k
			}
		}
	}
}

// turn moves [rows,c,k] to [rows,k,c], elements of size bytes.
func turn(dst, src []byte, size, rows, c, k int) {
	switch src = aligned(src, size); size {
	case 1:
		transpose(dst, src, rows, c, k)
	case 2:
		transpose(as[uint16](dst), as[uint16](src), rows, c, k)
	default:
		transpose(as[uint32](dst), as[uint32](src), rows, c, k)
	}
}

func transpose[T any](dst, src []T, rows, c, k int) {
	dst = dst[:len(src)]
	// Blocks of columns keep the lines that are read and written in the cache
	// where k is large: matrices, and the way back from channels last.
	const block = 64
	for r := range rows {
		s, d := src[r*c*k:(r+1)*c*k], dst[r*c*k:(r+1)*c*k]
		for i0 := 0; i0 < c; i0 += block {
			i1 := min(i0+block, c)
			for j := range k {
				out := d[j*c+i0 : j*c+i1]
				at := i0*k + j
				for i := range out {
					out[i] = s[at]
					at += k
				}
			}
		}
	}
}
