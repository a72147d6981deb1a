//go:build cuda

package cuda

import (
	"encoding/binary"
	"math"
	"unsafe"

	"latent/gpu"
)

// chunkSize is how many elements of a tensor a block has, where one launch is over
// many tensors.
const chunkSize = 1 << 14

type adamEntry struct {
	adamArgs
	first int64
}

type sumEntry struct {
	x               uint64
	n, first, dtype int64
}

func (b *backend) AdamWMany(us []gpu.AdamWUpdate) {
	entries, blocks := make([]adamEntry, 0, len(us)), 0
	for _, u := range us {
		entries = append(entries, adamEntry{adam(u), int64(blocks)})
		blocks += (u.Param.Len() + chunkSize - 1) / chunkSize
	}
	many(b, "elementwise", "adamw", entries, blocks, 0)
}

// SumSquaresMany adds the sums of the chunks on the host, in order.
func (b *backend) SumSquaresMany(xs []*gpu.Tensor) (sum float64) {
	entries, blocks := make([]sumEntry, 0, len(xs)), 0
	for _, x := range xs {
		entries = append(entries, sumEntry{ptr(x), int64(x.Len()), int64(blocks), int64(x.DType())})
		blocks += (x.Len() + chunkSize - 1) / chunkSize
	}
	partial := make([]byte, 4*blocks)
	b.read("squares", partial, many(b, "reduce", "squares", entries, blocks, len(partial)))
	for i := range blocks {
		sum += float64(math.Float32frombits(binary.LittleEndian.Uint32(partial[4*i:])))
	}
	return sum
}

// many starts a kernel of many.h, its entries in scratch memory, and gives the
// address of room for partial bytes of results.
func many[E any](b *backend, file, name string, entries []E, blocks, partial int) uint64 {
	table := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(entries))), len(entries)*int(unsafe.Sizeof(entries[0])))
	b.reserve(name, padded(len(table))+padded(partial))
	a := manyArgs{entries: b.take(len(table)), partial: b.take(partial), count: int32(len(entries)), chunk: chunkSize}
	b.write(name, a.entries, table)
	launch(b, function{file, name + "_many", gpu.Float32}, grid{x: blocks, threads: 256}, a)
	return a.partial
}
