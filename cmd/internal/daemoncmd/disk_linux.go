package daemoncmd

import "golang.org/x/sys/unix"

// diskFree returns how many bytes a user other than root can write on a folder's disk (statfs(2), f_bavail).
func diskFree(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}
