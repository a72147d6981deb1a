// Package assets holds what is built into the program.
package assets

import (
	"embed"
	"io/fs"
)

//go:embed all:model
var model embed.FS

// Model is the built-in model, a diffusers folder. It is empty but for a note in
// a program built without one: ask HasModel.
func Model() fs.FS { return sub(model, "model") }

//go:embed all:postcard/skeleton
var skeleton embed.FS

// Skeleton holds the config files that the built-in model is trained from: a
// diffusers folder without weights and tokenizer.
func Skeleton() fs.FS { return sub(skeleton, "postcard/skeleton") }

// HasModel tells whether a model is built in.
func HasModel() bool {
	_, err := fs.Stat(Model(), "model_index.json")
	return err == nil
}

func sub(f embed.FS, dir string) fs.FS {
	folder, err := fs.Sub(f, dir)
	if err != nil {
		panic(err) // the path is a valid one
	}
	return folder
}
