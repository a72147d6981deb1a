// Package ui is Latent's window: pages to create, keep and train with, over an
// Engine that does the work. All of it runs on the window's goroutine; what
// other goroutines have to show passes through post.go.
package ui
