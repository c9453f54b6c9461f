package main

import "syscall"

// ownGroup puts a daemon into a separate process group, so that Ctrl-C in the terminal reaches only the demo, which
// then ends the daemons in order. If somebody kills the demo, the kernel sends SIGTERM to the daemon.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
