//go:build !linux

package daemoncmd

// writable returns nil without a check on this system. A folder that cannot be written is detected only at the daemon's
// start.
func writable(string) error { return nil }
