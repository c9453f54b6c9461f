//go:build unix && !linux

package main

import "syscall"

// ownGroup puts daemons into a process group of their own, so that Ctrl-C in the terminal does not reach them: the demo
// ends them in order.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
