package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// flags is the flag set of a subcommand. Flags may follow other arguments.
type flags struct {
	*flag.FlagSet
}

func newFlags(name string) flags {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard) // Run prints the error
	return flags{fs}
}

// parse reads the flags and exactly as many other arguments as are named. done
// says that help was asked for and printed.
func (f flags) parse(args []string, names ...string) (positional []string, done bool, err error) {
	for {
		err := f.FlagSet.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			f.printHelp(os.Stdout)
			return nil, true, nil
		}
		if err != nil {
			return nil, false, badUsage("%v; see latent help %s", err, f.Name())
		}
		if f.NArg() == 0 {
			break
		}
		positional, args = append(positional, f.Arg(0)), f.Args()[1:]
	}
	if n := len(positional); n < len(names) {
		return nil, false, badUsage("%s: %s is missing; see latent help %s", f.Name(), names[n], f.Name())
	} else if n > len(names) {
		return nil, false, badUsage("%s: what is %q? see latent help %s", f.Name(), positional[len(names)], f.Name())
	}
	return positional, false, nil
}

// given tells whether a flag stands on the command line.
func (f flags) given(name string) (found bool) {
	f.Visit(func(fl *flag.Flag) { found = found || fl.Name == name })
	return found
}

// device and precision say where to compute.
func (f flags) device() *string {
	return f.String("device", "auto", "`NAME`: auto, cuda, cuda:1, host or reference")
}

func (f flags) precision() *string {
	return f.String("precision", "auto", "`NAME`: auto, f32 or bf16")
}

func (f flags) upscalerDir() *string {
	return f.String("upscaler-dir", "", "`DIR`: where ESRGANs are looked for by their names")
}

// A flagGroup is a part of a command's flags, which help shows under a title.
type flagGroup struct {
	title string
	flags []string
}

// flagGroups are those of commands with many flags.
var flagGroups = map[string][]flagGroup{"generate": generateGroups}

func (f flags) printHelp(w io.Writer) {
	for _, c := range commands() {
		if c.name == f.Name() {
			fmt.Fprintf(w, "latent %s %s\n\n%s%s.\n", c.name, c.synopsis, strings.ToUpper(c.summary[:1]), c.summary[1:])
		}
	}
	list := slices.Clone(flagGroups[f.Name()])
	var rest flagGroup
	if list != nil {
		rest.title = "Others"
	}
	f.VisitAll(func(fl *flag.Flag) {
		if !slices.ContainsFunc(list, func(g flagGroup) bool { return slices.Contains(g.flags, fl.Name) }) {
			rest.flags = append(rest.flags, fl.Name)
		}
	})
	if len(rest.flags) > 0 {
		list = append(list, rest)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, g := range list {
		fmt.Fprintln(tw)
		if g.title != "" {
			fmt.Fprintf(tw, "%s:\n", g.title)
		}
		for _, name := range g.flags {
			fl := f.Lookup(name)
			value, text := flag.UnquoteUsage(fl) // "`NAME`: what it is" gives the name and all
			text = strings.TrimPrefix(text, value+": ")
			if fl.DefValue != "" && fl.DefValue != "false" && fl.DefValue != "0" {
				text += " (" + fl.DefValue + ")"
			}
			fmt.Fprintf(tw, "  --%s %s\t%s\n", fl.Name, value, text)
		}
	}
	tw.Flush()
}
