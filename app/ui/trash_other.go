//go:build !unix

package ui

import "errors"

type trashed struct{}

// toTrash knows no trash on this system, and deletes nothing.
func toTrash(home, path string) (trashed, error) {
	return trashed{}, errors.New("Latent knows no trash on this system: delete the file in the file manager")
}

func (t trashed) restore() error { return nil }
