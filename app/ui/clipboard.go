package ui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Fyne's clipboard holds text alone, so pictures go through the desktop's own
// programs where they are installed.
var pictureClipboards = []struct {
	display     string // is set where the program works
	copy, paste []string
}{
	{"WAYLAND_DISPLAY", []string{"wl-copy", "--type", "image/png"}, []string{"wl-paste", "--type", "image/png"}},
	{"DISPLAY", []string{"xclip", "-selection", "clipboard", "-target", "image/png", "-in"}, []string{"xclip", "-selection", "clipboard", "-target", "image/png", "-out"}},
}

// pictureClipboard returns the commands that copy and paste a PNG, or nil where
// there are none.
func pictureClipboard() (copy, paste []string) {
	for _, c := range pictureClipboards {
		if os.Getenv(c.display) == "" {
			continue
		}
		if _, err := exec.LookPath(c.copy[0]); err == nil {
			return c.copy, c.paste
		}
	}
	return nil, nil
}

// copyPNG puts a picture's file into the clipboard.
func copyPNG(png []byte) error {
	command, _ := pictureClipboard()
	if command == nil {
		return errors.New("install xclip or wl-clipboard to copy pictures")
	}
	c := exec.Command(command[0], command[1:]...)
	c.Stdin = bytes.NewReader(png)
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w", command[0], err)
	}
	return nil
}

// pastePNG returns the picture in the clipboard.
func pastePNG() ([]byte, error) {
	_, command := pictureClipboard()
	if command == nil {
		return nil, errors.New("install xclip or wl-clipboard to paste pictures")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, command[0], command[1:]...).Output()
	if err != nil || !strings.HasPrefix(string(out), "\x89PNG") {
		return nil, errors.New("there is no picture in the clipboard")
	}
	return out, nil
}
