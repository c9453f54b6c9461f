package mutate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// grace is the time that a test process has to exit after its timeout.
	grace = 10 * time.Second
	// memoryKB is the limit of a test process's address space, in KiB. The limit is necessary, because a mutant may
	// allocate memory without end.
	memoryKB = 12 << 20
)

// binary is a compiled test binary.
type binary struct {
	path string
	dir  string // folder of the package, in which the binary runs
}

// compile builds the tests of the package in dir. files contains files that replace or extend the files of the package.
// If the build fails, compile also returns the compiler's output.
func compile(ctx context.Context, tmp, dir string, files map[string]string) (*binary, string, error) {
	replace := map[string]string{}
	for name, text := range files {
		to := filepath.Join(tmp, name)
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			return nil, "", err
		}
		replace[filepath.Join(dir, name)] = to
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, "", err
	}
	list := filepath.Join(tmp, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return nil, "", err
	}
	b := &binary{path: filepath.Join(tmp, "mutant.test"), dir: dir}
	// Turn vet off, because it has already checked the tests. Link without symbol tables, which takes half the time.
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-overlay", list, "-o", b.path, ".")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return b, string(out), err
}

// remove deletes the binary, because a campaign builds many binaries of 20 MB each.
func (b *binary) remove() { os.Remove(b.path) }

// process describes one run of a test binary.
type process struct {
	tests   []string // names of the tests; empty: all tests
	short   bool
	mutant  int    // number of the active mutant; 0: no mutant
	reached string // file to which the process appends the numbers of reached mutants
	timeout time.Duration
	// cpu is the limit of the processor time of each process; 0 means no limit. The limit ends a process in an
	// endless loop. Unlike a limit of the elapsed time, a limit of processor time does not end a slow process on a
	// busy computer too early.
	cpu time.Duration
}

// end describes how a test process ended.
type end int

const (
	testsPassed end = iota
	testsFailed     // true: a test failed or the process crashed
	timedOut
)

// outcome is the result of running the tests with one mutant.
type outcome struct {
	end    end
	test   string // name of the first failed test; empty if the output does not contain it
	took   time.Duration
	cpu    time.Duration // processor time that the process used, in user and kernel mode
	output string
}

var failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)

// run runs the test binary once in a temporary folder.
func (b *binary) run(ctx context.Context, p process) outcome {
	tmp, err := os.MkdirTemp(filepath.Dir(b.path), "run")
	if err != nil {
		return outcome{end: testsPassed, output: err.Error()}
	}
	defer os.RemoveAll(tmp)
	limits := "ulimit -v " + strconv.Itoa(memoryKB) + " 2>/dev/null; "
	if p.cpu > 0 {
		limits += "ulimit -t " + strconv.Itoa(int(p.cpu/time.Second)) + "; "
	}
	args := []string{"-c", limits + `exec "$@"`, "sh", b.path,
		"-test.failfast", "-test.timeout", p.timeout.String()}
	if p.short {
		args = append(args, "-test.short")
	}
	if len(p.tests) > 0 {
		args = append(args, "-test.run", "^("+strings.Join(p.tests, "|")+")$")
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout+grace)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", args...)
	cmd.Dir, cmd.WaitDelay = b.dir, time.Second
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp,
		"PORTILLON_MUTANT="+strconv.Itoa(p.mutant), "PORTILLON_MUTANT_REACHED="+p.reached)
	// Run the tests in a new process group, so that processes which the tests start end with the group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err = cmd.Run()
	o := outcome{took: time.Since(start), output: out.String()}
	if s := cmd.ProcessState; s != nil {
		o.cpu = s.UserTime() + s.SystemTime()
	}
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // end the processes that a failed test has left running
	}
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		o.end = testsPassed
	case ctx.Err() != nil || p.cpu > 0 && reachedCPULimit(cmd.ProcessState, o) ||
		strings.Contains(o.output, "panic: test timed out"):
		o.end = timedOut
	default:
		o.end = testsFailed
	}
	if m := failedTest.FindStringSubmatch(o.output); m != nil {
		o.test = m[1]
	}
	return o
}

// reachedCPULimit reports whether the kernel ended a process because it reached the limit of processor time. In most
// cases, the Go runtime prints SIGXCPU before it ends. The reported processor time may be slightly below the limit.
func reachedCPULimit(s *os.ProcessState, o outcome) bool {
	if s == nil {
		return false
	}
	w, ok := s.Sys().(syscall.WaitStatus)
	killed := ok && w.Signaled() && (w.Signal() == syscall.SIGKILL || w.Signal() == syscall.SIGXCPU)
	return killed || strings.Contains(o.output, "SIGXCPU")
}

// testNames returns the names of the tests, examples and fuzz targets that the binary runs without flags.
func (b *binary) testNames(ctx context.Context) ([]string, error) {
	cmd := exec.CommandContext(ctx, b.path, "-test.list", ".")
	cmd.Dir = b.dir
	out, err := cmd.Output()
	var names []string
	for name := range strings.Lines(string(out)) {
		name = strings.TrimSpace(name)
		// Leave out tests of mutants, which would generate mutants of the mutant.
		if !strings.HasPrefix(name, "Benchmark") && !strings.Contains(name, "Mutant") {
			names = append(names, name)
		}
	}
	return names, err
}
