//go:build !linux

package machined

import "runtime/debug"

func lean() { debug.FreeOSMemory() }
