package daemoncmd

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseMemory frees memory that only the start needed: garbage of the heap, and pages of the program's code. If the
// program needs a released page again, the kernel reads the page from the program's file (madvise(2), MADV_DONTNEED on
// a private mapping of an unmodified file). A Pi Zero has only 512 MB. The guard is the same program as the daemon, but
// uses only a thousandth of the program's pages.
func releaseMemory() {
	debug.FreeOSMemory()
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return
	}
	defer f.Close()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil || !hasPristinePages() {
		return
	}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		from, to, perms, ok := mapping(lines.Text())
		if ok && strings.HasSuffix(lines.Text(), " "+exe) && (perms == "r-xp" || perms == "r--p") {
			// Ignore an error, because madvise only gives advice to the kernel.
			unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED)
		}
	}
}

// mapping reads the addresses and the permissions from a line of /proc/PID/maps (proc_pid_maps(5)), as in
// "00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/dbus-daemon".
func mapping(line string) (from, to uintptr, perms string, ok bool) {
	addresses, rest, _ := strings.Cut(line, " ")
	perms, _, _ = strings.Cut(rest, " ")
	begin, end, _ := strings.Cut(addresses, "-")
	a, err := strconv.ParseUint(begin, 16, strconv.IntSize)
	if err != nil {
		return 0, 0, "", false
	}
	b, err := strconv.ParseUint(end, 16, strconv.IntSize)
	return uintptr(a), uintptr(b), perms, err == nil && a < b
}

// hasPristinePages reports whether the program's read-only pages in memory equal those in the file. In a
// position-independent executable, the loader has changed these pages, so the file cannot replace them.
func hasPristinePages() bool {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 18)
	_, err = io.ReadFull(f, head)
	// an executable with a fixed position has the file type ET_EXEC (elf(5))
	return err == nil && string(head[:4]) == "\x7fELF" && binary.NativeEndian.Uint16(head[16:]) == 2
}
