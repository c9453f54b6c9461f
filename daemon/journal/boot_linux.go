package journal

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// BootID is the kernel's random id of the current boot, or "unknown" if it cannot be read.
func BootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if id := strings.TrimSpace(string(b)); err == nil && id != "" {
		return id
	}
	return "unknown"
}

// Uptime is the time since boot in milliseconds, including suspend (CLOCK_BOOTTIME).
func Uptime() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	return t.Nano() / 1e6
}
