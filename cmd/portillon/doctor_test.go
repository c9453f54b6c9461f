package main

import (
	"syscall"
	"testing"
)

// If untilLineIsLow did not handle the signals, SIGHUP would end this test's process and SIGTSTP would stop it.
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
