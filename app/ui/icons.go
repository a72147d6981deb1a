//go:build !headless

package ui

import (
	"embed"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"
)

//go:embed icons/*.svg
var iconFiles embed.FS

// icon returns one of ours in the text's colour.
func icon(name string) fyne.Resource {
	data, err := iconFiles.ReadFile("icons/" + name + ".svg")
	if err != nil {
		panic(err) // a name in our own code
	}
	if strings.HasSuffix(name, "-white") { // on any picture
		return fyne.NewStaticResource(name+".svg", data)
	}
	return theme.NewThemedResource(fyne.NewStaticResource(name+".svg", data))
}
