package torchfile

import (
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

func (m *machine) number(op byte) error {
	switch op {
	case 'K', 'M':
		n, err := m.uint(map[byte]int{'K': 1, 'M': 2}[op])
		return m.push(int64(n), err)
	case 'J':
		n, err := m.uint(4)
		return m.push(int64(int32(n)), err)
	case 'G':
		b, err := m.bytes(8)
		if err != nil {
			return err
		}
		return m.push(math.Float64frombits(binary.BigEndian.Uint64(b)), nil)
	case 0x8a, 0x8b:
		b, err := m.sized(map[byte]int{0x8a: 1, 0x8b: 4}[op])
		if err != nil {
			return err
		}
		return m.push(long(b), nil)
	}
	s, err := m.line()
	if err != nil {
		return err
	}
	switch {
	case op == 'F':
		f, err := strconv.ParseFloat(s, 64)
		return m.push(f, err)
	case op == 'I' && (s == "00" || s == "01"):
		return m.push(s == "01", nil)
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(s, "L"), 10, 64)
	return m.push(n, err)
}

// long is a little-endian number in two's complement; one of more than 64 bits,
// which only the mark at a file's start is, keeps the lowest.
func long(b []byte) int64 {
	var full [8]byte
	if n := len(b); n > 0 && b[n-1]&0x80 != 0 {
		for i := range full {
			full[i] = 0xff
		}
	}
	copy(full[:], b)
	return int64(binary.LittleEndian.Uint64(full[:]))
}

func (m *machine) text(op byte) error {
	var b []byte
	var err error
	switch op {
	case 'V', 'S':
		s, err := m.line()
		return m.push(strings.Trim(s, `'"`), err)
	case 0x8c, 'U', 'C':
		b, err = m.sized(1)
	case 'X', 'T', 'B':
		b, err = m.sized(4)
	default:
		b, err = m.sized(8)
	}
	if err != nil {
		return err
	}
	if !utf8.Valid(b) { // bytes, of which nothing is wanted
		return m.push("", nil)
	}
	return m.push(string(b), nil)
}

func (m *machine) makeTuple(op byte) error {
	if op == 't' {
		items, err := m.popMark()
		return m.push(tuple(items), err)
	}
	n := map[byte]int{')': 0, 0x85: 1, 0x86: 2, 0x87: 3}[op]
	t := make(tuple, n)
	for i := n - 1; i >= 0; i-- {
		v, err := m.pop()
		if err != nil {
			return err
		}
		t[i] = v
	}
	return m.push(t, nil)
}

// extend appends to a list or adds to a set.
func (m *machine) extend(op byte) error {
	var items []any
	var err error
	if op == 'a' {
		var v any
		v, err = m.pop()
		items = []any{v}
	} else {
		items, err = m.popMark()
	}
	if err != nil {
		return err
	}
	v, err := m.top()
	if err != nil {
		return err
	}
	switch to := v.(type) {
	case *list:
		to.items = append(to.items, items...)
	case *object: // of a class of its own, derived from list
	default:
		return errors.New("damaged pickle: it appends to what is no list")
	}
	return nil
}

// fill makes a dictionary, or sets keys of one.
func (m *machine) fill(op byte) error {
	var items []any
	var err error
	if op == 's' {
		items = make([]any, 2)
		for i := 1; i >= 0 && err == nil; i-- {
			items[i], err = m.pop()
		}
	} else {
		items, err = m.popMark()
	}
	if err != nil {
		return err
	}
	if len(items)%2 != 0 {
		return errors.New("damaged pickle: a key without a value")
	}
	if op == 'd' {
		if err := m.push(newDict(), nil); err != nil {
			return err
		}
	}
	v, err := m.top()
	if err != nil {
		return err
	}
	if o, ok := v.(*object); ok {
		if o.state == nil {
			o.state = newDict()
		}
		v = o.state
	}
	to, ok := v.(*dict)
	if !ok {
		return errors.New("damaged pickle: it sets a key of what is no dictionary")
	}
	for i := 0; i < len(items); i += 2 {
		to.set(items[i], items[i+1])
	}
	return nil
}

// remember stores a value in the memo or fetches it.
func (m *machine) remember(op byte) error {
	if op == 0x94 {
		v, err := m.top()
		m.memo[len(m.memo)] = v
		return err
	}
	var at uint64
	var err error
	switch op {
	case 'q', 'h':
		at, err = m.uint(1)
	case 'r', 'j':
		at, err = m.uint(4)
	default:
		var s string
		if s, err = m.line(); err == nil {
			at, err = strconv.ParseUint(s, 10, 32)
		}
	}
	if err != nil {
		return err
	}
	if op == 'h' || op == 'j' || op == 'g' {
		v, ok := m.memo[int(at)]
		if !ok {
			return errStack
		}
		return m.push(v, nil)
	}
	v, err := m.top()
	m.memo[int(at)] = v
	return err
}

func (m *machine) global(op byte) error {
	var g global
	var err error
	if op == 'c' {
		if g.module, err = m.line(); err == nil {
			g.name, err = m.line()
		}
	} else {
		var name, module any
		if name, err = m.pop(); err == nil {
			module, err = m.pop()
		}
		var ok1, ok2 bool
		g.name, ok1 = name.(string)
		g.module, ok2 = module.(string)
		if err == nil && !(ok1 && ok2) {
			err = errors.New("damaged pickle: a name that is no text")
		}
	}
	if err != nil {
		return err
	}
	if !g.allowed() {
		if public, ok := publicModule[g.module]; ok {
			g.module = public
		}
		return &GlobalError{short(g.String())}
	}
	return m.push(g, nil)
}

// build handles the instructions that call something or set its state.
func (m *machine) build(op byte) error {
	switch op {
	case 'R', 0x81: // REDUCE, NEWOBJ
		args, err := m.pop()
		if err != nil {
			return err
		}
		f, err := m.pop()
		if err != nil {
			return err
		}
		v, err := m.call(f, args)
		return m.push(v, err)
	case 0x92: // NEWOBJ_EX
		if _, err := m.pop(); err != nil {
			return err
		}
		return m.build(0x81)
	case 'b':
		state, err := m.pop()
		if err != nil {
			return err
		}
		v, err := m.top()
		if o, ok := v.(*object); ok {
			o.state = state
		}
		return err
	case 'o':
		items, err := m.popMark()
		if err != nil {
			return err
		}
		if len(items) == 0 {
			return errStack
		}
		v, err := m.call(items[0], tuple(items[1:]))
		return m.push(v, err)
	}
	// INST: the name stands in the text.
	if err := m.global('c'); err != nil {
		return err
	}
	f, err := m.pop()
	if err != nil {
		return err
	}
	items, err := m.popMark()
	if err != nil {
		return err
	}
	v, err := m.call(f, tuple(items))
	return m.push(v, err)
}

// short cuts text out of a file for an error message.
func short(s string) string {
	s = strings.ToValidUTF8(strings.Join(strings.Fields(s), " "), "?")
	if r := []rune(s); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return s
}
