// Command compat tests this release's hub with three machines: a machine of the previous release, a machine of this
// release, and a machine of this release on the data of the previous release's machine. Each machine must accept the
// bundle and its next version, send records until all are acknowledged, and obey a stop and a tag.
//
//	go run ./.ci/compat
//
// The previous release's machine is built from this repository's history. The machines have no hardware: they use a
// simulated pin, and cards are presented through the control socket. All programs listen on loopback.
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

// before is the commit of the previous release, whose machines must work with this hub.
const before = "80f842b"

// limit is the maximum time of the whole run, including builds.
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

// run builds both releases' portillond and runs each sequence in a separate folder.
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
		programs []program // programs that run one after the other on the same data
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
