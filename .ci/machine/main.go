// Command machine is the machine test: portillond on an emulated arm64 computer with Debian's kernel, a real systemd, a
// simulated GPIO chip like a Raspberry Pi's, and a disk that loses unflushed writes in a power cut. The test runs
// every row of the failure matrix, and compares every edge of the relay's line with the journal.
//
//	go run ./.ci/machine [-cuts 20] [-seed N] [-jobs rows,cuts,pi] [-only WORD] [-full] CACHE
//
// CACHE is a folder for the kernel and the root file system, which the scripts kernel and root create in it once; the
// scripts need root and apt. The last line of output is «N passed, N failed»; the exit code is 0 only if no check has
// failed.
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

// here is the folder of this command, relative to the root of the repository, where the command must be run.
const here = ".ci/machine"

// limit is the longest time that the whole test may take on two processor cores.
const limit = 60 * time.Minute

func main() {
	t := &test{}
	flag.IntVar(&t.cuts, "cuts", 20, "power cuts at random moments")
	flag.Uint64Var(&t.seed, "seed", uint64(time.Now().UnixNano()), "seed of the random choices")
	jobs := flag.String("jobs", "rows,cuts,pi", "jobs, separated by commas; hub measures the memory of a hub")
	flag.StringVar(&t.only, "only", "",
		"only the rows with one of these words in their name, separated by commas")
	flag.BoolVar(&t.deaf, "deaf", false, "use a disk that ignores flushes: the power cuts must then fail")
	flag.BoolVar(&t.loud, "v", false, "print the whole console")
	flag.BoolVar(&t.full, "full", false, "play all 48 cells of the clock table, not six")
	most := flag.Duration("limit", limit, "time limit of the whole test")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "machine: want one argument, the folder of the kernel and the root")
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
		var work sync.WaitGroup // run the jobs at the same time, because each emulator uses only one core
		for _, j := range strings.Split(*jobs, ",") {
			job, known := map[string]func(context.Context) error{"rows": t.rows, "cuts": t.cutting, "pi": t.pi, "hub": t.hub}[j]
			if !known {
				t.fail(j, fmt.Errorf("flag -jobs names an unknown job, want rows, cuts, pi or hub"))
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

// test is the state of one run of the machine test.
type test struct {
	cache, work    string     // the folder CACHE of the command line, and a temporary folder
	cuts           int        // number of power cuts in the job cuts
	seed           uint64     // seed of all random choices
	only           string     // only rows whose names contain one of these words run; empty: all rows run
	loud, deaf     bool       // loud: print the console; deaf: the disk ignores flushes
	full           bool       // true: run all cells of the clock table, not only six
	start          time.Time  // time at which the run began
	mu             sync.Mutex // lock of the counts, which also prevents that lines of the output mix
	passed, failed int
}

// pass prints a passed check and counts it.
func (t *test) pass(name, figure string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passed++
	fmt.Printf("--- PASS: %s (%s) [%.0fs]\n", name, figure, time.Since(t.start).Seconds())
}

// fail prints a failed check and counts it.
func (t *test) fail(name string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed++
	fmt.Printf("--- FAIL: %s: %v [%.0fs]\n", name, err, time.Since(t.start).Seconds())
}

// prepare creates the kernel and the root file system if they are missing, builds the programs, and packs the initrds
// of the machine.
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

// path returns the path of a file in the temporary folder.
func (t *test) path(parts ...string) string {
	return filepath.Join(append([]string{t.work}, parts...)...)
}

// do runs a program on the host and returns its output. The returned error contains the program's output.
func (t *test) do(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// copyTo copies files of the repository into the folder that becomes the machine's root file system.
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
