package gpu

import "fmt"

// Error is what an operation panics with: wrong shapes, a device that ran out
// of memory or failed.
type Error struct {
	Op  string // the operation, for example "conv2d"
	Err error
}

func (e *Error) Error() string { return e.Op + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Catch turns a panic with *Error into an error; any other panic goes on.
//
//	func (m *Model) Encode(…) (y *gpu.Tensor, err error) {
//		defer gpu.Catch(&err)
func Catch(err *error) {
	switch r := recover().(type) {
	case nil:
	case *Error:
		*err = r
	default:
		panic(r)
	}
}

func fail(op, format string, args ...any) {
	panic(&Error{Op: op, Err: fmt.Errorf(format, args...)})
}

func check(ok bool, op, format string, args ...any) {
	if !ok {
		fail(op, format, args...)
	}
}
