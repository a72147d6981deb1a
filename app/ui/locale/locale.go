// Package locale keeps Fyne from complaining. Fyne reads the user's language
// before main begins, and prints three lines about a locale such as C.UTF-8 or
// de_DE@euro, also for a subcommand that opens no window.
//
// Import it for its effect. Go initialises packages that are ready in the order
// of their paths; this one needs only os and strings, while Fyne's lang needs
// text/template, whose path comes later.
package locale

import (
	"os"
	"strings"
)

func init() {
	if list, ok := languages(os.Getenv); !ok {
		os.Setenv("LANGUAGE", list)
	}
}

// languages returns what LANGUAGE must be for Fyne to understand it, and whether
// all is well without. LANGUAGE alone is changed: it chooses translations, and no
// encoding.
func languages(env func(string) string) (string, bool) {
	locale := ""
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if locale = env(name); locale != "" {
			break
		}
	}
	if locale == "C" || locale == "POSIX" {
		return "", true
	}
	list := env("LANGUAGE")
	if list == "" {
		list = locale
	}
	if list == "" {
		return "", true
	}
	var good []string
	all := strings.Split(list, ":")
	for _, l := range all {
		if wellFormed(l) {
			good = append(good, l)
		}
	}
	if len(good) == 0 {
		good = []string{"en"}
	}
	return strings.Join(good, ":"), len(good) == len(all) && wellFormed(all[0])
}

// wellFormed tells whether l is a language such as de, or de_DE with or without
// an encoding.
func wellFormed(l string) bool {
	l, _, _ = strings.Cut(l, ".")
	language, territory, some := strings.Cut(strings.ReplaceAll(l, "-", "_"), "_")
	return (len(language) == 2 || len(language) == 3) && letters(language) &&
		(!some || len(territory) == 2 && letters(territory))
}

func letters(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}
