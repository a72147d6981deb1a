// Package memory tells tests how much memory something takes.
package memory

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// Allocated is how many bytes f takes in all, garbage included.
func Allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// OfFiles is how many bytes of mapped files the process has in memory. It skips the
// test where the system does not tell.
func OfFiles(t testing.TB) int {
	t.Helper()
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, ok := strings.Cut(string(status), "RssFile:")
	if !ok {
		t.Skip("this system does not tell what it has in memory of files")
	}
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}
