// Command compat runs the machine of the release before beside the hub of this one, then today's machine, then today's
// machine on the data that the machine of the release before has left. Each takes the bundle and its next version,
// sends records until all are acknowledged, and obeys a stop and a tag.
//
//	go run ./.ci/compat
//
// The machine of the release before is built from this repository's history. The machines have no hardware: a simulated
// pin, and taps given through the control socket. Everything listens on loopback.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"
)

// before is the commit of the release before: its machines must work with this hub.
const before = "80f842b"

// limit bounds the whole run, builds included.
const limit = 4 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "portillon-compat-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	old, err := buildOld(ctx, dir)
	if err != nil {
		return err
	}
	today := filepath.Join(dir, "portillond-today")
	if err := command(ctx, ".", "go", "build", "-o", today, "./cmd/portillond"); err != nil {
		return err
	}
	for _, s := range []struct {
		name     string
		programs []program // one after the other, on the same data
	}{
		{"release before, then its data with today's program", []program{{old, 1}, {today, 2}}},
		{"today's program", []program{{today, 2}}},
	} {
		began := time.Now()
		if err := story(ctx, filepath.Join(dir, strings.ReplaceAll(s.name, " ", "-")[:7]), s.programs); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Printf("%s: bundles taken, records acknowledged, stop and tag obeyed (%.1f s)\n", s.name,
			time.Since(began).Seconds())
	}
	return nil
}

// buildOld builds portillond of the release before.
func buildOld(ctx context.Context, dir string) (string, error) {
	if err := command(ctx, ".", "git", "cat-file", "-e", before+"^{commit}"); err != nil {
		return "", fmt.Errorf("commit %s is not in this repository, want the whole history (git fetch --unshallow): "+
			"the machine of the release before is built from it: %w", before, err)
	}
	source, archive := filepath.Join(dir, "source"), filepath.Join(dir, "source.tar")
	program := filepath.Join(dir, "portillond-before")
	return program, errors.Join(os.Mkdir(source, 0o700),
		command(ctx, ".", "git", "archive", "-o", archive, before),
		command(ctx, ".", "tar", "-xf", archive, "-C", source),
		command(ctx, source, "go", "build", "-o", program, "./cmd/portillond"))
}

func command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
