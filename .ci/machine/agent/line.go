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

// edge is a change of line 17, at a time since boot.
type edge struct {
	at   time.Duration
	high bool
}

// line is the relay's line 17 as the kernel's trace shows it: every edge since power-on, with the kernel's time.
type line struct {
	chip  string
	mu    sync.Mutex
	edges []edge
}

// watchLine reads the trace from its beginning, and goes on.
func watchLine(chip string) (*line, error) {
	l := &line{chip: chip}
	first := 0 // the kernel's number of the chip's first line
	bases, _ := filepath.Glob("/sys/class/gpio/gpiochip*")
	for _, b := range bases {
		if read(b+"/label") == "pinctrl-bcm2835" {
			first, _ = strconv.Atoi(read(b + "/base"))
		}
	}
	if first == 0 {
		return nil, fmt.Errorf("the chip is not among %q", bases)
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
		say("FAIL trace: the kernel's trace has ended")
	}()
	return l, nil
}

var (
	traceLine = regexp.MustCompile(` (\d+)\.(\d{6}): (\w+): (.*)$`)
	released  = regexp.MustCompile(fmt.Sprintf(`line=%d$`, relayLine))
)

// parseTrace reads the level that a line of the trace gives to a line of the chip. A released line falls to its pull,
// which is down.
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

func (l *line) add(e edge) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if was := len(l.edges) > 0 && l.edges[len(l.edges)-1].high; was == e.high {
		return // set again to what it is
	}
	l.edges = append(l.edges, e)
	say("edge %d %t", e.at.Nanoseconds(), e.high)
}

// high is the level at the pin itself.
func (l *line) high() bool { return read(fmt.Sprintf("%s/sim_gpio%d/value", l.chip, relayLine)) == "1" }

// after waits for the first edge to this level since a time, and says how long it took.
func (l *line) after(since time.Duration, high bool, limit time.Duration) (time.Duration, error) {
	for end := uptime() + limit + 2*time.Second; uptime() < end; time.Sleep(2 * time.Millisecond) {
		for _, e := range l.since(since) {
			if e.high != high {
				continue
			}
			if took := e.at - since; took > limit {
				return took, fmt.Errorf("after %v, and %v is the limit", took.Round(time.Millisecond), limit)
			}
			return e.at - since, nil
		}
	}
	return 0, fmt.Errorf("line 17 did not become %t within %v", high, limit)
}

// since are the edges after a time.
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

// contact is a contact to ground, on a line that the daemon asks the chip to pull up. A simulated chip forgets by that
// what the world outside pulls the line to: a closed contact pulls it down again, as copper would.
type contact struct {
	pull string
	mu   sync.Mutex
	open func() bool
	over bool
}

// newContact makes one that is open whenever open says so.
func newContact(chip string, line int, open func() bool) *contact {
	c := &contact{pull: fmt.Sprintf("%s/sim_gpio%d/pull", chip, line), open: open}
	go func() {
		for ; ; time.Sleep(5 * time.Millisecond) {
			c.mu.Lock()
			if c.over {
				c.mu.Unlock()
				return
			}
			if want := c.wanted(); read(c.pull) != want {
				write(c.pull, want)
			}
			c.mu.Unlock()
		}
	}()
	return c
}

func (c *contact) wanted() string {
	if c.open() {
		return "pull-up"
	}
	return "pull-down"
}

// stop has nothing hang on the line any more.
func (c *contact) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
}

// tear takes the wire away: from now on nothing but the daemon's own pull-up decides.
func (c *contact) tear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = func() bool { return read(c.pull) == "pull-up" } // as it is
}

// set opens or closes the contact, and says when.
func (c *contact) set(open bool) time.Duration { return c.follow(func() bool { return open }) }

// follow has the contact do as something else does, from now on.
func (c *contact) follow(open func() bool) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = open
	at := uptime()
	write(c.pull, c.wanted())
	return at
}
