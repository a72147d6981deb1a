// Bundle makes the folder of a package self-contained. Into lib/latent it copies the
// libraries that the program in bin/ needs and that not every desktop has, into
// share/doc/latent/licences the licences of all that is linked, and checks the result:
//
//	go run ./assets/bundle -tags cuda out/package/NAME
//	go run ./assets/bundle -check out/package/NAME
//	go run ./assets/bundle -licences DIR -tags nodnnl
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
	texts := flag.String("licences", "", "only collect the modules' licences, into this `folder`")
	flag.Parse()
	if err := run(flag.Arg(0), *tags, *texts, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

func run(root, tags, texts string, only bool) error {
	if texts != "" {
		return moduleLicences(texts, tags)
	}
	if root == "" {
		return fmt.Errorf("name the package's folder")
	}
	if !only {
		copied, err := collect(filepath.Join(root, program), filepath.Join(root, libraries), find)
		if err != nil {
			return err
		}
		for _, from := range copied {
			if err := packageLicence(filepath.Join(root, licences), from); err != nil {
				return err
			}
		}
		if err := moduleLicences(filepath.Join(root, licences), tags); err != nil {
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
