package ui

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"latent/gpu/atomicfile"
)

// keeper writes small files in the background, so that a slow disk stops no
// window. Files are written in the order in which they changed; of a file that
// changes again meanwhile, only the newest content is.
type keeper struct {
	failed func(path string, err error) // on the keeper's goroutine

	mu      sync.Mutex
	pending map[string]func() ([]byte, error) // what to write; nil data: the file is to go
	order   []string
	working bool
	idle    *sync.Cond
}

func newKeeper(failed func(path string, err error)) *keeper {
	k := &keeper{failed: failed, pending: map[string]func() ([]byte, error){}}
	k.idle = sync.NewCond(&k.mu)
	return k
}

// put replaces path by data, and makes its folder; nil removes it.
func (k *keeper) put(path string, data []byte) {
	k.putMade(path, func() ([]byte, error) { return data, nil })
}

// putMade is put of what content will return on the keeper's goroutine.
func (k *keeper) putMade(path string, content func() ([]byte, error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, waits := k.pending[path]; !waits {
		k.order = append(k.order, path)
	}
	k.pending[path] = content
	if !k.working {
		k.working = true
		go k.work()
	}
}

func (k *keeper) work() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for len(k.order) > 0 {
		path := k.order[0]
		content := k.pending[path]
		k.order = k.order[1:]
		delete(k.pending, path)
		k.mu.Unlock()
		data, err := content()
		if err == nil {
			err = keep(path, data)
		}
		if err != nil {
			k.failed(path, err)
		}
		k.mu.Lock()
	}
	k.working = false
	k.idle.Broadcast()
}

// flush returns when all that was put is on the disk.
func (k *keeper) flush() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for k.working {
		k.idle.Wait()
	}
}

func keep(path string, data []byte) error {
	if data == nil {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.WriteFile(path, data)
}
