package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"portillon/daemon/control"
	"portillon/wire"
)

// clockCase is one cell of the clock table: one combination of a clock error, its beginning and its end.
type clockCase struct {
	off     time.Duration // how far the clock is ahead of the true time
	atStart bool          // true: the clock is already wrong when the daemon starts; false: it becomes wrong later
	ntp     bool          // true: after the correction, a time server confirms the clock
}

// String describes the cell for error messages.
func (c clockCase) String() string {
	when, by := "while running", "by hand"
	if c.atStart {
		when = "at start"
	}
	if c.ntp {
		by = "by a time server"
	}
	return fmt.Sprintf("%v off %s, corrected %s", c.off, when, by)
}

// year is a year of 365 days.
const year = 365 * 24 * time.Hour

// clockCases returns all 48 cells if full is set, and otherwise six of them.
func clockCases(full bool) (out []clockCase) {
	if !full {
		return []clockCase{{-10 * year, false, false}, {10 * year, false, true}, {-8 * time.Second, false, false},
			{40 * time.Second, false, true}, {10 * year, true, true}, {-40 * time.Second, true, false}}
	}
	for _, off := range []time.Duration{time.Second, 8 * time.Second, 40 * time.Second, time.Hour, 24 * time.Hour,
		10 * year} {
		for _, sign := range []time.Duration{-1, 1} {
			for _, atStart := range []bool{false, true} {
				out = append(out, clockCase{sign * off, atStart, false}, clockCase{sign * off, atStart, true})
			}
		}
	}
	return out
}

// reference calculates the true time even while the test changes the clock: it adds CLOCK_MONOTONIC to one reading of
// the clock.
type reference struct {
	wall time.Time     // what the clock showed at the reading
	up   time.Duration // the uptime at the time of the reading
}

// now returns the true time.
func (r reference) now() time.Time { return r.wall.Add(uptime() - r.up) }

// set sets the clock to the true time plus off.
func (r reference) set(off time.Duration) error {
	ts := unix.NsecToTimespec(r.now().Add(off).UnixNano())
	return unix.ClockSettime(unix.CLOCK_REALTIME, &ts)
}

// For each cell, clockTable sends a signed tag of the hub to the machine while the machine's clock is wrong, then
// corrects the clock and removes the tag. The machine must receive the tag, and the record of the tag's removal must
// contain the correct time.
func clockTable(m *machine) (string, error) {
	if err := m.reset(); err != nil {
		return "", err
	}
	b, err := startBroker()
	if err != nil {
		return "", err
	}
	defer func() { b.stop() }()
	ref := reference{time.Now().Round(0), uptime()}
	defer func() {
		ref.set(0)
		vouch(true)
		systemctl("restart", service) // restart the daemon, which resets the delay before it reconnects to the broker
	}()
	if err := runSteps(func() error { return systemctl("stop", service) }, startDaemon); err != nil {
		// restart the broker, so that the machine connects without a delay
		return "", err
	}
	cases := clockCases(commandLine("full") != "")
	worst := time.Duration(0)
	for i, c := range cases {
		late, err := c.testCell(m, b, ref, i)
		if err != nil {
			return "", fmt.Errorf("%v: %w", c, err)
		}
		worst = max(worst, late)
	}
	return fmt.Sprintf("%d of %d cells: tag arrived, record of its removal at most %s off", len(cases), len(cases),
		ms(worst)), nil
}

// testCell tests one cell with the signed tag number i. It returns the difference between the record's time and the
// true time.
func (c clockCase) testCell(m *machine, b *broker, ref reference, i int) (time.Duration, error) {
	order, err := os.ReadFile(fmt.Sprintf("/etc/portillon/orders/%d.note", i))
	if err != nil {
		return 0, err
	}
	steps := []func() error{func() error { return vouch(false) }, func() error { return ref.set(c.off) }}
	if c.atStart {
		stop := func() error { return systemctl("stop", service) }
		steps = append([]func() error{stop}, append(steps, startDaemon)...)
	}
	if err := runSteps(steps...); err != nil {
		return 0, err
	}
	tag := fmt.Sprintf("clock-%d", i)
	// The status shows a tag as the tag's id, a space and the reason.
	hangs := func(text string) bool { return strings.HasPrefix(text, tag+" ") }
	if err := b.sendUntil(order, func() bool {
		s, err := status()
		return err == nil && slices.ContainsFunc(s.Tags, hangs)
	}); err != nil {
		return 0, fmt.Errorf("hub's tag is missing on the machine while its clock is wrong: %w", err)
	}
	if err := runSteps(func() error { return ref.set(0) }, func() error { return vouch(c.ntp) }); err != nil {
		return 0, err
	}
	return c.untag(ref, tag)
}

// untag removes the tag and compares the time in the record with the true time.
func (c clockCase) untag(ref reference, tag string) (time.Duration, error) {
	before := ref.now()
	if rep, err := ask(control.Request{Do: "untag", Tag: tag}); err != nil || !rep.OK {
		return 0, fmt.Errorf("machine refused to remove the tag: %+v, %v", rep, err)
	}
	after := ref.now()
	all, err := records()
	if err != nil {
		return 0, err
	}
	for _, r := range all {
		var body wire.TagBody
		if r.Kind != wire.Untagged || json.Unmarshal(r.Body, &body) != nil || body.Tag != tag {
			continue
		}
		off := max(before.Sub(r.Wall), r.Wall.Sub(after), 0)
		if off > time.Second || r.Clock.Believed() != c.ntp {
			return 0, fmt.Errorf(
				"record of the tag's removal has time %v (clock %s), want a time between %v and %v",
				r.Wall,
				r.Clock,
				before,
				after,
			)
		}
		return off, nil
	}
	return 0, fmt.Errorf("journal has no record of the removal of tag %s", tag)
}

// startDaemon starts the service, and waits at most 60 s until the daemon and its reader work.
func startDaemon() error {
	if err := systemctl("start", service); err != nil {
		return err
	}
	return within(60*time.Second, "the daemon and its reader",
		func() bool { s, err := status(); return err == nil && s.Reader })
}

// sendUntil publishes a command every second until arrived returns true, because a machine that is not connected does
// not receive a command.
func (b *broker) sendUntil(data []byte, arrived func() bool) error {
	next := uptime()
	return within(90*time.Second, "the order", func() bool {
		if uptime() >= next {
			b.client.Publish("portillon/rig/laser/command", 1, false, data)
			next = uptime() + time.Second
		}
		return arrived()
	})
}
