package torchfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The values of a pickle are nil, bool, int64, float64, string, tuple, *list,
// *dict, global, storage, *tensor and *object.
type (
	tuple []any
	list  struct{ items []any }
	dict  struct {
		pairs []pair
		at    map[string]int // of the keys that are texts or numbers
	}
	pair   struct{ key, value any }
	global struct{ module, name string }
	// object is something that the file describes and that nobody needs here: it
	// is kept, never made.
	object struct {
		class global
		state any
	}
)

func (g global) String() string { return g.module + "." + g.name }

func newDict() *dict { return &dict{} }

// keyText is the text of a key that has one.
func keyText(key any) (string, bool) {
	switch k := key.(type) {
	case string:
		return k, true
	case int64:
		return strconv.FormatInt(k, 10), true
	}
	return "", false
}

func (d *dict) set(key, value any) {
	if text, ok := keyText(key); ok {
		if i, ok := d.at[text]; ok {
			d.pairs[i].value = value
			return
		}
		if d.at == nil {
			d.at = map[string]int{}
		}
		d.at[text] = len(d.pairs)
	}
	d.pairs = append(d.pairs, pair{key, value})
}

func (d *dict) get(key string) any {
	if i, ok := d.at[key]; ok {
		return d.pairs[i].value
	}
	return nil
}

// machine runs one pickle. It knows how to put values together and no more.
type machine struct {
	data []byte
	pos  int

	stack []any
	marks []int
	memo  map[int]any

	copied int // elements of lists that became dictionaries
	// persistent gives the value of a persistent id, which torch uses for storages.
	persistent func(id any) (any, error)
}

// maxSteps bounds the values that a pickle can make. The largest checkpoints take
// a hundred thousand.
const maxSteps = 4 << 20

var (
	errEnd   = errors.New("the pickle ends too early")
	errStack = errors.New("damaged pickle: it takes what it has not made")
)

// run executes the pickle from pos on and returns its value; pos is then behind it.
func (m *machine) run() (value any, err error) {
	m.stack, m.marks, m.memo = m.stack[:0], m.marks[:0], map[int]any{}
	for range maxSteps {
		op, err := m.byte()
		if err != nil {
			return nil, err
		}
		if op == '.' {
			return m.pop()
		}
		if err := m.step(op); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("a pickle of more than %d instructions is no model", maxSteps)
}

// step executes one opcode (Python's pickletools.opcodes).
func (m *machine) step(op byte) error {
	switch op {
	case 0x80: // PROTO
		_, err := m.byte()
		return err
	case 0x95: // FRAME
		_, err := m.bytes(8)
		return err
	case '(':
		m.marks = append(m.marks, len(m.stack))
	case '0':
		_, err := m.pop()
		return err
	case '1':
		_, err := m.popMark()
		return err
	case '2':
		v, err := m.top()
		return m.push(v, err)
	case 'N':
		return m.push(nil, nil)
	case 0x88, 0x89:
		return m.push(op == 0x88, nil)
	case 'K', 'M', 'J', 0x8a, 0x8b, 'I', 'L', 'G', 'F':
		return m.number(op)
	case 'X', 0x8c, 0x8d, 'U', 'T', 'C', 'B', 0x8e, 'V', 'S':
		return m.text(op)
	case ')', 't', 0x85, 0x86, 0x87:
		return m.makeTuple(op)
	case ']':
		return m.push(&list{}, nil)
	case 'l':
		items, err := m.popMark()
		return m.push(&list{items}, err)
	case 'a', 'e', 0x90:
		return m.extend(op)
	case 0x8f: // EMPTY_SET
		return m.push(&list{}, nil)
	case 0x91: // FROZENSET
		items, err := m.popMark()
		return m.push(tuple(items), err)
	case '}':
		return m.push(newDict(), nil)
	case 'd', 's', 'u':
		return m.fill(op)
	case 'q', 'r', 'p', 0x94, 'h', 'j', 'g':
		return m.remember(op)
	case 'c', 0x93:
		return m.global(op)
	case 'R', 0x81, 0x92, 'b', 'o', 'i':
		return m.build(op)
	case 'Q':
		id, err := m.pop()
		if err != nil {
			return err
		}
		v, err := m.persistent(id)
		return m.push(v, err)
	default:
		return fmt.Errorf("pickle instruction 0x%02x is not supported", op)
	}
	return nil
}

func (m *machine) byte() (byte, error) {
	if m.pos >= len(m.data) {
		return 0, errEnd
	}
	m.pos++
	return m.data[m.pos-1], nil
}

func (m *machine) bytes(n int) ([]byte, error) {
	if n < 0 || n > len(m.data)-m.pos {
		return nil, errEnd
	}
	m.pos += n
	return m.data[m.pos-n : m.pos], nil
}

// sized reads a length of n bytes and then as many bytes.
func (m *machine) sized(n int) ([]byte, error) {
	b, err := m.uint(n)
	if err != nil {
		return nil, err
	}
	if b > math.MaxInt32 {
		return nil, errEnd
	}
	return m.bytes(int(b))
}

// uint reads a little-endian number of n bytes.
func (m *machine) uint(n int) (uint64, error) {
	b, err := m.bytes(n)
	if err != nil {
		return 0, err
	}
	var full [8]byte
	copy(full[:], b)
	return binary.LittleEndian.Uint64(full[:]), nil
}

func (m *machine) line() (string, error) {
	for i := m.pos; i < len(m.data); i++ {
		if m.data[i] == '\n' {
			s := string(m.data[m.pos:i])
			m.pos = i + 1
			return strings.TrimSuffix(s, "\r"), nil
		}
	}
	return "", errEnd
}

func (m *machine) push(v any, err error) error {
	if err == nil {
		m.stack = append(m.stack, v)
	}
	return err
}

// top is the last value, which must have been made after the last mark.
func (m *machine) top() (any, error) {
	low := 0
	if n := len(m.marks); n > 0 {
		low = m.marks[n-1]
	}
	if len(m.stack) <= low {
		return nil, errStack
	}
	return m.stack[len(m.stack)-1], nil
}

func (m *machine) pop() (any, error) {
	v, err := m.top()
	if err == nil {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return v, err
}

// popMark takes all values since the last mark.
func (m *machine) popMark() ([]any, error) {
	n := len(m.marks)
	if n == 0 {
		return nil, errStack
	}
	at := m.marks[n-1]
	m.marks = m.marks[:n-1]
	items := append([]any(nil), m.stack[at:]...)
	m.stack = m.stack[:at]
	return items, nil
}
