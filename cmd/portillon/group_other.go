//go:build unix && !linux

package main

import "syscall"

// ownGroup puts daemons into a separate process group, so that Ctrl-C in the terminal does not reach them: the demo
// ends the daemons in order.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
