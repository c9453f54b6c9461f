package daemon

import "time"

const (
	// unreadLog is the shortest time between two log lines about unreadable input: noise on a wire must not fill the
	// log.
	unreadLog = time.Minute
	// unreadPause is how long a reader must deliver no unreadable input before the panel shows the message again. A
	// phone lying on a reader causes such input ten times a second.
	unreadPause = 2 * time.Second
)

// unreadInput is the last reader input that is not a card's number. Times are monotonic. The zero unreadInput means
// that there was no such input.
type unreadInput struct {
	last, logged time.Time
	count        int // inputs since the last log line
}

// note counts one more unreadable input. isNew reports whether the panel must show a message. toLog is the number of
// inputs to log; 0: log nothing now.
func (x *unreadInput) note(now time.Time) (isNew bool, toLog int) {
	x.count++
	if x.logged.IsZero() || now.Sub(x.logged) >= unreadLog {
		x.logged, toLog, x.count = now, x.count, 0
	}
	isNew = x.last.IsZero() || now.Sub(x.last) >= unreadPause
	x.last = now
	return isNew, toLog
}
