// Bundle makes the folder of a package self-contained. Into lib/latent it copies the
// libraries that the program in bin/ needs and that not every desktop has, into
// share/doc/latent/licences the licences of all that is linked, and checks the result:
//
//	go run ./assets/bundle -tags cuda out/package/NAME
//	go run ./assets/bundle -check out/package/NAME
//
// Of a program that is linked statically only the licences are to be collected, its own
// C libraries' too:
//
//	go run ./assets/bundle -goos windows -tags nodnnl -licences DIR libgomp.a
//
// Libraries are looked for where the C compiler looks ($CC), their licences where
// Debian's packages keep them.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

// Parts of a package.
const (
	program   = "bin/latent"
	libraries = "lib/latent"
	licences  = "share/doc/latent/licences"
	runPath   = "$ORIGIN/../lib/latent" // from bin to lib/latent
)

func main() {
	tags := flag.String("tags", "", "build `tags` of the program, whose modules' licences are wanted")
	only := flag.Bool("check", false, "change nothing, only check")
	texts := flag.String("licences", "", "only collect licences, into this `folder`")
	goos := flag.String("goos", "", "`system` of the program whose modules' licences are wanted")
	flag.Parse()
	if *goos != "" {
		os.Setenv("GOOS", *goos)      // for go list
		os.Setenv("CGO_ENABLED", "1") // or the window's modules count as not there
	}
	var err error
	if *texts != "" {
		err = collectLicences(*texts, *tags, flag.Args())
	} else {
		err = run(flag.Arg(0), *tags, *only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(root, tags string, only bool) error {
	if root == "" {
		return fmt.Errorf("name the package's folder")
	}
	if !only {
		copied, err := collect(filepath.Join(root, program), filepath.Join(root, libraries), find)
		if err != nil {
			return err
		}
		if err := collectLicences(filepath.Join(root, licences), tags, copied); err != nil {
			return err
		}
	}
	needs, err := check(filepath.Join(root, program), filepath.Join(root, libraries))
	if err != nil {
		return err
	}
	fmt.Println("The package needs", needs)
	return nil
}
