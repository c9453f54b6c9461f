package broker

import (
	"context"
	"sync"
	"time"

	"portillon/wire"
)

// limits are the limits of one account. They hold for all its connections together, except filters, which holds for
// each.
type limits struct {
	connections int     // maximum number of connections
	connects    float64 // new connections a second, after a burst of burstConnects
	filters     int     // maximum number of topic filters of a connection
	rate        float64 // bytes a second that the account may send, after burst; 0: no limit
	burst       float64 // bytes
	perPacket   float64 // minimum number of bytes counted for a packet, because small packets cost time too
	perFilter   float64 // bytes counted for a topic filter, because the broker may send retained messages
}

// burstConnects is the number of connections that an account may open without a pause.
const burstConnects = 20

// limitsOf returns the limits for a kind of account. A machine with 5,000 records to send needs about 3 MB, and has at
// most four batches in transit.
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
	// Without accounts, the broker listens on loopback: the limits keep a faulty program from filling the memory.
	return limits{connections: 256, connects: 200, filters: 1024, rate: 64 << 20, burst: 256 << 20}
}

// MaxStored returns the maximum number of bytes that the broker stores for one machine's account: one packet for each
// topic that the account may publish on, and the undelivered messages of the time keepFor.
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

// bucket is a token bucket with at most burst tokens, which gains rate tokens a second. The number of tokens may become
// negative: a packet that needs more tokens than the bucket has passes at once, and the next packet waits.
type bucket struct {
	mu          sync.Mutex
	rate, burst float64
	tokens      float64
	at          time.Time
}

// newBucket returns a full bucket.
func newBucket(rate, burst float64, now time.Time) *bucket {
	return &bucket{rate: rate, burst: burst, tokens: burst, at: now}
}

// fill adds the tokens gained since the last call. A clock that is set back adds none.
func (b *bucket) fill(now time.Time) {
	if d := now.Sub(b.at).Seconds(); d > 0 {
		b.tokens = min(b.burst, b.tokens+d*b.rate)
	}
	b.at = now
}

// try takes one token, and returns false if there is none.
func (b *bucket) try(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fill(now); b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// take removes n tokens from the bucket, and returns how long the caller must wait before sending.
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

// wait returns nil after the time d, or an error when ctx is done.
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
