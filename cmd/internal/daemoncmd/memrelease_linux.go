package daemoncmd

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// releaseMemory frees memory that only the start needed: the heap's garbage, and the pages of the program itself. If
// those pages are needed again, the kernel reads them from the file (madvise(2), MADV_DONTNEED on a private mapping of
// an unmodified file). A Pi Zero has 512 MB in all, and the guard, which is the same program, uses a thousandth of its
// pages.
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
		var from, to uintptr
		var perms string
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &perms); n < 3 ||
			!strings.HasSuffix(lines.Text(), " "+exe) {
			continue
		}
		if perms == "r-xp" || perms == "r--p" {
			unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED) // only advice: an error does no harm
		}
	}
}

// hasPristinePages reports whether the program's read-only pages equal the file. In a position-independent executable
// the loader has modified them.
func hasPristinePages() bool {
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, 18)
	_, err = io.ReadFull(f, head)
	// e_type, ET_EXEC (elf(5))
	return err == nil && string(head[:4]) == "\x7fELF" && binary.NativeEndian.Uint16(head[16:]) == 2
}
