// Command machine is the machine test: portillond on an emulated arm64 computer with Debian's kernel, a real systemd, a
// simulated GPIO chip like a Raspberry Pi's, and a disk that loses at a power cut what was never flushed. Every row of
// the failure matrix is played on it, and every edge of the relay's line is compared with the journal.
//
//	go run ./.ci/machine [-cuts 20] [-seed N] [-jobs rows,cuts,pi] [-only WORD] [-full] CACHE
//
// CACHE is a folder for the kernel and the root, which the scripts kernel and root make there once; they need root and
// apt. It ends with a line «N passed, N failed», and fails where anything did.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// here is this folder, from the repository's root, where the command is run.
const here = ".ci/machine"

// limit is how long all of it may take on two cores.
const limit = 60 * time.Minute

func main() {
	t := &test{}
	flag.IntVar(&t.cuts, "cuts", 20, "power cuts at random moments")
	flag.Uint64Var(&t.seed, "seed", uint64(time.Now().UnixNano()), "what chance begins with")
	jobs := flag.String("jobs", "rows,cuts,pi", "what to do; hub reads what a hub has resident")
	flag.StringVar(&t.only, "only", "",
		"of the rows, only those with one of these words in their name, separated by commas")
	flag.BoolVar(&t.deaf, "deaf", false, "a disk that ignores flushes: the power cuts must fail then")
	flag.BoolVar(&t.loud, "v", false, "print all that comes from the console")
	flag.BoolVar(&t.full, "full", false, "play all 48 cells of the clock table, not six")
	most := flag.Duration("limit", limit, "the most that all of it may take")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "machine: want one folder, for the kernel and the root")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *most)
	defer cancel()
	t.cache, t.start = flag.Arg(0), time.Now()
	if err := t.prepare(ctx); err != nil {
		t.fail("prepare", err)
	} else {
		var work sync.WaitGroup // all at once: an emulator takes one core each
		for _, j := range strings.Split(*jobs, ",") {
			job, known := map[string]func(context.Context) error{"rows": t.rows, "cuts": t.cutting, "pi": t.pi, "hub": t.hub}[j]
			if !known {
				t.fail(j, fmt.Errorf("no job is called so"))
				continue
			}
			work.Go(func() {
				if err := job(ctx); err != nil {
					t.fail(j, err)
				}
			})
		}
		work.Wait()
	}
	os.RemoveAll(t.work)
	fmt.Printf("%d passed, %d failed\n", t.passed, t.failed)
	if t.failed > 0 || t.passed == 0 {
		os.Exit(1)
	}
}

// test is a run of the machine test.
type test struct {
	cache, work    string
	cuts           int
	seed           uint64
	only           string
	loud, deaf     bool
	full           bool // every cell of the clock table
	start          time.Time
	mu             sync.Mutex // guards what follows, and the lines of output
	passed, failed int
}

func (t *test) pass(name, figure string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passed++
	fmt.Printf("--- PASS: %s (%s) [%.0fs]\n", name, figure, time.Since(t.start).Seconds())
}

func (t *test) fail(name string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed++
	fmt.Printf("--- FAIL: %s: %v [%.0fs]\n", name, err, time.Since(t.start).Seconds())
}

// prepare makes the kernel and the root where they are missing, builds the programs, and packs what the machine boots
// from.
func (t *test) prepare(ctx context.Context) (err error) {
	for _, script := range []string{"kernel", "root"} {
		if err := t.do(ctx, nil, filepath.Join(here, script), t.cache); err != nil {
			return err
		}
	}
	if t.work, err = os.MkdirTemp("", "machine-test-"); err != nil {
		return err
	}
	for name, pkg := range map[string]string{"agent": "./" + here + "/agent",
		"files/usr/bin/portillond": "./cmd/portillond", "files/usr/bin/portillon": "./cmd/portillon"} {
		if err := t.do(ctx, []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64"}, "go", "build", "-trimpath",
			"-ldflags=-s -w", "-o", t.path("rig", name), pkg); err != nil {
			return err
		}
	}
	if err := t.do(ctx, []string{"CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm", "GOARM=6"}, "go", "build", "-trimpath",
		"-ldflags=-s -w",
		"-o", t.path("rig/files/portillond-armv6"), "./cmd/portillond"); err != nil {
		return err
	}
	if err := t.pack(ctx); err != nil {
		return err
	}
	fmt.Printf("prepared [%.0fs]\n", time.Since(t.start).Seconds())
	return nil
}

func (t *test) path(parts ...string) string {
	return filepath.Join(append([]string{t.work}, parts...)...)
}

// do runs a program of the host's, and shows what it said only where it failed.
func (t *test) do(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// copyTo copies files of the repository into the folder that becomes the machine's root.
func (t *test) copyTo(to string, files ...string) error {
	if err := os.MkdirAll(t.path(to), 0o755); err != nil {
		return err
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if err := os.WriteFile(t.path(to, filepath.Base(f)), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}
