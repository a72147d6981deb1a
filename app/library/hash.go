package library

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"latent/gpu/atomicfile"
)

// Hash is the SHA-256 of the model file at path, 64 hexadecimal digits; other
// programs' "model hash" is its first ten (see ShortHash). Of a folder it is
// that of the U-Net's file. Two gigabytes take seconds, so it is kept in the
// user's cache folder for as long as size and time of the file stay the same.
// It may be called from any goroutine.
func Hash(path string) (string, error) {
	files, err := hashedFiles(path)
	if err != nil {
		return "", fmt.Errorf("hash of %s: %w", path, atomicfile.Reason(err))
	}
	sum, err := hashFiles(files)
	if err != nil {
		return "", fmt.Errorf("hash of %s: %w", path, atomicfile.Reason(err))
	}
	return sum, nil
}

// ShortHash is the first ten digits of a Hash, as pictures' recipes hold it.
func ShortHash(sum string) string { return sum[:min(len(sum), 10)] }

// hashedFiles are the files whose bytes make a model's hash.
func hashedFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() {
		return []string{path}, err
	}
	names, err := weightFiles(os.DirFS(path), "unet", "diffusion_pytorch_model")
	for i, name := range names {
		names[i] = filepath.Join(path, filepath.FromSlash(name))
	}
	return names, err
}

// hashed is what the cache knows of a file.
type hashed struct {
	Size    int64  `json:"size"`
	Changed int64  `json:"changed"` // nanoseconds
	SHA256  string `json:"sha256"`
}

// hashing lets one goroutine hash and write the cache at a time.
var hashing sync.Mutex

func hashFiles(files []string) (string, error) {
	hashing.Lock()
	defer hashing.Unlock()
	// The key is the first file; of several, sizes are added and the latest time counts.
	key, err := filepath.Abs(files[0])
	if err != nil {
		return "", err
	}
	var now hashed
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			return "", err
		}
		now.Size += info.Size()
		now.Changed = max(now.Changed, info.ModTime().UnixNano())
	}
	cache, path := readHashes()
	if known, ok := cache[key]; ok && known.Size == now.Size && known.Changed == now.Changed {
		return known.SHA256, nil
	}
	h := sha256.New()
	for _, name := range files {
		if err := hashFile(h, name); err != nil {
			return "", err
		}
	}
	now.SHA256 = hex.EncodeToString(h.Sum(nil))
	cache[key] = now
	writeHashes(path, cache)
	return now.SHA256, nil
}

func hashFile(h io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyBuffer(h, f, make([]byte, 1<<20))
	return err
}

// hashFS is the hash of a folder inside a file system.
func hashFS(folder fs.FS) (string, error) {
	names, err := weightFiles(folder, "unet", "diffusion_pytorch_model")
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, name := range names {
		data, err := fs.ReadFile(folder, name)
		if err != nil {
			return "", err
		}
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// readHashes reads the cache; whatever is wrong with it, it is only a cache.
func readHashes() (cache map[string]hashed, path string) {
	cache = map[string]hashed{}
	dir, err := os.UserCacheDir()
	if err != nil {
		return cache, ""
	}
	path = filepath.Join(dir, "latent", "hashes.json")
	data, err := os.ReadFile(path)
	if err == nil && json.Unmarshal(data, &cache) != nil || cache == nil {
		cache = map[string]hashed{}
	}
	return cache, path
}

// writeHashes keeps what is still there: entries of files that are gone are
// dropped.
func writeHashes(path string, cache map[string]hashed) {
	if path == "" {
		return
	}
	for name := range cache {
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			delete(cache, name)
		}
	}
	data, err := json.MarshalIndent(cache, "", "  ")
	if err == nil && os.MkdirAll(filepath.Dir(path), 0o755) == nil {
		atomicfile.WriteFile(path, append(data, '\n'))
	}
}
