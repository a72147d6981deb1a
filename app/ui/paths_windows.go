package ui

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// userHomes asks Windows: people move their folders to other drives.
func userHomes() homes {
	local := filepath.Join(known(windows.FOLDERID_LocalAppData, "AppData", "Local"), "latent")
	return homes{
		data:     local,
		state:    filepath.Join(local, "state"),
		cache:    filepath.Join(local, "cache"),
		pictures: known(windows.FOLDERID_Pictures, "Pictures"),
	}
}

// known is one of the user's folders, or its usual place under home.
func known(id *windows.KNOWNFOLDERID, home ...string) string {
	if dir, err := windows.KnownFolderPath(id, windows.KF_FLAG_DONT_VERIFY); err == nil {
		return dir
	}
	dir, err := os.UserHomeDir()
	if err != nil {
		dir = "."
	}
	return filepath.Join(append([]string{dir}, home...)...)
}
