//go:build cgo && !nodnnl

package host

// #cgo LDFLAGS: -ldnnl
import "C"
