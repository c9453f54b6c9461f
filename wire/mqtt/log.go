package mqtt

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// logEvery is the shortest interval between log lines about one topic.
	logEvery = time.Minute
	// maxTopics is the largest number of topics that are logged separately. All further topics share one entry.
	maxTopics = 64
)

// LogDropped returns a function for Limits.Dropped. The returned function logs the first dropped message of a topic at
// once. After that, it logs at most one line a minute, with the number of messages since the last line. Several
// connections may share the function.
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
			log.Warn("message too large, dropped", "topic", d.Topic, "bytes", d.Bytes, "retained", d.Retained, "count", e.since)
			e.at, e.since = at, 0
		}
	}
}
