package hub

import "syscall"

// diskFree is how many bytes an unprivileged process may still write where a folder is; -1: nobody can tell.
func diskFree(dir string) int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return -1
	}
	return int64(s.Bavail) * int64(s.Bsize)
}
