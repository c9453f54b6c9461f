package daemon

import (
	"time"

	"portillon/daemon/panel"
	"portillon/rfid"
)

const (
	// unreadLog is how often what a reader sends and nobody understands is logged: noise on a wire must not fill the log.
	unreadLog = time.Minute
	// unreadPause is how long a reader must have sent nothing of the kind before the panel says it again: a telephone that
	// lies on a reader is met ten times a second.
	unreadPause = 2 * time.Second
)

// unreadInput is what the reader sent last that is no card's number. Times are of the monotonic clock.
type unreadInput struct {
	last, logged time.Time
	count        int // since it was logged
}

// unreadInput tells whoever holds the card that it cannot be read here, and the log why. What came is not logged: it may
// hold a number. While a machine runs its panel keeps showing how long.
func (m *engine) unreadInput(u rfid.Unread) {
	now, x := time.Now(), &m.unread
	x.count++
	if x.logged.IsZero() || now.Sub(x.logged) >= unreadLog {
		m.cfg.Logger.Warn("reader input ignored", "why", u.Why, "times", x.count)
		x.logged, x.count = now, 0
	}
	again := !x.last.IsZero() && now.Sub(x.last) < unreadPause
	x.last = now
	if !again && !m.model.state.Running() {
		m.cfg.Panel.Flash(panel.Unreadable(u.Random), flash)
	}
}
