//go:build owned_clock

package daemoncmd

import (
	"os"
	"strings"
	"time"
)

// A program that is built with the tag owned_clock uses a simulated clock. The file named by PORTILLON_CLOCK contains
// the simulated clock's offset from this computer's clock, and the word synchronised if a time server has synchronised
// the simulated clock: for example "8880h synchronised". Packages are built without this tag. The tests in .ci/away
// simulate wrong clocks with this tag.

func ownedClock() (offset time.Duration, vouched bool) {
	b, err := os.ReadFile(os.Getenv("PORTILLON_CLOCK"))
	if err != nil {
		return 0, false
	}
	first, rest, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	offset, _ = time.ParseDuration(first) // if the file contains no offset, the simulated clock shows this computer's time
	return offset, rest == "synchronised"
}

// WallNow returns the time of the simulated clock.
func WallNow() time.Time {
	offset, _ := ownedClock()
	return time.Now().Add(offset)
}

func synchronised() bool {
	_, vouched := ownedClock()
	return vouched
}

// setTime sets the simulated clock, which is not synchronised afterwards.
func setTime(t time.Time) error {
	return os.WriteFile(os.Getenv("PORTILLON_CLOCK"), []byte(time.Until(t).String()), 0o644)
}
