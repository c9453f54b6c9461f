//go:build unix && !linux

package main

import "syscall"

// ownGroup keeps a Ctrl-C in the terminal from the daemons: the demo ends them in order.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
