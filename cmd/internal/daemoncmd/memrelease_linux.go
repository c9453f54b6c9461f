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

// releaseMemory returns what starting took: the heap's garbage, and the pages of the program itself that only its beginning
// needed. The kernel reads those from the file again where they are needed after all (madvise(2), MADV_DONTNEED on a
// private mapping of a file that nobody wrote to). A Pi Zero has 512 MB for everything, and the guard, which is the
// same program, runs a thousandth of it.
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
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &perms); n < 3 || !strings.HasSuffix(lines.Text(), " "+exe) {
			continue
		}
		if perms == "r-xp" || perms == "r--p" {
			unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED) // advice: an error changes nothing
		}
	}
}

// hasPristinePages reports whether the program's read-only pages are the file's own: in a position-independent one the loader
// has written to them.
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
