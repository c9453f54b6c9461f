package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A file laser.yaml that is of the machine saw would start portillond@laser and send kill signals to portillond@saw.
func TestAFileThatNamesAnotherMachineStartsNothing(t *testing.T) {
	root, o := bare(t)
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
	if err == nil || !strings.Contains(err.Error(), "is of machine saw, want laser") || len(l.calls) > 0 {
		t.Errorf("%v %q\n%s", err, l.calls, said)
	}
	if _, err := os.Stat(filepath.Join(root, "etc/credstore")); err == nil {
		t.Error("a key was made for it")
	}
}

// The mark is on the disk before config.txt changes: a setup that ends between the two must still ask for a restart.
func TestConfigTXTStaysWhereTheRestartCannotBeMarked(t *testing.T) {
	root, o := bare(t)
	if err := os.WriteFile(filepath.Join(root, "run"), nil, 0o644); err != nil { // a file where a folder must be
		t.Fatal(err)
	}
	if said, err := run(t, &lab{now: time.Now()}, o, "y\ny\n"); err == nil {
		t.Errorf("no error:\n%s", said)
	}
	if b, err := os.ReadFile(filepath.Join(root, "boot/firmware/config.txt")); string(b) != "dtparam=audio=on\n" {
		t.Errorf("config.txt is %q, %v", b, err)
	}
}

func TestPrintableHoldsNothingThatSteersATerminal(t *testing.T) {
	const hostile = "a\x1b[2Jb\u009b2Jc\u202ed\u2066e\rf\u200bg\x7fh\tk\n"
	if got := printable(hostile); got != "a[2Jb2Jcdefgh\tk\n" {
		t.Errorf("%q", got)
	}
}
