package daemoncmd

import (
	"os"
	"testing"
)

// The daemon writes the file in the folder that the path unit watches. A daemon outside a systemd unit writes no file.
func TestRestartOfTheScreenIsRequestedByAFile(t *testing.T) {
	if restartScreen("", "laser") != nil {
		t.Error("a daemon without a runtime folder leaves files somewhere")
	}
	dir := t.TempDir()
	for range 2 { // the second request succeeds even if the file of the first request still exists
		if err := restartScreen(dir, "laser")(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(dir + "/laser.screen-stuck"); err != nil {
		t.Error(err)
	}
	if err := restartScreen(dir+"/none", "laser")(); err == nil {
		t.Error("a folder that is not there is no error")
	}
}
