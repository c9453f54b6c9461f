package main

import (
	"os"
	"path/filepath"
	"syscall"
)

// demoPrefix is the beginning of the name of each demo's folder.
const demoPrefix = "portillon-demo-"

// lockDemo locks a demo's folder, which marks the folder as in use. The kernel releases the lock when the process ends,
// even after SIGKILL.
func lockDemo(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// sweepDemos removes the folders of demos that were killed. sweepDemos does not remove a folder that a running demo
// uses or that belongs to another user.
func sweepDemos(tmp string) {
	dirs, err := filepath.Glob(filepath.Join(tmp, demoPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(dir)
		}
		f.Close()
	}
}
