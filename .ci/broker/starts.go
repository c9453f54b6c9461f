package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"portillon/hub"
	"portillon/hub/broker"
)

// checkStored compares the size of the data that the hub's own broker stores with the limits of the accounts.
func (c *campaign) checkStored(print bool) error {
	var s hub.BrokerStatus
	if err := c.site.get("/broker", &s); err != nil {
		return err
	}
	// 1 MiB is allowed for the data of the other accounts, of the hub and of MQTT sessions.
	limit := uint64(broker.MaxStored()) + 1<<20
	if s.Stored.Bytes > limit {
		c.fail("broker stores %d bytes, at most %d are allowed", s.Stored.Bytes, limit)
	}
	c.peak = max(c.peak, s.Stored.Bytes)
	if !print {
		return nil
	}
	c.say("stored at the broker: %.1f MB in %d messages, %d consumers; limit of the account %.1f MB, "+
		"maximum during an attack %.1f MB",
		float64(s.Stored.Bytes)/1e6, s.Stored.Messages, s.Stored.Consumers, float64(limit)/1e6, float64(c.peak)/1e6)
	for _, a := range s.Accounts {
		if len(a.Refused) > 0 {
			c.say("refused to %q: %v", a.User, a.Refused)
		}
	}
	return nil
}

// restarts starts the hub many times, and ends it alternately with SIGTERM and SIGKILL. The size of the stored data
// must not grow from start to start. For a short time, the broker may have one or two more consumers.
func (c *campaign) restarts(ctx context.Context) error {
	var first broker.Stored
	began := time.Now()
	for i := range c.starts {
		h, err := c.site.startHub(ctx)
		if err != nil {
			return fmt.Errorf("start %d of the hub: %w", i, err)
		}
		if c.kind == "inside" {
			got, err := c.storedAfterSubscribe()
			if err != nil {
				h.kill()
				return err
			}
			if i == 0 {
				first = got
			} else if got.Consumers > first.Consumers+2 || got.Bytes > first.Bytes+1<<20 {
				c.fail("start %d: broker stores %+v, but %+v after the first start", i, got, first)
			}
			if i == c.starts-1 {
				c.say("after %d starts: %d consumers, %.1f MB stored", c.starts, got.Consumers, float64(got.Bytes)/1e6)
			}
		}
		h.end(map[bool]syscall.Signal{true: syscall.SIGTERM, false: syscall.SIGKILL}[i%2 == 0])
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	c.say("%d starts of the hub in %v", c.starts, time.Since(began).Round(time.Second))
	return nil
}

// storedAfterSubscribe waits until the broker has one consumer for each of the hub's four topic filters, and returns
// the size of the data that the broker stores.
func (c *campaign) storedAfterSubscribe() (broker.Stored, error) {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var s hub.BrokerStatus
		err := c.site.get("/broker", &s)
		if err == nil && s.Stored.Consumers >= 4 {
			return s.Stored, nil
		}
		if time.Now().After(end) {
			return s.Stored, fmt.Errorf("broker has %d consumers for the hub, want 4: %w", s.Stored.Consumers, err)
		}
	}
}
