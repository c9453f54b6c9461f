package main

import (
	"syscall"
	"testing"
)

// Without the context a SIGHUP ends this test's process, and a SIGTSTP stops it.
func TestPumpTestEndsWithItsTerminalAndIsNotSuspended(t *testing.T) {
	ctx, stop := untilLineIsLow(t.Context())
	defer stop()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTSTP); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	if t.Context().Err() != nil {
		t.Error("the test's own context ended")
	}
}
