package daemoncmd

import (
	"os"
	"testing"
)

// The file lies where the path unit looks, and a daemon that no unit started leaves none.
func TestRestartOfTheScreenIsRequestedByAFile(t *testing.T) {
	if restartScreen("", "laser") != nil {
		t.Error("a daemon without a runtime folder leaves files somewhere")
	}
	dir := t.TempDir()
	for range 2 { // the first may still lie there
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
