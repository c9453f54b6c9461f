package gpio

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A signal to the waiting thread, such as Go's own SIGURG, interrupts poll(2), which is never restarted (signal(7)).
// Such an interruption does not mean that the line has failed.
func TestSignalDuringAWaitIsNotAnError(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	k := systemKernel()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	tid := unix.Gettid()
	time.AfterFunc(100*time.Millisecond, func() { unix.Tgkill(os.Getpid(), tid, unix.SIGURG) })
	f := &Falls{k: k, fd: int(r.Fd()), lines: []int{5, 6}}
	if _, _, err := f.Next(300 * time.Millisecond); errors.Is(err, unix.EINTR) {
		t.Errorf(
			"Next failed: %v: a Wiegand reader is dead and opened anew for it, and a card of that second is not heard",
			err,
		)
	}
}
