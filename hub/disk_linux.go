package hub

import "syscall"

// diskFree returns how many bytes an unprivileged process can still write in a folder; -1: unknown.
func diskFree(dir string) int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return -1
	}
	return int64(s.Bavail) * int64(s.Bsize)
}
