// Package cli is the command line: each subcommand turns flags into a call of
// pipeline or trainer, and the answer into lines and files.
//
// Results go to standard output, progress and errors to standard error. The exit
// status is 0, 1 after a one-line reason, or 2 for a command line that makes no
// sense.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"latent/assets"
)

// command is a subcommand.
type command struct {
	name     string
	synopsis string // what follows the name
	summary  string
	run      func(ctx context.Context, args []string) error
}

func commands() []command {
	return []command{
		{"generate", "--prompt TEXT --out FILE|DIR [flags]", "paint pictures from a prompt", generate},
		{"train", "RECIPE.toml [--resume]", "train or fine-tune a model", train},
		{"dataset", "postcard --out DIR --count N [--seed N]", "write the pictures the built-in model learned from", dataset},
		{"score", "[--model DIR] [flags]", "measure a postcard model on captions it never saw", scoreModel},
		{"bench", "[--arch NAME|--model PATH [--profile]] [--json]", "measure this machine", bench},
		{"doctor", "", "say what this machine has, what will be used and why", doctor},
		{"upscale", "PICTURE --upscaler NAME --out FILE.png", "enlarge a picture with an ESRGAN", upscale},
		{"inspect", "PATH", "say what a model file, a model folder or a PNG is", inspect},
	}
}

// usageError is a command line that makes no sense.
type usageError struct{ reason string }

func (e usageError) Error() string { return e.reason }

func badUsage(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// Run executes a command line, without the program's name, and returns the exit
// status. Ctrl-C ends the job cleanly, a second one the process at once.
func Run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	err := dispatch(ctx, args)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil && err == ctx.Err() {
		err = errors.New("stopped")
	}
	fmt.Fprintln(os.Stderr, "latent:", strings.Join(strings.Fields(err.Error()), " "))
	if errors.As(err, new(usageError)) {
		return 2
	}
	return 1
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return badUsage("no command given; see latent help")
	}
	name, rest := args[0], args[1:]
	switch name {
	case "--version", "-version", "version":
		fmt.Println("latent", assets.Version)
		return nil
	case "help", "--help", "-help", "-h":
		if len(rest) == 0 {
			printHelp(os.Stdout)
			return nil
		}
		name, rest = rest[0], []string{"--help"}
	}
	for _, c := range commands() {
		if c.name == name {
			return c.run(ctx, rest)
		}
	}
	return badUsage("unknown command %q; see latent help", name)
}

func printHelp(w io.Writer) {
	fmt.Fprintln(w, "Latent turns a prompt into a picture. Without a command it opens its window.")
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, c := range commands() {
		fmt.Fprintf(tw, "  latent %s %s\t%s\n", c.name, c.synopsis, c.summary)
	}
	fmt.Fprintf(tw, "  latent help [COMMAND]\tshow this, or a command's flags\n")
	fmt.Fprintf(tw, "  latent --version\tshow the version\n")
	tw.Flush()
}
