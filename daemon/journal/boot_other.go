//go:build !linux

package journal

import "time"

// BootID is "unknown": a portillond runs on Linux.
func BootID() string { return "unknown" }

// Uptime counts from no boot here: a portillond runs on Linux.
func Uptime() int64 { return time.Now().UnixMilli() }
