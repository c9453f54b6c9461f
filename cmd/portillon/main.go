// Command portillon is the tool for administrators, with verbs for policies, badges, bundles, a machine's daemon and
// evidence, and a demo.
//
// The exit code is 0 for a positive answer (valid, allowed, no difference), 1 for a negative answer, 2 for wrong use or
// unreadable input, and 3 if the command could not find an answer. Errors are printed as «portillon: what went wrong»,
// then «portillon: hint: what to do».
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/enrol"
	"portillon/cmd/internal/hubd"
)

func main() { start(openTalker) }

// start runs portillon, or portillond if the executable was started under that name.
func start(open opener) {
	// The demo starts its daemons from the same executable, under the name of the other program.
	switch filepath.Base(os.Args[0]) {
	case "portillond":
		if len(os.Args) > 1 && os.Args[1] == "enrol" {
			os.Exit(enrol.Main(os.Args[2:]))
		}
		os.Exit(daemoncmd.Main(os.Args[1:]))
	case "portillon-hub":
		os.Exit(hubd.Main(os.Args[1:]))
	}
	os.Exit(run(os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr, open}))
}

// stdio contains the input and output streams of a verb.
type stdio struct {
	in       io.Reader
	out, err io.Writer
	open     opener // function that opens card readers; tests replace it by a simulation
}

// run executes the tool without ending the process, and returns the exit code.
func run(args []string, io stdio) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process even if a verb ignores the context
	v, rest, err := findVerb(args)
	if slices.Contains(atOnce, v.name) {
		signal.Reset(os.Interrupt, syscall.SIGTERM)
	}
	if err == nil {
		err = v.run(ctx, io, rest)
	}
	return report(io, err)
}

// atOnce lists verbs that may compute for a long time without checking the context, and that leave no incomplete files.
// If one of these commands runs, the first signal ends the process. Only the command that the person typed is looked up
// in this list: the demo also builds bundles, but must stop its machines before it ends.
var atOnce = []string{"policy check", "policy test", "policy diff", "bundle build"}

// findVerb returns the verb with which the arguments begin, and the remaining arguments.
func findVerb(args []string) (verb, []string, error) {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		return verb{run: func(_ context.Context, io stdio, _ []string) error { usage(io.out); return nil }}, nil, nil
	}
	for _, v := range verbs() {
		words := strings.Fields(v.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == v.name {
			return v, args[len(words):], nil
		}
	}
	given := args[0]
	if len(args) > 1 && !strings.HasPrefix(args[1], "-") {
		given += " " + args[1]
	}
	return verb{}, nil, wrong("unknown verb %q", given).hinted("%s", suggest(given))
}

// suggest lists the verbs with the same first word.
func suggest(given string) string {
	family := strings.Fields(given)[0]
	var near []string
	for _, v := range verbs() {
		if strings.Fields(v.name)[0] == family {
			near = append(near, v.name)
		}
	}
	if len(near) > 0 {
		return "one of: " + strings.Join(near, ", ")
	}
	return "portillon help lists the verbs"
}

// usage prints all verbs.
func usage(w io.Writer) {
	fmt.Fprint(w, "portillon: a gate of skill beside each machine\n\nnew here: portillon demo\n\n")
	for _, v := range verbs() {
		fmt.Fprintf(w, "  %-18s %-42s %s\n", v.name, v.args, v.does)
	}
	fmt.Fprint(w, "\nexit: 0 yes, 1 no, 2 wrong use or unreadable input, 3 cannot say\n")
}

// failure is an error with an exit code and a hint. For errors of other types, the exit code is 2.
type failure struct {
	code int
	err  error
	hint string
}

// Error implements error.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap returns the error that caused the failure.
func (f *failure) Unwrap() error { return f.err }

// hinted adds a hint to a failure and returns the failure.
func (f *failure) hinted(format string, a ...any) *failure {
	f.hint = fmt.Sprintf(format, a...)
	return f
}

// wrong returns a failure with exit code 2, for wrong use or unreadable input.
func wrong(format string, a ...any) *failure { return &failure{code: 2, err: fmt.Errorf(format, a...)} }

// no returns a failure with exit code 1, for a negative answer of the verb.
func no(format string, a ...any) *failure { return &failure{code: 1, err: fmt.Errorf(format, a...)} }

// errNo and errCannotSay set exit codes 1 and 3 without an error message, because the verb has printed the result on
// standard output.
var (
	errNo        = &failure{code: 1}
	errCannotSay = &failure{code: 3}
)

// report prints an error with its hint, and returns the exit code.
func report(io stdio, err error) int {
	var f *failure
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &f):
	default:
		f = &failure{code: 2, err: err}
	}
	if f.err != nil {
		fmt.Fprintf(io.err, "portillon: %s\n", plainLines(f.err.Error()))
	}
	if f.hint != "" {
		fmt.Fprintf(io.err, "portillon: hint: %s\n", plainLines(f.hint))
	}
	return f.code
}

// parseFlags parses the flags of a verb and returns the verb's arguments. Flags may precede, separate or follow the
// arguments. The argument want is the required number of arguments; a negative want allows any number.
func parseFlags(io stdio, name string, args []string, want int, declare func(*flag.FlagSet)) ([]string, error) {
	fs := flag.NewFlagSet("portillon "+name, flag.ContinueOnError)
	fs.SetOutput(io.err)
	fs.Usage = func() { fmt.Fprintf(io.err, "usage: portillon %s %s\n", name, argsOf(name)); fs.PrintDefaults() }
	if declare != nil {
		declare(fs)
	}
	var rest []string
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, &failure{code: 2, err: fmt.Errorf("command %s was used wrongly", name)}
		}
		if args = fs.Args(); len(args) > 0 {
			rest, args = append(rest, args[0]), args[1:]
		}
	}
	if want >= 0 && len(rest) != want {
		return nil, wrong("%s takes %d argument(s), %d given", name, want, len(rest)).
			hinted("usage: portillon %s %s", name, argsOf(name))
	}
	return rest, nil
}

// argsOf returns the arguments of a verb in the form of the usage text.
func argsOf(name string) string {
	for _, v := range verbs() {
		if v.name == name {
			return v.args
		}
	}
	return ""
}
