package setup

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Setup would start portillond@laser but send kill signals to portillond@saw if it accepted a file laser.yaml that
// names the machine saw.
func TestSetupStopsIfTheFileNamesAnotherMachine(t *testing.T) {
	root, o := freshPi(t)
	saw := o.Answers
	saw.Machine = "saw"
	path := filepath.Join(root, "etc/portillon/laser.yaml")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(saw.Render()), 0o644); err != nil {
		t.Fatal(err)
	}
	o.Answers = Answers{}
	l := &lab{now: time.Now()}
	said, err := run(t, l, o, "y\ny\n")
	if err == nil || !strings.Contains(err.Error(), "is for machine saw, want machine laser") || len(l.calls) > 0 {
		t.Errorf("%v %q\n%s", err, l.calls, said)
	}
	if _, err := os.Stat(filepath.Join(root, "etc/credstore")); err == nil {
		t.Error("a key was made for it")
	}
}

// setup writes the mark before it changes config.txt, so that the next run still asks for a restart if this run is
// interrupted between the two writes.
func TestConfigTxtIsNotChangedIfTheRestartMarkCannotBeWritten(t *testing.T) {
	root, o := freshPi(t)
	// Create a file where a folder is needed, so that the mark cannot be written.
	if err := os.WriteFile(filepath.Join(root, "run"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if said, err := run(t, &lab{now: time.Now()}, o, "y\ny\n"); err == nil {
		t.Errorf("no error:\n%s", said)
	}
	if b, err := os.ReadFile(filepath.Join(root, "boot/firmware/config.txt")); string(b) != "dtparam=audio=on\n" {
		t.Errorf("config.txt is %q, %v", b, err)
	}
}

// sleeper starts a process that ends only by a signal.
func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	c := exec.Command("sleep", "60")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c
}

func TestSignalIsSentOnlyToTheDaemonsProcess(t *testing.T) {
	was, is := sleeper(t), sleeper(t)
	found := []int{was.Process.Pid, is.Process.Pid}
	err := signalWhere(func() (int, error) {
		pid := found[0]
		found = found[min(1, len(found)-1):]
		return pid, nil
	}, syscall.SIGKILL)
	if err == nil || !strings.Contains(err.Error(), "was replaced by process") {
		t.Errorf("error is %v", err)
	}
	for _, c := range []*exec.Cmd{was, is} {
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("process %d was killed: %v", c.Process.Pid, err)
		}
		c.Wait()
		if ws := c.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGTERM {
			t.Errorf("process %d ended by %v", c.Process.Pid, ws.Signal())
		}
	}
	it := sleeper(t)
	if err := signalWhere(func() (int, error) { return it.Process.Pid, nil }, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	it.Wait()
	if ws := it.ProcessState.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGKILL {
		t.Errorf("ended by %v", ws.Signal())
	}
}

func TestPrintableRemovesTerminalControlCharacters(t *testing.T) {
	const hostile = "a\x1b[2Jb\u009b2Jc\u202ed\u2066e\rf\u200bg\x7fh\tk\n"
	if got := printable(hostile); got != "a[2Jb2Jcdefgh\tk\n" {
		t.Errorf("%q", got)
	}
}

// Setup makes the daemon's user the owner only of folders that setup itself has created, because the folder of the
// bundle may be /etc/portillon, or /.
func TestSetupDoesNotChangeTheOwnerOfAnExistingFolder(t *testing.T) {
	root, o := freshPi(t)
	if err := os.MkdirAll(filepath.Join(root, "var/lib/portillon"), 0o755); err != nil {
		t.Fatal(err)
	}
	l := &lab{now: time.Now()}
	if said, err := run(t, l, o, "y\ny\n"); !errors.Is(err, ErrReboot) ||
		!slices.Equal(l.owned, []string{filepath.Join(root, "var/lib/portillon/site.bundle")}) {
		t.Errorf("%v %q\n%s", err, l.owned, said)
	}
}

// The daemon's user owns the folder of the bundle, and could replace the bundle by a link to /etc/shadow.
func TestChangeOfOwnerDoesNotFollowLinks(t *testing.T) {
	link := filepath.Join(t.TempDir(), "site.bundle")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	if err := setOwner(os.Getuid(), os.Getgid(), link); err != nil {
		t.Errorf("the link is followed: %v", err)
	}
}

// The daemon's user owns the parent folder of the protocols, in which root writes.
func TestFolderOfTheProtocolsMustNotBeALink(t *testing.T) {
	l, root := &lab{now: time.Now()}, wiredRoot(t)
	other := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(root, "data"), 0o700),
		os.Symlink(other, filepath.Join(root, "data/acceptance"))); err != nil {
		t.Fatal(err)
	}
	if _, err := l.runSetup(t, root, Options{}); err == nil || !strings.Contains(err.Error(), "is a link") {
		t.Errorf("error is %v", err)
	}
	if all, _ := os.ReadDir(other); len(all) > 0 {
		t.Errorf("written through the link: %v", all)
	}
}
