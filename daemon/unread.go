package daemon

import "time"

const (
	// unreadLog is how often what a reader sends and nobody understands is logged: noise on a wire must not fill the log.
	unreadLog = time.Minute
	// unreadPause is how long a reader must have sent nothing of the kind before the panel says it again: a telephone that
	// lies on a reader is met ten times a second.
	unreadPause = 2 * time.Second
)

// unreadInput is what the reader sent last that is no card's number. Times are of the monotonic clock. The zero
// unreadInput has seen none.
type unreadInput struct {
	last, logged time.Time
	count        int // since it was logged
}

// note counts one more input. It reports whether whoever holds the card must be told (isNew), and how many inputs the
// log must be told of; 0: none now.
func (x *unreadInput) note(now time.Time) (isNew bool, toLog int) {
	x.count++
	if x.logged.IsZero() || now.Sub(x.logged) >= unreadLog {
		x.logged, toLog, x.count = now, x.count, 0
	}
	isNew = x.last.IsZero() || now.Sub(x.last) >= unreadPause
	x.last = now
	return isNew, toLog
}
