//go:build !linux

package daemoncmd

import "runtime/debug"

func lean() { debug.FreeOSMemory() }
