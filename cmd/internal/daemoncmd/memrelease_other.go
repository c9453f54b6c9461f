//go:build !linux

package daemoncmd

import "runtime/debug"

func releaseMemory() { debug.FreeOSMemory() }
