package trainer

import "context"

// batch is n pictures as floats in [−1,1], [n,size,size,3], with captions.
type batch struct {
	size     int
	pixels   []float32
	captions []string
}

// pictureBatch loads the k-th batch. Endless data is read in order, a folder
// in shuffled passes.
func (r *run) pictureBatch(n, k int, order *shuffled) (batch, error) {
	size := r.Data.Resolution * r.Data.Resolution * 3
	b := batch{r.Data.Resolution, make([]float32, n*size), make([]string, n)}
	for i := range n {
		at := k*n + i
		if !r.data.Endless() {
			at = order.at(at)
		}
		s, err := r.data.Sample(at)
		if err != nil {
			return b, r.leaveOut(at, err) // after the survey: the end
		}
		toFloat(b.pixels[i*size:(i+1)*size], s.rgb)
		b.captions[i] = s.caption
	}
	return b, nil
}

// crop cuts a random square of the recipe's size from each picture of batch k.
func (r *run) crop(b batch, k int) batch {
	side := r.Autoencoder.Crop
	rng := r.rand("crop", k, 0)
	out := batch{side, make([]float32, 0, len(b.captions)*side*side*3), b.captions}
	for i := range b.captions {
		top, left := rng.IntN(b.size-side+1), rng.IntN(b.size-side+1)
		for y := range side {
			at := ((i*b.size+top+y)*b.size + left) * 3
			out.pixels = append(out.pixels, b.pixels[at:at+side*3]...)
		}
	}
	return out
}

// prefetcher loads items k, k+1, … ahead of their use.
type prefetcher[T any] struct {
	load    func(k int) (T, error)
	ctx     context.Context
	stop    context.CancelFunc
	results chan loaded[T]
	next    int
}

type loaded[T any] struct {
	item T
	err  error
}

func ahead[T any](ctx context.Context, load func(k int) (T, error)) *prefetcher[T] {
	ctx, cancel := context.WithCancel(ctx)
	return &prefetcher[T]{load: load, ctx: ctx, stop: cancel, next: -1}
}

// get returns item k; the first call starts the sequence, later calls must
// ask for one more each time.
func (p *prefetcher[T]) get(k int) (T, error) {
	if p.next < 0 {
		p.next = k
		p.results = make(chan loaded[T], 2)
		go func(k int) {
			for ; p.ctx.Err() == nil; k++ {
				item, err := p.load(k)
				select {
				case p.results <- loaded[T]{item, err}:
				case <-p.ctx.Done():
				}
			}
		}(k)
	}
	if k != p.next {
		return p.load(k)
	}
	p.next++
	select {
	case r := <-p.results:
		return r.item, r.err
	case <-p.ctx.Done():
		return p.load(k) // stopped: the step under way still ends
	}
}
