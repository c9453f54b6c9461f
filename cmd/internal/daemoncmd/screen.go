package daemoncmd

import (
	"os"
	"path/filepath"
)

// screenStuck is the end of the name of a file that asks for the restart of this computer's screen.
// portillon-panel-restart.path waits for such files in the units' runtime folder, and portillon-panel-restart.service
// removes them.
const screenStuck = ".screen-stuck"

// restartScreen returns what asks for the restart of the browser at this computer's screen: the daemon itself may
// restart nothing. dir is the unit's runtime folder; empty: no unit started this daemon, and nothing waits for the
// file.
func restartScreen(dir, machine string) func() error {
	if dir == "" {
		return nil
	}
	return func() error { return os.WriteFile(filepath.Join(dir, machine+screenStuck), nil, 0o644) }
}
