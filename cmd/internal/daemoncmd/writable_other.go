//go:build !linux

package daemoncmd

// writable returns nil without a check on this system. On this system, only the daemon's start detects that a folder
// cannot be written.
func writable(string) error { return nil }
