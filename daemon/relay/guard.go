package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"periph.io/x/conn/v3/gpio"
)

const (
	// Lease is how long the relay stays closed without a word from the daemon (failure matrix: off within 1 s).
	// It is shorter than a second by what a busy Pi needs to wake a process and move a contact.
	Lease = 900 * time.Millisecond
	// renewal is how often the daemon says keep: three may be lost.
	renewal = 250 * time.Millisecond
	// sample bounds how long a changed input can stay unseen where no edge wakes us.
	sample = 20 * time.Millisecond
	// maxLine bounds a line of the protocol in bytes.
	maxLine = 256
)

// ErrLost is why a guard ends whose daemon is gone.
var ErrLost = errors.New("the daemon is gone")

// guard is a run of Guard. One goroutine owns it.
type guard struct {
	pins   Pins
	out    chan string
	on     bool
	estop  bool
	busy   bool
	finish time.Duration // how long a job may finish without the daemon
	lease  *time.Timer
	orphan *time.Timer // the end of a job that finishes without the daemon

	orphaned bool // such a job is under way
	gone     bool // the daemon's pipe has ended
}

// Guard holds the pins until in ends, ctx is done, or something is wrong; then the relay is open. It blocks.
func Guard(ctx context.Context, in io.Reader, out io.Writer, p Pins) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g := &guard{pins: p, out: make(chan string, 256), lease: stopped(), orphan: stopped()}
	defer p.Relay.Out(gpio.Low)
	if err := p.Relay.Out(gpio.Low); err != nil {
		return fmt.Errorf("the relay's pin: %w", err)
	}
	spoken := make(chan struct{})
	go func() { defer close(spoken); speak(ctx, out, g.out) }()
	inputs := make(chan input)
	for name, pin := range map[string]gpio.PinIn{"e-stop": p.EStop, "busy": p.Busy} {
		if pin != nil { // its level counts before the first order does
			level := pin.Read()
			if err := g.input(input{name, level == gpio.High}); err != nil {
				return err
			}
			go watch(ctx, name, pin, level, inputs)
		}
	}
	g.say("guard 1")
	err := g.run(ctx, listen(ctx, in), inputs)
	p.Relay.Out(gpio.Low) // before any word about it
	if err != nil && !errors.Is(err, ErrLost) && ctx.Err() == nil {
		g.say("fault " + err.Error())
	}
	close(g.out)
	select {
	case <-spoken:
	case <-time.After(sample): // a daemon that does not listen is not waited for
	}
	return err
}

func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// input is a changed input.
type input struct {
	name string
	high bool
}

func (g *guard) run(ctx context.Context, lines <-chan string, inputs <-chan input) error {
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case line, ok := <-lines:
			if !ok {
				lines, g.gone = nil, true
				err = g.lost()
			} else {
				err = g.order(line)
			}
		case <-g.lease.C:
			err = g.lost()
		case <-g.orphan.C:
			err = g.off()
		case in := <-inputs:
			err = g.input(in)
		}
		if err != nil {
			return err
		}
		if g.gone && !g.on {
			return ErrLost
		}
	}
}

// order carries out a line from the daemon. Whatever it says, it is a word: the lease begins anew.
func (g *guard) order(line string) error {
	if g.orphaned { // the daemon came back: its job goes on as before, or as it now says
		g.orphaned = false
		g.orphan.Stop()
	}
	word, arg, _ := strings.Cut(line, " ")
	switch word {
	case "keep":
	case "off":
		return g.off()
	case "on":
		ms, err := strconv.ParseUint(arg, 10, 40)
		if err != nil {
			return fmt.Errorf("the order %q makes no sense", line)
		}
		g.finish = time.Duration(ms) * time.Millisecond
		if err := g.close(); err != nil {
			return err
		}
	default:
		return fmt.Errorf("the order %q makes no sense", line)
	}
	if g.on {
		g.lease.Reset(Lease)
	}
	return nil
}

func (g *guard) close() error {
	if g.estop {
		g.say("level 0")
		return nil
	}
	if err := g.pins.Relay.Out(gpio.High); err != nil {
		return fmt.Errorf("the relay's pin: %w", err)
	}
	g.on = true
	g.say("level 1")
	return nil
}

func (g *guard) off() error {
	g.lease.Stop()
	g.orphan.Stop()
	err := g.pins.Relay.Out(gpio.Low)
	g.on, g.orphaned = false, false
	if err != nil {
		return fmt.Errorf("the relay's pin: %w", err)
	}
	g.say("level 0")
	return nil
}

// lost opens the relay, or lets the job finish where the daemon's last order allowed it.
func (g *guard) lost() error {
	g.lease.Stop()
	if g.orphaned {
		return nil // the lease was missed first, and now the pipe has ended too
	}
	if g.on && g.finish > 0 && g.busy {
		g.orphaned = true
		g.orphan.Reset(g.finish)
		return nil
	}
	return g.off()
}

func (g *guard) input(in input) error {
	bit := "0"
	if in.high {
		bit = "1"
	}
	switch in.name {
	case "e-stop":
		g.estop = in.high
		g.say("e-stop " + bit)
		if in.high && g.on {
			return g.off()
		}
	case "busy":
		g.busy = in.high
		g.say("busy " + bit)
		if !in.high && g.orphaned {
			return g.off()
		}
	}
	return nil
}

// say tells the daemon. A daemon that does not listen is not waited for.
func (g *guard) say(line string) {
	select {
	case g.out <- line:
	default:
	}
}

func speak(ctx context.Context, out io.Writer, lines <-chan string) {
	for {
		select {
		case <-ctx.Done():
			return
		case l, ok := <-lines:
			if !ok {
				return
			}
			if _, err := io.WriteString(out, l+"\n"); err != nil {
				return // the end of its input tells the guard
			}
		}
	}
}

// listen passes lines until in ends. A line that is too long ends it: the relay opens.
func listen(ctx context.Context, in io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		s := bufio.NewScanner(in)
		s.Buffer(make([]byte, maxLine), maxLine)
		for s.Scan() {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

// watch passes an input's changes. An input that cannot be read is high: an e-stop that cannot be read is open.
func watch(ctx context.Context, name string, p gpio.PinIn, last gpio.Level, out chan<- input) {
	for ctx.Err() == nil {
		p.WaitForEdge(sample)
		level := p.Read()
		if level == last {
			continue
		}
		last = level
		select {
		case out <- input{name, level == gpio.High}:
		case <-ctx.Done():
		}
	}
}
