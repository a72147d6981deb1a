package trainer

import (
	"sync"

	"latent/assets/postcard"
	"latent/noise"
)

// sample is an RGB picture with its caption.
type sample struct {
	rgb           []uint8 // [height,width,3]
	width, height int
	caption       string
	sizes         sizes
}

// sizes are what SDXL is told of a picture (Podell et al. 2023, section 2.2), in
// pixels: height and width of the file, top and left of the part that was cut out
// of it after scaling, height and width of that part.
type sizes [6]int32

// dataset gives pictures by index.
type dataset interface {
	Len() int // how many there are; endless ones say how many to cache
	Endless() bool
	Sample(i int) (sample, error)
	Words() []string // vocabulary for a tokenizer of its own

	// Pass lists the pictures of one pass, some more than once.
	Pass() []int
	// Weight is that of a picture's loss.
	Weight(i int) float64
}

func openPostcards(d Data, seed uint64) (dataset, error) {
	g, err := postcard.New(postcard.Config{Objects: d.Postcard, Size: d.Resolution})
	if err != nil {
		return nil, err
	}
	return postcards{g, d.Cache, seed << 32}, nil
}

// postcards is the endless generator.
type postcards struct {
	*postcard.Generator
	cache int
	seed  uint64
}

func (p postcards) Len() int           { return p.cache }
func (p postcards) Endless() bool      { return true }
func (p postcards) Words() []string    { return postcard.Words() }
func (p postcards) Pass() []int        { return upTo(p.cache) }
func (p postcards) Weight(int) float64 { return 1 }

func (p postcards) Sample(i int) (sample, error) {
	n := p.Size()
	s := sample{rgb: make([]uint8, n*n*3), width: n, height: n, sizes: square(n)}
	s.caption = p.SampleInto(p.seed+uint64(i), s.rgb)
	return s, nil
}

func square(n int) sizes { return sizes{int32(n), int32(n), 0, 0, int32(n), int32(n)} }

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// toFloat maps 8-bit RGB to [−1, 1].
func toFloat(dst []float32, rgb []uint8) {
	for i, v := range rgb {
		dst[i] = float32(v)/127.5 - 1
	}
}

// shuffled is an endless sequence of shuffled passes over n items: item k is a
// function of seed and k alone, whoever asks.
type shuffled struct {
	mu    sync.Mutex // a batch may be loaded ahead and for the present step at once
	seed  uint64
	n     int
	epoch int
	perm  []int
}

func (s *shuffled) at(k int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := k / s.n; s.perm == nil || e != s.epoch {
		s.epoch = e
		s.perm = noise.NewRand(s.seed + uint64(e)*0x9E3779B97F4A7C15).Perm(s.n)
	}
	return s.perm[k%s.n]
}

// batches deals pictures out in batches of one size of picture.
type batches struct {
	n       int
	buckets [][]int     // the pictures of a pass by size
	orders  []*shuffled // of each bucket's pictures
	order   *shuffled   // of the batches of a pass: those of the first bucket, of the second, …
	first   []int       // batch of a pass that each bucket begins with
}

// newBatches sorts the pictures of a pass by size[i], in the order of their first
// occurrence. A bucket's last batch in a pass is filled up with pictures of the
// next pass.
func newBatches[S comparable](seed uint64, pass []int, size func(i int) S, n int) *batches {
	b := &batches{n: n}
	at := map[S]int{}
	for _, i := range pass {
		k, ok := at[size(i)]
		if !ok {
			k = len(b.buckets)
			at[size(i)] = k
			b.buckets = append(b.buckets, nil)
		}
		b.buckets[k] = append(b.buckets[k], i)
	}
	total := 0
	for k, list := range b.buckets {
		b.orders = append(b.orders, &shuffled{seed: seed + uint64(k), n: len(list)})
		b.first = append(b.first, total)
		total += (len(list) + n - 1) / n
	}
	b.order = &shuffled{seed: seed + uint64(len(b.buckets)), n: total}
	return b
}

// at lists the pictures of batch k, a function of the seed and k alone.
func (b *batches) at(k int) []int {
	bucket := 0
	if len(b.buckets) > 1 {
		pass, j := k/b.order.n, b.order.at(k)
		for bucket = len(b.buckets) - 1; b.first[bucket] > j; bucket-- {
		}
		// The batch's number among those of its bucket, of all passes.
		k = j - b.first[bucket] + pass*((len(b.buckets[bucket])+b.n-1)/b.n)
	}
	list := make([]int, b.n)
	for i := range list {
		list[i] = b.buckets[bucket][b.orders[bucket].at(k*b.n+i)]
	}
	return list
}

// perPass is the number of batches in a pass.
func (b *batches) perPass() int { return b.order.n }
