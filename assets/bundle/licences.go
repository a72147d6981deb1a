package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// collectLicences writes those of the Go modules and of C libraries, named or by path.
func collectLicences(dir, tags string, libraries []string) error {
	for _, path := range libraries {
		if !filepath.IsAbs(path) {
			var err error
			if path, err = find(path); err != nil {
				return err
			}
		}
		if err := packageLicence(dir, path); err != nil {
			return err
		}
	}
	return moduleLicences(dir, tags)
}

// packageLicence copies the licence of a library, as the Debian package it came in
// states it.
func packageLicence(dir, library string) error {
	owner, err := owner(library)
	if err != nil {
		return err
	}
	text := filepath.Join("/usr/share/doc", owner, "copyright")
	if err := copyFile(filepath.Join(dir, owner), text); err != nil {
		return fmt.Errorf("the licence of %s: %w", library, err)
	}
	return nil
}

// owner names the package that a file belongs to. Of a file below /usr/lib dpkg may
// know that it is below /lib.
func owner(path string) (string, error) {
	for _, p := range []string{path, strings.TrimPrefix(path, "/usr"), "/usr" + path} {
		out, err := exec.Command("dpkg-query", "-S", p).Output()
		if name, _, ok := strings.Cut(string(out), ":"); err == nil && ok {
			return name, nil
		}
	}
	return "", fmt.Errorf("%s belongs to no Debian package, and its licence is not known: remove it, or install the library's package", path)
}

var licenceFile = regexp.MustCompile(`^(?i:licen[cs]e|copying|notice|ofl)([.-].*)?$`)

// moduleLicences writes those of the Go modules in the program, and Go's own, to
// go-modules.txt.
func moduleLicences(dir, tags string) error {
	out, err := exec.Command("go", "list", "-deps", "-tags", tags,
		"-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}", "./app").Output()
	if err != nil {
		return fmt.Errorf("listing the modules: %w", err)
	}
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	var all strings.Builder
	seen := map[string]bool{}
	for line := range strings.Lines("Go\t" + string(root) + string(out)) {
		name, folder, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || seen[name] {
			continue
		}
		seen[name] = true
		n := all.Len()
		err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir():
				if path != folder && (name == "Go" || d.Name() == "testdata") {
					return fs.SkipDir
				}
				return nil
			case !licenceFile.MatchString(d.Name()) || strings.HasSuffix(path, ".go"):
				return nil
			}
			text, err := os.ReadFile(path)
			rel, _ := filepath.Rel(folder, path)
			fmt.Fprintf(&all, "==== %s: %s\n\n%s\n\n", name, rel, strings.TrimSpace(string(text)))
			return err
		})
		if err != nil {
			return err
		}
		if all.Len() == n {
			fmt.Fprintf(&all, "==== %s: no file with a licence\n\n", name)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go-modules.txt"), []byte(all.String()), 0o644)
}
