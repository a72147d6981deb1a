package textencoder

import (
	"bufio"
	"container/heap"
	"fmt"
	"strings"
)

// wordEnd marks the token that ends a word.
const wordEnd = "</w>"

// byteRune writes every byte as a printable character, as GPT-2's vocabulary
// does: printable Latin-1 stands for itself, the rest for U+0100 and on.
var byteRune, runeByte = func() (to [256]rune, from map[rune]byte) {
	from = make(map[rune]byte, 256)
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		if !('!' <= r && r <= '~' || '¡' <= r && r <= '¬' || '®' <= r && r <= 'ÿ') {
			r = next
			next++
		}
		to[b], from[r] = r, byte(b)
	}
	return to, from
}()

// tokenBytes undoes byteRune for a whole token; wordEnd reads as itself.
func tokenBytes(token string) []byte {
	data := make([]byte, 0, len(token))
	for _, r := range token {
		b, ok := runeByte[r]
		if !ok { // a token from elsewhere is its own text
			return []byte(token)
		}
		data = append(data, b)
	}
	return data
}

// bpe is the byte-pair encoding of single words.
type bpe struct {
	inner, last [256]int32 // ids of the single bytes, within a word and at its end
	merges      map[pair]merge
}

type pair struct{ left, right int32 }

// A merge says what a pair becomes; the lowest rank goes first.
type merge struct {
	rank int
	id   int32
}

// newBPE returns an encoding that knows no merges. A byte without a token of its
// own is unknown.
func newBPE(ids map[string]int32, unknown int32) bpe {
	e := bpe{merges: make(map[pair]merge)}
	for b, r := range byteRune {
		e.inner[b], e.last[b] = unknown, unknown
		if id, ok := ids[string(r)]; ok {
			e.inner[b] = id
		}
		if id, ok := ids[string(r)+wordEnd]; ok {
			e.last[b] = id
		}
	}
	return e
}

// readMerges reads merges.txt: after an optional line "#version…" the pairs, by
// rank, two tokens a line.
func readMerges(text string, ids map[string]int32, unknown int32) (bpe, error) {
	e := newBPE(ids, unknown)
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#version") {
			continue
		}
		left, right, ok := strings.Cut(line, " ")
		if !ok || strings.Contains(right, " ") {
			return e, fmt.Errorf("line %d: %.40q is not two tokens", n, line)
		}
		for _, token := range []string{left, right, left + right} {
			if _, ok := ids[token]; !ok {
				return e, fmt.Errorf("line %d: token %.40q is not in vocab.json", n, token)
			}
		}
		e.merges[pair{ids[left], ids[right]}] = merge{n, ids[left+right]}
	}
	if err := lines.Err(); err != nil {
		return e, fmt.Errorf("a line is too long: %w", err)
	}
	return e, nil
}

// A symbol is a token of the word under work, in a doubly linked list.
type symbol struct {
	id         int32
	prev, next int // −1 at the ends
}

// A candidate is a pair of neighbours that a merge would join. It is stale once
// either has changed.
type candidate struct {
	merge
	at   int // the left symbol
	pair pair
}

// candidates is a heap: lowest rank first, then leftmost.
type candidates []candidate

func (c candidates) Len() int { return len(c) }
func (c candidates) Less(i, j int) bool {
	return c[i].rank < c[j].rank || c[i].rank == c[j].rank && c[i].at < c[j].at
}
func (c candidates) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *candidates) Push(x any)   { *c = append(*c, x.(candidate)) }
func (c *candidates) Pop() any {
	last := len(*c) - 1
	x := (*c)[last]
	*c = (*c)[:last]
	return x
}

// append appends the tokens of one word.
func (e *bpe) append(ids []int32, word string) []int32 {
	e.split(word, func(id int32, _ int) { ids = append(ids, id) })
	return ids
}

// split gives the tokens of one word and where in it they end, in O(n log n) for
// n bytes.
func (e *bpe) split(word string, token func(id int32, end int)) {
	symbols := make([]symbol, len(word))
	for i := range symbols {
		symbols[i] = symbol{e.inner[word[i]], i - 1, i + 1}
	}
	end := len(word) - 1
	symbols[end].id, symbols[end].next = e.last[word[end]], -1

	var queue candidates
	consider := func(at int) {
		if at < 0 || symbols[at].next < 0 {
			return
		}
		p := pair{symbols[at].id, symbols[symbols[at].next].id}
		if m, ok := e.merges[p]; ok {
			heap.Push(&queue, candidate{m, at, p})
		}
	}
	for i := range symbols {
		consider(i)
	}
	const gone = -1
	for len(queue) > 0 {
		c := heap.Pop(&queue).(candidate)
		left := &symbols[c.at]
		if left.id != c.pair.left || left.next < 0 || symbols[left.next].id != c.pair.right {
			continue
		}
		right := &symbols[left.next]
		left.id, left.next = c.id, right.next
		right.id = gone
		if left.next >= 0 {
			symbols[left.next].prev = c.at
		}
		consider(left.prev)
		consider(c.at)
	}
	for i := 0; i >= 0; i = symbols[i].next {
		stop := symbols[i].next
		if stop < 0 {
			stop = len(word)
		}
		token(symbols[i].id, stop)
	}
}
