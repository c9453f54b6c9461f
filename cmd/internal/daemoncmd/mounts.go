package daemoncmd

import (
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"portillon/cmd/internal/bootconfig"
)

// maxMounts is the maximum number of bytes that are read of /proc/self/mountinfo. On a Pi, the file has about forty
// lines with a hundred bytes each.
const maxMounts = 1 << 20

// Mount is a line of /proc/self/mountinfo (proc_pid_mountinfo(5)).
type Mount struct {
	Point, Type, Source string
	ReadOnly            bool

	options []string // options of the file system, such as upperdir
}

// Mounts returns the mounts that the kernel lists. Mounts leaves out malformed lines.
func Mounts(mountinfo string) (out []Mount) {
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		dash := slices.Index(fields, "-")
		if dash < 6 || len(fields) < dash+3 {
			continue
		}
		m := Mount{Point: unescape(fields[4]), Type: fields[dash+1], Source: unescape(fields[dash+2])}
		if len(fields) > dash+3 {
			m.options = strings.Split(fields[dash+3], ",")
		}
		m.ReadOnly = slices.Contains(strings.Split(fields[5], ","), "ro") || slices.Contains(m.options, "ro")
		out = append(out, m)
	}
	return out
}

// unescape replaces the kernel's octal escapes: \040 is a space.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// on returns the mount that contains a path. If two file systems are mounted at one point, on returns the later mount,
// because it hides the earlier one.
func on(mounts []Mount, file string) (best Mount, ok bool) {
	for _, m := range mounts {
		if under(m.Point, file) && (!ok || len(m.Point) >= len(best.Point)) {
			best, ok = m, true
		}
	}
	return best, ok
}

func under(dir, file string) bool {
	return dir == "/" || file == dir || strings.HasPrefix(file, dir+"/")
}

// option returns the value of an option of the file system, for example upperdir of an overlay.
func (m Mount) option(name string) string {
	for _, o := range m.options {
		if v, ok := strings.CutPrefix(o, name+"="); ok {
			return unescape(v)
		}
	}
	return ""
}

// Storage is the kind of storage of a folder, which determines whether the folder's files survive a reboot. The zero
// Storage is unknown.
type Storage uint8

// These constants are the kinds of storage.
const (
	StorageUnknown Storage = iota
	OnDisk
	InMemory // a tmpfs
	Overlaid // files in an overlay whose upper layer is in memory, such as raspi-config's overlay file system
)

// StorageOf returns the storage of the files in a folder, and the mount that contains the folder.
//
// raspi-config puts the root file system under an overlay whose upper layer is a tmpfs. Since Bookworm, raspi-config
// uses the package overlayroot (overlayroot=tmpfs on the kernel's command line, layers in /media/root-ro and
// /media/root-rw). Earlier releases use raspi-config's own script (boot=overlay, with layers that are hidden once the
// root is mounted). overlayroot also covers the other mounts of /etc/fstab, unless the command line has
// overlayroot=tmpfs:recurse=0.
func StorageOf(root fs.FS, dir string) (Storage, Mount) {
	text, err := bootconfig.Read(root, "proc/self/mountinfo", maxMounts)
	if err != nil {
		return StorageUnknown, Mount{}
	}
	mounts := Mounts(text)
	m, ok := on(mounts, path.Clean(dir))
	switch {
	case !ok:
		return StorageUnknown, m
	case m.Type == "tmpfs" || m.Type == "ramfs":
		return InMemory, m
	case m.Type != "overlay":
		return OnDisk, m
	}
	upper, seen := on(mounts, m.option("upperdir"))
	switch {
	case m.option("upperdir") == "": // an overlay without an upper layer is read-only, so no file can be lost
		return StorageUnknown, m
	case seen && upper.Point != "/" && (upper.Type == "tmpfs" || upper.Type == "ramfs"):
		return Overlaid, m
	case seen && upper.Point != "/" && upper.Type != "overlay":
		return OnDisk, m
	}
	if bootsWithOverlay(root) {
		return Overlaid, m
	}
	return StorageUnknown, m
}

// bootsWithOverlay reports whether the kernel's command line requests an overlay in memory.
func bootsWithOverlay(root fs.FS) bool {
	cmdline, _ := bootconfig.Read(root, "proc/cmdline", maxMounts)
	for word := range strings.FieldsSeq(cmdline) {
		if word == "boot=overlay" || strings.HasPrefix(word, "overlayroot=tmpfs") {
			return true
		}
	}
	return false
}
