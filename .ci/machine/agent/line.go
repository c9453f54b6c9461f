package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// edge is a change of the level of line 17.
type edge struct {
	at   time.Duration // time since boot
	high bool          // the new level
}

// line contains the kernel's trace of the relay's line 17: every edge since power-on, with the kernel's timestamp.
type line struct {
	chip  string     // folder of the simulated chip in sysfs
	mu    sync.Mutex // guards edges
	edges []edge     // oldest first
}

// watchLine reads the trace from its beginning, and continues to read it in the background.
func watchLine(chip string) (*line, error) {
	l := &line{chip: chip}
	first := 0 // the kernel's number of the first line of the chip
	bases, _ := filepath.Glob("/sys/class/gpio/gpiochip*")
	for _, b := range bases {
		if read(b+"/label") == "pinctrl-bcm2835" {
			first, _ = strconv.Atoi(read(b + "/base"))
		}
	}
	if first == 0 {
		return nil, fmt.Errorf("chip pinctrl-bcm2835 is not among %q", bases)
	}
	trace, err := os.Open(tracing + "/trace_pipe")
	if err != nil {
		return nil, err
	}
	go func() {
		for s := bufio.NewScanner(trace); s.Scan(); {
			if high, at, ok := parseTrace(s.Text(), first+relayLine); ok {
				l.add(edge{at, high})
			}
		}
		say("FAIL trace: kernel's trace has ended")
	}()
	return l, nil
}

// traceLine matches a line of the trace, and captures its time and event. released matches the event in which the
// kernel releases the relay's line.
var (
	traceLine = regexp.MustCompile(` (\d+)\.(\d{6}): (\w+): (.*)$`)
	released  = regexp.MustCompile(fmt.Sprintf(`line=%d$`, relayLine))
)

// parseTrace returns the level to which an event of the trace sets the given line of the chip, with the time since
// boot. A line that no process holds any longer falls, because the chip pulls it down.
func parseTrace(text string, number int) (high bool, at time.Duration, ok bool) {
	m := traceLine.FindStringSubmatch(text)
	if m == nil {
		return false, 0, false
	}
	at, err := time.ParseDuration(m[1] + "s" + m[2] + "us")
	if err != nil {
		return false, 0, false
	}
	switch m[3] {
	case "gpio_value":
		level, is := strings.CutPrefix(m[4], fmt.Sprintf("%d set ", number))
		return level == "1", at, is
	case "released":
		return false, at, released.MatchString(m[4])
	}
	return false, 0, false
}

// add stores an edge and reports it to the host, unless the level has not changed.
func (l *line) add(e edge) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if was := len(l.edges) > 0 && l.edges[len(l.edges)-1].high; was == e.high {
		return // the program has set the line to the level that the line already has
	}
	l.edges = append(l.edges, e)
	say("edge %d %t", e.at.Nanoseconds(), e.high)
}

// high reads the level at the simulated pin, independently of the trace, and reports whether the level is high.
func (l *line) high() bool { return read(fmt.Sprintf("%s/sim_gpio%d/value", l.chip, relayLine)) == "1" }

// waitForEdge waits for the first edge to the given level after the time since. It returns the time between since and
// this edge. If this time is longer than limit, an error is returned.
func (l *line) waitForEdge(since time.Duration, high bool, limit time.Duration) (time.Duration, error) {
	for end := uptime() + limit + 2*time.Second; uptime() < end; time.Sleep(2 * time.Millisecond) {
		for _, e := range l.since(since) {
			if e.high != high {
				continue
			}
			if took := e.at - since; took > limit {
				return took, fmt.Errorf("line 17 changed after %v, at most %v is allowed", took.Round(time.Millisecond), limit)
			}
			return e.at - since, nil
		}
	}
	return 0, fmt.Errorf("line 17 did not change to high=%t within %v", high, limit)
}

// since returns the edges that happened after a time since boot.
func (l *line) since(t time.Duration) []edge {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []edge
	for _, e := range l.edges {
		if e.at > t {
			out = append(out, e)
		}
	}
	return out
}

// contact is a simulated contact between ground and a line whose pull-up the daemon requests. The daemon's request
// replaces the pull that the simulated chip applies, so a closed contact sets the pull to down again, as a wire to
// ground does.
type contact struct {
	pull string      // file in sysfs that sets the pull of the line
	mu   sync.Mutex  // lock of the fields open and over
	open func() bool // reports whether the contact is open
	over bool        // true: the contact is no longer connected to the line
}

// newContact returns a contact that is open while the function open returns true.
func newContact(chip string, line int, open func() bool) *contact {
	c := &contact{pull: fmt.Sprintf("%s/sim_gpio%d/pull", chip, line), open: open}
	go func() {
		for ; ; time.Sleep(5 * time.Millisecond) {
			c.mu.Lock()
			if c.over {
				c.mu.Unlock()
				return
			}
			if want := c.wantedPull(); read(c.pull) != want {
				write(c.pull, want)
			}
			c.mu.Unlock()
		}
	}()
	return c
}

// wantedPull returns the pull that represents the present position of the contact.
func (c *contact) wantedPull() string {
	if c.open() {
		return "pull-up"
	}
	return "pull-down"
}

// stop disconnects the contact from the line.
func (c *contact) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
}

// tear breaks the wire of the contact: from now on, only the daemon's own pull-up determines the level of the line.
func (c *contact) tear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	// wait until the line follows the pull that the daemon has requested
	c.open = func() bool { return read(c.pull) == "pull-up" }
}

// set opens or closes the contact, and returns the time since boot at which it did so.
func (c *contact) set(open bool) time.Duration { return c.follow(func() bool { return open }) }

// follow makes the contact open while the function open returns true, and returns the time since boot at which this
// began.
func (c *contact) follow(open func() bool) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = open
	at := uptime()
	write(c.pull, c.wantedPull())
	return at
}
