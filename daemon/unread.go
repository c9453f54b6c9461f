package daemon

import "time"

const (
	// unreadLog is the shortest time between two log lines about unreadable input, so that noise on a wire does not fill
	// the log.
	unreadLog = time.Minute
	// unreadPause is how long a reader must send no unreadable input before the panel shows the message again. A phone
	// that lies on a reader causes unreadable input ten times a second.
	unreadPause = 2 * time.Second
)

// unreadInput is the last reader input that is not a card's number. Times are monotonic. The zero unreadInput means
// that there was no such input.
type unreadInput struct {
	last, logged time.Time
	count        int // number of inputs since the last log line
}

// note counts one more unreadable input. isNew reports whether the panel must show a message about the input. toLog is
// the number of inputs that the log line reports; 0: write no log line now.
func (x *unreadInput) note(now time.Time) (isNew bool, toLog int) {
	x.count++
	if x.logged.IsZero() || now.Sub(x.logged) >= unreadLog {
		x.logged, toLog, x.count = now, x.count, 0
	}
	isNew = x.last.IsZero() || now.Sub(x.last) >= unreadPause
	x.last = now
	return isNew, toLog
}
