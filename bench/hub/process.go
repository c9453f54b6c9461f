package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
	"time"

	"portillon/hub"
)

// childOfMachines is the argument that makes this program run the hub of the row "machines". The hub runs in its own
// process, so that its memory and processor time can be measured without those of the machines.
const childOfMachines = "child-of-machines"

// hubProcess is a hub that runs in its own process.
type hubProcess struct {
	cmd  *exec.Cmd
	in   io.WriteCloser // pipe to the process's standard input; the process ends when this pipe is closed
	code string         // code with which the first owner is created; empty: the hub already has an owner
}

// startProcess starts this program again as a child process, and returns when the child process has printed that it
// is ready. The caller must end the returned child process.
func startProcess(ctx context.Context, log io.Writer, args ...string) (*hubProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &hubProcess{cmd: exec.CommandContext(context.WithoutCancel(ctx), self, args...)}
	p.cmd.Stderr = log
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	if word != "ready" {
		return nil, errors.Join(fmt.Errorf("child process %s did not report that it is ready: %.200q",
			args[0], line), err, p.kill())
	}
	p.code = rest
	return p, nil
}

// stop makes the process exit normally, and waits until it has ended.
func (p *hubProcess) stop() error {
	return errors.Join(p.in.Close(), p.cmd.Wait())
}

// kill kills the process with SIGKILL, and waits until it has ended.
func (p *hubProcess) kill() error {
	err := p.cmd.Process.Kill()
	p.cmd.Wait() // ignore the error, because it only says that the process was killed
	return err
}

// usage contains how much memory and processor time a process has used (proc(5): /proc/PID/status and
// /proc/PID/stat).
type usage struct {
	resident, peak int64         // bytes
	cpu            time.Duration // of all threads
}

// usage reads how much memory and processor time the process has used so far.
func (p *hubProcess) usage() (u usage, err error) {
	dir := fmt.Sprintf("/proc/%d/", p.cmd.Process.Pid)
	status, err := os.ReadFile(dir + "status")
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, _ := strconv.ParseInt(f[1], 10, 64) // kB
		switch f[0] {
		case "VmRSS:":
			u.resident = n << 10
		case "VmHWM:":
			u.peak = n << 10
		}
	}
	stat, err := os.ReadFile(dir + "stat")
	_, rest, ok := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	if err != nil || !ok || len(f) < 13 {
		return u, errors.Join(err, errors.New("file /proc/PID/stat of the hub has an unexpected format"))
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	u.cpu = time.Duration(user+system) * time.Second / clockTicks
	return u, nil
}

// clockTicks is the kernel's USER_HZ, in ticks per second; it is 100 on every architecture on which the hub runs
// (time(7)).
const clockTicks = 100

// writeProfile writes a profile of this process to a file in the same folder as the processor profile.
func writeProfile(name, beside string) error {
	f, err := os.Create(beside + "." + name)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup(name).WriteTo(f, 0), f.Close())
}

// beHub runs the hub whose configuration is the file args[0], until standard input is closed. If args[1] is present,
// it is the file for a processor profile. beHub writes the profiles of memory and goroutines to files in the same
// folder.
func beHub(ctx context.Context, args []string, out, errs io.Writer) int {
	err := func() error {
		c, err := hub.ReadConfig(args[0])
		if err != nil {
			return err
		}
		if len(args) > 1 {
			f, err := os.Create(args[1])
			if err != nil {
				return err
			}
			defer f.Close()
			if err := pprof.StartCPUProfile(f); err != nil {
				return err
			}
			defer pprof.StopCPUProfile()
		}
		h, err := hub.New(
			c,
			hub.Options{Log: slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelWarn}))},
		)
		if err != nil {
			return err
		}
		ctx, cancel := signal.NotifyContext(ctx, syscall.SIGTERM)
		defer cancel()
		go func() {
			io.Copy(io.Discard, os.Stdin)
			if len(args) > 1 { // write the profiles now, while all machines are still connected
				if err := errors.Join(writeProfile("heap", args[1]), writeProfile("goroutine", args[1])); err != nil {
					fmt.Fprintln(errs, "profile:", err)
				}
			}
			cancel()
		}()
		fmt.Fprintln(out, "ready", h.OwnerCode())
		if err := h.Run(ctx); !errors.Is(err, context.Canceled) {
			return errors.Join(err, h.Close())
		}
		return h.Close()
	}()
	if err != nil {
		fmt.Fprintln(errs, "hub:", err)
		return 1
	}
	return 0
}
