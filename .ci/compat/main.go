// Command compat tests the hub of this release with three machines: a machine of the previous release, a machine of
// this release, and a machine of this release that continues the data of the previous release's machine. Each machine
// must accept a bundle and the next version of the bundle, send records until the hub has acknowledged all of them,
// and obey a stop command and a tag of the hub.
//
//	go run ./.ci/compat
//
// The previous release's machine is built from this repository's history. The machines have no hardware: each machine
// switches a simulated pin, and receives cards through its control socket. All programs listen only on the loopback
// interface.
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

// before is the commit of the previous release; its machines must work with this release's hub.
const before = "80f842b"

// limit is the longest time that the whole run, including the builds, may take.
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

// run builds portillond of both releases, and runs each sequence in its own folder.
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
		programs []program // programs of a sequence, which run one after the other on the same data
	}{
		{"previous release, then this release on the same data", []program{{old, 1}, {today, 2}}},
		{"this release", []program{{today, 2}}},
	} {
		began := time.Now()
		if err := runSequence(ctx, filepath.Join(dir, strings.ReplaceAll(s.name, " ", "-")[:7]), s.programs); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Printf("%s: bundles in force, records acknowledged, stop and tag obeyed (%.1f s)\n", s.name,
			time.Since(began).Seconds())
	}
	return nil
}

// buildOld builds the previous release's portillond and returns its path.
func buildOld(ctx context.Context, dir string) (string, error) {
	if err := command(ctx, ".", "git", "cat-file", "-e", before+"^{commit}"); err != nil {
		return "", fmt.Errorf(
			"commit %s of the previous release is not in this repository; fetch the whole history (git fetch --unshallow), "+
				"its machine is built from it: %w",
			before,
			err,
		)
	}
	source, archive := filepath.Join(dir, "source"), filepath.Join(dir, "source.tar")
	program := filepath.Join(dir, "portillond-before")
	return program, errors.Join(os.Mkdir(source, 0o700),
		command(ctx, ".", "git", "archive", "-o", archive, before),
		command(ctx, ".", "tar", "-xf", archive, "-C", source),
		command(ctx, source, "go", "build", "-o", program, "./cmd/portillond"))
}

// command runs a command in a folder. The returned error contains the command's output.
func command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}
