//go:build !headless

package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// Windows gives a program for the window no console. A subcommand writes to that of
// the program it was started from, unless its output was sent elsewhere.
func init() {
	if len(os.Args) < 2 {
		return
	}
	lost := map[uint32]**os.File{}
	for id, file := range map[uint32]**os.File{windows.STD_OUTPUT_HANDLE: &os.Stdout, windows.STD_ERROR_HANDLE: &os.Stderr} {
		if kind, err := windows.GetFileType(windows.Handle((*file).Fd())); err != nil || kind == windows.FILE_TYPE_UNKNOWN {
			lost[id] = file
		}
	}
	if len(lost) == 0 {
		return
	}
	// It fails where there is none, or it is attached already, as in Wine: opening tells.
	const parent = 1<<32 - 1 // ATTACH_PARENT_PROCESS
	windows.NewLazySystemDLL("kernel32.dll").NewProc("AttachConsole").Call(parent)
	for id, file := range lost {
		if f, err := os.OpenFile("CONOUT$", os.O_RDWR, 0); err == nil {
			*file = f
			windows.SetStdHandle(id, windows.Handle(f.Fd())) // for the runtime's own messages
		}
	}
}
