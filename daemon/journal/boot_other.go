//go:build !linux

package journal

import "time"

// BootID is "unknown" on systems other than Linux. Machines run Linux, and other systems run only tests and tools.
func BootID() string { return "unknown" }

// Uptime is the wall clock in milliseconds on systems other than Linux, because no boot time is read there.
func Uptime() int64 { return time.Now().UnixMilli() }
