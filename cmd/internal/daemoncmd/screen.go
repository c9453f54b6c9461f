package daemoncmd

import (
	"os"
	"path/filepath"
)

// screenStuck is the suffix of a file that requests a restart of this computer's screen. portillon-panel-restart.path
// watches for such files in the unit's runtime folder, and portillon-panel-restart.service removes them.
const screenStuck = ".screen-stuck"

// restartScreen returns a function that requests a restart of the browser on this computer's screen. The daemon has no
// permission to restart the browser directly. The argument dir is the unit's runtime folder. Outside a systemd unit,
// dir is empty and the function does nothing.
func restartScreen(dir, machine string) func() error {
	if dir == "" {
		return nil
	}
	return func() error { return os.WriteFile(filepath.Join(dir, machine+screenStuck), nil, 0o644) }
}
