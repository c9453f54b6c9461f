// Command away runs a hub and a machine on two simulated computers: two network namespaces, connected by a switch,
// without a route to the Internet. The programs are portillon-hub, portillond and portillon. The machine switches a
// simulated pin, receives cards through its control socket, and reads the time from a file (build tag owned_clock).
//
//	go run ./.ci/away [-only hub-week,half-open] [-out DIR] [-keep]
//
// The command prints, for each condition that may separate hub and machine, a row with «ok» or «FAIL» and a measured
// figure. The row story runs each command of docs/first-day.md and compares each answer with the answer on that page.
// The row browser performs the day of docs/first-day.md in Chromium (.ci/browser/firstday.mjs). This row runs only if
// -only names it. The command needs root to create the namespaces.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// limit is the longest time that the whole run, including the builds, may take.
const limit = 8 * time.Minute

// atOnce is how many rows run at the same time. It is more than the number of processors, because a row mostly waits.
const atOnce = 3

// row tests one condition that may separate hub and machine. The field run is the function that performs the row and
// returns the measured value as text.
type row struct {
	name string
	run  func(context.Context, *world) (figure string, err error)
	asks bool // the row runs only if the flag -only names it
}

// rows returns all rows in the order in which the command starts them.
func rows() []row {
	return []row{
		{name: "story", run: story},
		{name: "hub-week", run: hubOffForAWeek},
		{name: "machine-year", run: machineOffForAYear},
		{name: "no-internet", run: noInternetForEver},
		{name: "moved-found", run: hubMovedAndIsFound},
		{name: "moved-told", run: hubMovedAndMachineIsTold},
		{name: "clock-1970", run: firstBootIn1970},
		{name: "clock-2037", run: firstBootIn2037},
		{name: "half-open", run: cableWithoutReset},
		{name: "hub-frozen", run: hubThatAnswersNothing},
		{name: "certificate", run: certificateReplaced},
		{name: "revoked", run: revokedWhileAway},
		{name: "browser", run: browser, asks: true},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	only := flag.String("only", "", "only these rows, separated by commas")
	out := flag.String("out", "", "folder for screenshots; default: a temporary folder")
	keep := flag.Bool("keep", false, "keep the folders of the computers")
	flag.Parse()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	failed, err := run(ctx, *only, *out, *keep)
	if err != nil {
		fmt.Fprintln(os.Stderr, "away:", err)
	}
	if err != nil || failed > 0 {
		os.Exit(1)
	}
}

// run builds the programs, runs each chosen row in its own world, and returns the number of rows that failed.
func run(ctx context.Context, only, out string, keep bool) (failed int, err error) {
	if os.Geteuid() != 0 {
		return 0, errors.New("command away must run as root, because it creates network namespaces")
	}
	chosen, err := choose(only)
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "ptl-away-") // a short name, because the path of a socket may have at most 107 bytes
	if err != nil {
		return 0, err
	}
	if !keep {
		defer os.RemoveAll(dir)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return 0, err
	}
	if out == "" {
		out = dir
	}
	if out, err = filepath.Abs(out); err != nil {
		return 0, err
	}
	bin := filepath.Join(dir, "bin")
	if err := build(ctx, bin); err != nil {
		return 0, err
	}
	var (
		printing sync.Mutex
		all      sync.WaitGroup
	)
	// At most atOnce rows run at the same time.
	turn := make(chan struct{}, atOnce)
	for i, r := range chosen {
		all.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			began := time.Now()
			figure, err := inWorld(ctx, i, filepath.Join(dir, r.name), bin, out, r.run)
			printing.Lock()
			defer printing.Unlock()
			if err != nil {
				failed++
				fmt.Printf("FAIL %s: %v\n", r.name, err)
				return
			}
			fmt.Printf("ok %s: %s (%.1f s)\n", r.name, figure, time.Since(began).Seconds())
		})
	}
	all.Wait()
	return failed, nil
}

// choose returns the rows that only names. If only is empty, choose returns all rows whose field asks is false.
func choose(only string) (out []row, err error) {
	names := strings.FieldsFunc(only, func(r rune) bool { return r == ',' })
	known := map[string]bool{}
	for _, r := range rows() {
		known[r.name] = true
		if len(names) == 0 && !r.asks || slices.Contains(names, r.name) {
			out = append(out, r)
		}
	}
	for _, n := range names {
		if !known[n] {
			return nil, fmt.Errorf("flag -only names row %q, which does not exist", n)
		}
	}
	return out, nil
}

// build builds the three programs. Only the machine's program gets the build tag for a clock in a file; a packaged
// program never has this tag.
func build(ctx context.Context, bin string) error {
	return errors.Join(command(ctx, "go", "build", "-o", bin+"/", "./cmd/portillon", "./cmd/portillon-hub"),
		command(ctx, "go", "build", "-tags", "owned_clock", "-o", bin+"/", "./cmd/portillond"))
}

// command runs a command. The returned error contains the command's output.
func command(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// inWorld runs a row in its own world. If the row fails, the error contains the logs of the world's programs.
func inWorld(ctx context.Context, n int, dir, bin, out string, run func(context.Context, *world) (string,
	error)) (string, error) {
	w, err := newWorld(ctx, n, dir, bin, out)
	if err != nil {
		return "", errors.Join(err, w.close())
	}
	figure, err := run(ctx, w)
	said := w.lastOutput()
	if cerr := w.close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, said)
	}
	return figure, nil
}
