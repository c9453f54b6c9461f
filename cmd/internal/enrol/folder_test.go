package enrol

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portillon/cmd/internal/daemoncmd"
)

// A user without root can enrol a trial machine: the command writes all its files to one folder and changes no other
// file of the computer.
func TestMachineCanBeEnrolledInAFolderWithoutRoot(t *testing.T) {
	w := newWorld(t)
	e, out := w.enrolment(t, w.code("laser", false).Text)
	host := e.Host.(*pi)
	e.Wiring, e.Root, e.Folder = "", "/", filepath.Join(t.TempDir(), "try")
	if err := e.Run(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	start := "portillond -config " + filepath.Join(e.Folder, "laser.yaml")
	if len(host.calls) != 0 || !strings.Contains(out.String(), start) {
		t.Errorf("%q\n%s", host.calls, out)
	}
	for _, name := range []string{"card.key", "laser.key", "laser.password", "laser/hub/machine.key"} {
		if fi, err := os.Stat(filepath.Join(e.Folder, name)); err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, fi, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(e.Folder, ".*")); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
	c, err := daemoncmd.ReadConfig(filepath.Join(e.Folder, "laser.yaml"))
	if err != nil || c.Data != filepath.Join(e.Folder, "laser") || c.Control != filepath.Join(e.Folder, "laser.sock") ||
		c.Reader.Kind != "none" || !strings.HasPrefix(c.Relay.Pin, "sim:"+e.Folder) || c.Hub.Name != "hub.test" {
		t.Errorf("%+v %v", c, err)
	}
	found := c.Check(daemoncmd.Here(w.clock.Now()))
	if err := found.Err(); err != nil {
		t.Error(err)
	}
	first, err := os.ReadFile(filepath.Join(e.Folder, "laser.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Run(t.Context()); err != nil { // repeat the enrolment, as after a lost response
		t.Fatal(err)
	}
	if again, err := os.ReadFile(filepath.Join(e.Folder, "laser.yaml")); err != nil || string(again) != string(first) {
		t.Errorf("a second enrolment changes the file: %v\n%s", err, again)
	}
	if _, err := os.Stat(filepath.Join(e.Folder, "laser.yaml.old")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := e.Move(t.Context(), w.MachinesAddr(), nil); err != nil {
		t.Errorf("the machine of a folder does not find its hub: %v", err)
	}
	e.Folder = t.TempDir()
	err = e.Move(t.Context(), w.MachinesAddr(), nil)
	if err == nil || !strings.Contains(err.Error(), "contains no enrolled machine") {
		t.Error(err)
	}
}
