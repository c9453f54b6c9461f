package mqtt

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// logEvery is how often a topic's dropped messages are logged.
	logEvery = time.Minute
	// maxTopics bounds how many topics are told apart; the rest share one entry.
	maxTopics = 64
)

// LogDropped gives a function for Limits.Dropped that logs the first dropped message of a topic at once, and then at
// most one a minute with the number of those since. Several connections may share it.
func LogDropped(log *slog.Logger, now func() time.Time) func(Dropped) {
	type entry struct {
		at    time.Time
		since int
	}
	var mu sync.Mutex
	topics := map[string]*entry{}
	return func(d Dropped) {
		mu.Lock()
		defer mu.Unlock()
		key := d.Topic
		if topics[key] == nil && len(topics) >= maxTopics {
			key = ""
		}
		e := topics[key]
		if e == nil {
			e = &entry{}
			topics[key] = e
		}
		e.since++
		if at := now(); e.at.IsZero() || at.Sub(e.at) >= logEvery || at.Before(e.at) {
			log.Warn("message dropped: too large", "topic", d.Topic, "bytes", d.Bytes, "retained", d.Retained, "count", e.since)
			e.at, e.since = at, 0
		}
	}
}
