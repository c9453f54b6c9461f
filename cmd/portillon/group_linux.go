package main

import "syscall"

// ownGroup keeps a Ctrl-C in the terminal from the daemons: the demo ends them in order. If the demo is killed, they
// end with it.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
