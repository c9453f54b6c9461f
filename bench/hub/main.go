// Command hub measures the speed and the memory of the hub. Each measurement (row) is compared with a minimal program
// that does the same work in the same run. Beside each measurement, the command prints the load of the computer.
// Absolute values are valid only if the computer is otherwise idle; ratios are valid on any computer.
//
//	go run ./bench/hub                    all rows
//	go run ./bench/hub -only ingest       one row
//	go run ./bench/hub -only kill -times 500
//
// Each row is a function in a separate file, and a line in rows.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
)

// options are the values of the command's flags.
type options struct {
	times             int              // for the row kill: number of kills
	records           int              // for ingest: number of records; for change: number of members
	machines, members int              // for machines: number of machines and number of members
	rounds            int              // for machines: how often each kind of change is made
	profile           string           // for machines: file to which the hub writes its profile; empty: no profile
	quick             bool             // for machines: make no pauses between changes, as tests need
	dir               string           // folder for databases; empty: the system's folder for temporary files
	log               io.Writer        // receives log lines
	out               func(row ...any) // prints one line of a row's result
}

// row is one measurement. The function run returns an error if the hub exceeds a limit that is documented.
type row struct {
	name, about string
	run         func(context.Context, options) error
}

// rows lists all measurements.
func rows() []row {
	return []row{
		{"ingest", "records a second, batches of 100, beside a bare insert of the same bytes", ingest},
		{"machines", "many simulated machines at one hub, with a large directory", machines},
		{"pages", "each page and paged read, at 10,000 members and a million records", pages},
		{
			"change",
			"from a change of one member until the next bundle is in force; -records says how many members",
			changeRow,
		},
		{"kill", "a process that takes records and makes changes is killed (-9)", kill},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if code, is := beChild(ctx, os.Args[1:]); is {
		os.Exit(code)
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// beChild runs this program as a child process of a row, if args name one. The result is is true if args name a child
// process of a row.
func beChild(ctx context.Context, args []string) (code int, is bool) {
	if len(args) < 2 {
		return 0, false
	}
	switch args[0] {
	case childArgument:
		return child(ctx, args[1:], os.Stdout, os.Stderr), true
	case childOfMachines:
		return beHub(ctx, args[1:], os.Stdout, os.Stderr), true
	case childOfBare:
		return beBare(os.Stdout, os.Stderr), true
	}
	return 0, false
}

// run parses the flags and runs the rows that they select. The exit code is 1 if a limit was exceeded, and 2 if the
// flags are wrong.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	o := options{log: errs, out: func(row ...any) { fmt.Fprintln(out, row...) }}
	fs := flag.NewFlagSet("hub", flag.ContinueOnError)
	fs.SetOutput(errs)
	only := fs.String("only", "", "the rows to run, with commas between; empty: all")
	fs.IntVar(&o.times, "times", 20, "how often the row kill kills")
	fs.IntVar(&o.records, "records", 10_000, "how many records the row ingest takes")
	fs.IntVar(&o.machines, "machines", 1000, "how many machines the row machines simulates")
	fs.IntVar(&o.members, "members", 10_000, "how many members the row machines has")
	fs.IntVar(&o.rounds, "rounds", 3, "how often the row machines makes each change: the worst counts")
	fs.StringVar(&o.profile, "profile", "", "where the row machines writes a profile of the hub (default: nowhere)")
	fs.StringVar(&o.dir, "dir", "", "where databases are made (default: the system's folder for temporary files)")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	wanted := map[string]bool{}
	for _, name := range strings.FieldsFunc(*only, func(r rune) bool { return r == ',' }) {
		wanted[name] = true
	}
	failed := 0
	for _, r := range rows() {
		if *only != "" && !wanted[r.name] {
			continue
		}
		delete(wanted, r.name)
		fmt.Fprintf(out, "%s: %s (load %s)\n", r.name, r.about, load())
		if err := r.run(ctx, o); err != nil {
			fmt.Fprintf(out, "  FAILED: %v\n", err)
			failed = 1
		}
		fmt.Fprintf(out, "  load %s\n", load())
	}
	for name := range wanted {
		fmt.Fprintf(errs, "hub: unknown row %q\n", name)
		failed = 2
	}
	return failed
}

// load returns the load of the computer over the last 1, 5 and 15 minutes (proc(5), /proc/loadavg).
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if f := strings.Fields(string(b)); err == nil && len(f) >= 3 {
		return strings.Join(f[:3], " ")
	}
	return "unknown"
}
