package ui

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
)

// draftFiles are the pictures that a draft names: files of a folder, each called as its
// content, so that a draft never has another's picture. The zero value holds none.
type draftFiles struct {
	names map[*byte]string // of the pictures in memory
	there map[string]bool  // what lies in the folder; true: the draft names it
}

const draftPrefix, draftSuffix = "draft-", ".png"

// keep begins another draft. The function that it returns writes a picture's file,
// unless it is there, and gives its name; "" for none.
func (d *draftFiles) keep(k *keeper, folder string) func(data []byte) string {
	if d.there == nil {
		d.names, d.there = map[*byte]string{}, map[string]bool{}
		left, _ := filepath.Glob(filepath.Join(folder, draftPrefix+"*"+draftSuffix)) // the pattern is sound
		for _, path := range left {
			d.there[filepath.Base(path)] = false
		}
	}
	for name := range d.there {
		d.there[name] = false
	}
	before := d.names
	d.names = map[*byte]string{}
	return func(data []byte) string {
		if len(data) == 0 {
			return ""
		}
		name, known := before[&data[0]]
		if !known {
			sum := sha256.Sum256(data)
			name = draftPrefix + fmt.Sprintf("%x", sum[:8]) + draftSuffix
		}
		d.names[&data[0]] = name
		if _, there := d.there[name]; !there {
			k.put(filepath.Join(folder, name), data)
		}
		d.there[name] = true
		return name
	}
}

// drop removes the files that the draft does not name.
func (d *draftFiles) drop(k *keeper, folder string) {
	for name, named := range d.there {
		if !named {
			k.put(filepath.Join(folder, name), nil)
			delete(d.there, name)
		}
	}
}
