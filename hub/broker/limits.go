package broker

import (
	"context"
	"sync"
	"time"

	"portillon/wire"
)

// limits bound what one account may do. They count for all its connections together, but filters, which is for each.
type limits struct {
	connections int     // at once
	connects    float64 // a second, after a burst of burstConnects
	filters     int     // topic filters of one connection
	rate        float64 // bytes a second that the account may send, after a burst of burst; 0: no limit
	burst       float64 // bytes
	perPacket   float64 // bytes that a packet counts for at least: small packets cost time too
	perFilter   float64 // bytes that a topic filter counts for: each may make the broker send what is retained
}

const burstConnects = 20

// The limits of each kind of account. A machine that has 5,000 records to send needs about 3 MB; four batches are under
// way at most.
func limitsOf(as Part) limits {
	switch as {
	case AsMachine:
		return limits{connections: 4, connects: 1, filters: 32, rate: 1 << 20, burst: 4 * wire.MaxPacket, perPacket: 1 << 10,
			perFilter: 64 << 10}
	case AsWatcher:
		return limits{connections: 16, connects: 2, filters: 1024, rate: 256 << 10, burst: 16 << 20, perPacket: 256,
			perFilter: 8 << 10}
	case AsHub:
		return limits{connections: 4, connects: 4, filters: 64}
	}
	// Without accounts, on loopback: a fault of one program should not fill memory.
	return limits{connections: 256, connects: 200, filters: 1024, rate: 64 << 20, burst: 256 << 20}
}

// MaxStored is how many bytes one machine's account may have stored at the broker inside: one packet on each topic that
// the account may publish on, and what it published within keepFor and is not delivered yet.
func MaxStored() int64 {
	l := limitsOf(AsMachine)
	topics := 0
	for _, t := range wire.TopicTable() {
		if t.Publishes(wire.MachineParty) {
			topics++
		}
	}
	return int64(topics)*wire.MaxPacket + int64(l.burst+l.rate*keepFor.Seconds())
}

// bucket is a token bucket: it holds burst tokens and gains rate a second. It may be in debt, so a packet larger than
// what it holds passes and the next one waits.
type bucket struct {
	mu          sync.Mutex
	rate, burst float64
	tokens      float64
	at          time.Time
}

// newBucket is a full bucket.
func newBucket(rate, burst float64, now time.Time) *bucket {
	return &bucket{rate: rate, burst: burst, tokens: burst, at: now}
}

// fill adds the tokens of the time since the last call. The caller holds mu.
func (b *bucket) fill(now time.Time) {
	if d := now.Sub(b.at).Seconds(); d > 0 {
		b.tokens = min(b.burst, b.tokens+d*b.rate)
	}
	b.at = now
}

// try takes one token if there is one.
func (b *bucket) try(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fill(now); b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// take takes n tokens, and returns how long the caller must wait first.
func (b *bucket) take(n float64, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	b.tokens -= n
	if b.tokens >= 0 {
		return 0
	}
	return time.Duration(-b.tokens / b.rate * float64(time.Second))
}

// wait sleeps for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
