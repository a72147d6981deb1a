// Resource writes what Windows shows of a program, as source for windres: latent.ico
// and latent.rc, which names the icon and tells the version.
//
//	go run ./assets/resource out/resource
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/disintegration/imaging"

	"latent/assets"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "resource: name the folder to write to")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "resource:", err)
		os.Exit(1)
	}
}

func write(dir string) error {
	icon, err := ico(assets.Icon, 256, 128, 64, 48, 32, 24, 20, 16)
	if err != nil {
		return err
	}
	script, err := rc(assets.Version)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "latent.ico"), icon, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "latent.rc"), []byte(script), 0o644)
}

// ico is a PNG's picture in square sizes of at most 256 pixels, each a PNG again, as
// Windows takes them since Vista.
func ico(picture []byte, sizes ...int) ([]byte, error) {
	large, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, fmt.Errorf("the icon: %w", err)
	}
	var head, body bytes.Buffer
	binary.Write(&head, binary.LittleEndian, []uint16{0, 1, uint16(len(sizes))}) // 1: an icon
	for _, size := range sizes {
		at := body.Len()
		if err := png.Encode(&body, imaging.Resize(large, size, size, imaging.Lanczos)); err != nil {
			return nil, err
		}
		binary.Write(&head, binary.LittleEndian, struct {
			Width, Height, Colours, Zero uint8 // of 256 pixels the byte is 0; no palette
			Planes, Bits                 uint16
			Bytes, At                    uint32
		}{uint8(size), uint8(size), 0, 0, 1, 32, uint32(body.Len() - at), uint32(6 + 16*len(sizes) + at)})
	}
	return append(head.Bytes(), body.Bytes()...), nil
}

// rc is the script of windres.
func rc(version string) (string, error) {
	numbers := strings.Split(version, ".")
	for _, n := range numbers {
		if _, err := strconv.ParseUint(n, 10, 16); err != nil || len(numbers) > 4 {
			return "", fmt.Errorf("version %s: at most four numbers below 65536 are wanted", version)
		}
	}
	for len(numbers) < 4 {
		numbers = append(numbers, "0")
	}
	binary := strings.Join(numbers, ",")
	return fmt.Sprintf(`1 ICON "latent.ico"
1 VERSIONINFO
FILEVERSION %s
PRODUCTVERSION %s
FILEOS 0x40004
FILETYPE 1
BEGIN
	BLOCK "StringFileInfo"
	BEGIN
		BLOCK "040904b0"
		BEGIN
			VALUE "FileDescription", "Latent"
			VALUE "ProductName", "Latent"
			VALUE "FileVersion", "%s"
			VALUE "ProductVersion", "%s"
			VALUE "LegalCopyright", "The Latent authors, MIT License"
		END
	END
	BLOCK "VarFileInfo"
	BEGIN
		VALUE "Translation", 0x409, 1200
	END
END
`, binary, binary, version, version), nil
}
