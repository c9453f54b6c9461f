package setup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"portillon/cmd/internal/acceptance"
	"portillon/cmd/internal/daemoncmd"
	"portillon/daemon/control"
)

// Host contains the actions of the computer on which setup runs. Tests replace the functions that need systemd and
// hardware.
type Host interface {
	Now() time.Time
	BootID() string
	// Systemctl runs systemctl. If the command fails, the error contains the command's output.
	Systemctl(ctx context.Context, args ...string) error
	// Status asks the daemon at a control socket for its status. If the daemon does not answer, the result is an error.
	Status(ctx context.Context, socket string) (control.Status, error)
	// Do performs an action of the acceptance test.
	Do(ctx context.Context, c daemoncmd.Config, d acceptance.Deed) error
	// Own makes the daemon's user the owner of files. The Debian package creates that user.
	Own(paths ...string) error
	// Pause waits between two requests for the daemon's status.
	Pause(ctx context.Context, d time.Duration)
}

// Pi returns the running computer as a Host.
type Pi struct{}

// Now implements Host.
func (Pi) Now() time.Time { return daemoncmd.WallNow() }

// BootID implements Host.
func (Pi) BootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}

// Systemctl implements Host.
func (Pi) Systemctl(ctx context.Context, args ...string) error {
	if out, err := exec.CommandContext(ctx, "systemctl", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("systemctl %s: %w: %.500s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Status implements Host.
func (Pi) Status(ctx context.Context, socket string) (control.Status, error) {
	rep, err := control.Call(ctx, socket, control.Request{Do: "status"})
	if err == nil && rep.Status == nil {
		err = fmt.Errorf("daemon at %s sent an answer without a status", socket)
	}
	if err != nil {
		return control.Status{}, err
	}
	return *rep.Status, nil
}

// Pause implements Host.
func (Pi) Pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Own implements Host.
func (Pi) Own(paths ...string) error {
	u, err := user.Lookup("portillon")
	if err != nil {
		return fmt.Errorf("daemon's user is missing, install the package that creates the user: %w", err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	return setOwner(uid, gid, paths...)
}

// setOwner changes the owner of files. For a symbolic link, setOwner changes the owner of the link and not the owner of
// its target.
func setOwner(uid, gid int, paths ...string) error {
	var errs []error
	for _, p := range paths {
		errs = append(errs, os.Lchown(p, uid, gid))
	}
	return errors.Join(errs...)
}

// Do implements Host.
func (Pi) Do(ctx context.Context, c daemoncmd.Config, d acceptance.Deed) error {
	switch d {
	case acceptance.Rest:
		_, err := control.Call(ctx, c.Control, control.Request{Do: "stop"})
		return err
	case acceptance.Untag:
		rep, err := control.Call(ctx, c.Control, control.Request{Do: "untag", Tag: "contactor"})
		if err == nil && !rep.OK {
			err = fmt.Errorf("removing the tag of the contactor fault failed: %s", rep.Error)
		}
		return err
	case acceptance.KillDaemon:
		return signal(ctx, c, false, syscall.SIGKILL)
	case acceptance.StopDaemon:
		return signal(ctx, c, false, syscall.SIGSTOP)
	case acceptance.KillGuard:
		return signal(ctx, c, true, syscall.SIGKILL)
	}
	return fmt.Errorf("action %q of the acceptance test is unknown", d)
}

// signal sends a signal to a machine's daemon, or to its guard. signal looks up the process each time, because the
// process of the previous step may have ended.
func signal(ctx context.Context, c daemoncmd.Config, guard bool, s syscall.Signal) error {
	return signalWhere(func() (int, error) { return processOf(ctx, c, guard) }, s)
}

// signalWhere sends a signal to the process that find returns. signalWhere opens the process (os.FindProcess uses
// pidfd_open(2)) and then calls find again. The second call is needed because the process may end before signalWhere
// opens it, and another process may then get the same number.
func signalWhere(find func() (int, error), s syscall.Signal) error {
	pid, err := find()
	if err != nil {
		return err
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	defer p.Release()
	switch again, err := find(); {
	case err != nil:
		return err
	case again != pid:
		return fmt.Errorf("process %d has ended and was replaced by process %d, repeat the step", pid, again)
	}
	if err := p.Signal(s); err != nil {
		return fmt.Errorf("sending signal %d to process %d failed: %w", s, pid, err)
	}
	return nil
}

// processOf returns the main process of a machine's unit, or its guard.
func processOf(ctx context.Context, c daemoncmd.Config, guard bool) (int, error) {
	unit := "portillond@" + c.Machine
	out, err := exec.CommandContext(ctx, "systemctl", "show", "-P", "MainPID", unit).Output()
	pid, perr := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil || perr != nil || pid <= 1 {
		return 0, fmt.Errorf("daemon of machine %s is not running", unit)
	}
	if guard {
		return childOf(pid)
	}
	return pid, nil
}

// childOf returns the only living child of a process, which is the daemon's guard. In /proc/PID/stat, the state and the
// parent's number follow the name in brackets (proc_pid_stat(5)).
func childOf(parent int) (int, error) {
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	var found []int
	for _, path := range all {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // skip a process that has ended since the folder was read
		}
		text := string(b)
		f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		if len(f) > 1 && f[1] == strconv.Itoa(parent) && f[0] != "Z" {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
				found = append(found, pid)
			}
		}
	}
	if len(found) != 1 {
		return 0, errors.New("the daemon has " + strconv.Itoa(len(found)) + " children, want one: its guard")
	}
	return found[0], nil
}
