//go:build !headless

package ui

import "fmt"

// trash moves a file or folder to the trash and offers at n to bring it back; then is
// called after each of the two.
func (w *Window) trash(path, what string, n *notice, then func()) {
	inBackground(w.post, func() (trashed, error) { return toTrash(w.places.trash, path) }, func(t trashed, err error) {
		defer then()
		if err != nil {
			n.fail(fmt.Sprintf("%s could not be moved to the %s: %v", what, trashName, err))
			return
		}
		n.offerUndo(fmt.Sprintf("%s is in the %s", what, trashName), func() {
			inBackground(w.post, func() (struct{}, error) { return struct{}{}, t.restore() }, func(_ struct{}, err error) {
				if err != nil {
					n.fail(fmt.Sprintf("%s could not be brought back: %v", what, err))
				}
				then()
			})
		})
	})
}

// offerUndo says what is in the trash, and offers to bring it back where a program can.
func (n *notice) offerUndo(says string, undo func()) {
	if !canRestore {
		n.tell(says + "; to undo this, restore from there")
		return
	}
	n.offer(says, "Undo", undo)
}
