//go:build !headless

package ui

import "fmt"

// trash moves a file or folder to the trash and offers at n to bring it back; then is
// called after each of the two.
func (w *Window) trash(path, what string, n *notice, then func()) {
	inBackground(w.post, func() (trashed, error) { return toTrash(w.places.trash, path) }, func(t trashed, err error) {
		defer then()
		if err != nil {
			n.fail(fmt.Sprintf("%s could not be moved to the trash: %v", what, err))
			return
		}
		n.offer(what+" is in the trash", "Undo", func() {
			inBackground(w.post, func() (struct{}, error) { return struct{}{}, t.restore() }, func(_ struct{}, err error) {
				if err != nil {
					n.fail(fmt.Sprintf("%s could not be brought back: %v", what, err))
				}
				then()
			})
		})
	})
}
