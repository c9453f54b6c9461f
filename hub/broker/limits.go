package broker

import (
	"context"
	"sync"
	"time"

	"portillon/wire"
)

// limits contains the limits of one account. The limit filters applies to each connection, and all other limits apply
// to all connections of the account together.
type limits struct {
	connections int     // maximum number of connections
	connects    float64 // new connections per second, after a burst of burstConnects
	filters     int     // maximum number of topic filters per connection
	rate        float64 // bytes per second that the account may send after it has sent burst bytes; 0: no limit
	burst       float64 // bytes
	perPacket   float64 // a shorter packet is counted as this many bytes, because small packets cost time, too
	perFilter   float64 // bytes that are counted for a topic filter, because the broker may send retained messages
}

// burstConnects is the number of connections that an account may open without a pause.
const burstConnects = 20

// limitsOf returns the limits for a kind of account. A machine sends at most four batches before it waits for an
// acknowledgement. For example, 5,000 records have about 3 MB.
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
	// The limits of a broker without accounts only prevent a faulty local program from filling the memory, because this
	// broker listens only on loopback.
	return limits{connections: 256, connects: 200, filters: 1024, rate: 64 << 20, burst: 256 << 20}
}

// MaxStored returns the maximum number of bytes that the broker stores for one machine's account: one packet for each
// topic that the account may publish on, and all messages that the account can send within the time keepFor.
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

// bucket is a token bucket with at most burst tokens, which gains rate tokens per second. A packet that needs more
// tokens than the bucket contains passes at once and makes the number of tokens negative, so that the next packet
// waits.
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

// fill adds the tokens that the bucket gained since the last call. If the clock was set back, fill adds no tokens.
func (b *bucket) fill(now time.Time) {
	if d := now.Sub(b.at).Seconds(); d > 0 {
		b.tokens = min(b.burst, b.tokens+d*b.rate)
	}
	b.at = now
}

// takeOne removes one token from the bucket, and returns false if the bucket contains no whole token.
func (b *bucket) takeOne(now time.Time) bool {
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

// wait returns nil after the duration d, or an error when ctx is done.
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
