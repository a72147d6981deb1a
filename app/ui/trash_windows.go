package ui

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"

	"latent/gpu/atomicfile"
)

const (
	trashName  = "recycle bin"
	canRestore = false
)

// A trashed file lies where the recycle bin put it, which Windows does not tell.
type trashed struct{}

func (t trashed) restore() error { return errors.New("restore it from the recycle bin") }

// fileOperation is SHFILEOPSTRUCTW.
type fileOperation struct {
	window    uintptr
	do        uint32
	from, to  *uint16
	flags     uint16
	cancelled int32
	names     uintptr
	title     *uint16
}

const (
	foDelete           = 3
	fofSilent          = 0x4
	fofNoConfirmation  = 0x10
	fofAllowUndo       = 0x40 // to the recycle bin
	fofNoErrorUI       = 0x400
	fofWantNukeWarning = 0x4000 // asks the user where the drive has no recycle bin
)

var shFileOperation = windows.NewLazySystemDLL("shell32.dll").NewProc("SHFileOperationW")

// toTrash moves a file or folder to the recycle bin. Where there is none Windows asks
// the user whether to delete it for good.
func toTrash(_, path string) (trashed, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return trashed{}, err
	}
	if _, err := os.Lstat(path); err != nil {
		return trashed{}, atomicfile.Reason(err)
	}
	list, err := windows.UTF16FromString(path)
	if err != nil {
		return trashed{}, err
	}
	list = append(list, 0) // an empty name ends the list
	op := fileOperation{do: foDelete, from: &list[0], flags: fofSilent | fofNoConfirmation | fofAllowUndo | fofNoErrorUI | fofWantNukeWarning}
	code, _, _ := shFileOperation.Call(uintptr(unsafe.Pointer(&op)))
	switch {
	case op.cancelled != 0:
		return trashed{}, errors.New("it was left where it is")
	case code != 0:
		return trashed{}, fmt.Errorf("Windows refuses to (error %#x)", code)
	}
	return trashed{}, nil
}
