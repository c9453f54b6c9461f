package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	// confirmation bounds how long a guard may take to answer: a tenth of it is what a loaded Pi needs.
	confirmation = 500 * time.Millisecond
	hello        = 5 * time.Second
	farewell     = time.Second
)

// Event is what the guard says by itself.
type Event struct {
	What Happening
	On   bool   // EStop: open; Busy: works
	Why  string // Lost
}

// Happening is the kind of an Event.
type Happening string

const (
	EStop   Happening = "e-stop"
	Busy    Happening = "busy"
	Dropped Happening = "dropped" // the guard opened the relay without being asked: the lease was missed
	Lost    Happening = "guard-lost"
)

// Switch is the daemon's hand on the guard. The zero Switch refuses to switch on.
type Switch struct {
	in     io.WriteCloser
	cmd    *exec.Cmd
	alive  func() bool
	events chan<- Event
	levels chan bool
	ended  chan struct{}

	mu  sync.Mutex
	on  bool
	set bool // a Set waits for its answer
	why string
}

// Start runs the guard's command and waits until it holds the pin. alive is asked before each renewal: false lets the
// lease end. Events go to events, which must be read; the last is Lost.
func Start(ctx context.Context, cmd *exec.Cmd, alive func() bool, events chan<- Event) (*Switch, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the guard did not start: %w", err)
	}
	s := &Switch{in: in, cmd: cmd, alive: alive, events: events, levels: make(chan bool, 1), ended: make(chan struct{})}
	ready := make(chan struct{})
	go s.hear(out, ready)
	select {
	case <-ready:
	case <-s.ended:
		return nil, fmt.Errorf("the guard did not start: %s", s.reason())
	case <-time.After(hello):
		s.end()
		return nil, errors.New("the guard did not start: it said nothing")
	case <-ctx.Done():
		s.end()
		return nil, ctx.Err()
	}
	go s.renew()
	return s, nil
}

// hear reads what the guard says until it ends.
func (s *Switch) hear(out io.Reader, ready chan<- struct{}) {
	lines := bufio.NewScanner(out)
	lines.Buffer(make([]byte, maxLine), 4*maxLine)
	for lines.Scan() {
		word, arg, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "guard":
			if ready != nil {
				close(ready)
				ready = nil
			}
		case "level":
			s.level(arg == "1")
		case "e-stop":
			s.tell(Event{What: EStop, On: arg != "0"})
		case "busy":
			s.tell(Event{What: Busy, On: arg == "1"})
		case "fault":
			s.mu.Lock()
			s.why = arg
			s.mu.Unlock()
		}
	}
	err := s.cmd.Wait()
	s.mu.Lock()
	s.on = false
	if s.why == "" && err != nil {
		s.why = err.Error()
	}
	s.mu.Unlock()
	close(s.ended)
	s.tell(Event{What: Lost, Why: s.reason()})
}

func (s *Switch) tell(e Event) { s.events <- e }

func (s *Switch) level(on bool) {
	s.mu.Lock()
	answer, dropped := s.set, s.on && !on && !s.set
	s.set, s.on = false, on
	s.mu.Unlock()
	switch {
	case answer:
		s.levels <- on
	case dropped:
		s.tell(Event{What: Dropped})
	}
}

func (s *Switch) reason() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == "" {
		return "it ended"
	}
	return s.why
}

// Set closes or opens the relay and returns once the guard has confirmed. finish is how long the machine's job may go on
// if this daemon is lost. After an error the relay is open, or will be within the lease: a guard that does not answer is ended.
func (s *Switch) Set(ctx context.Context, on bool, finish time.Duration) error {
	if s.in == nil {
		return errors.New("there is no guard")
	}
	order := "off\n"
	if on {
		order = fmt.Sprintf("on %d\n", finish.Milliseconds())
	}
	s.mu.Lock()
	s.set = true
	s.mu.Unlock()
	if _, err := io.WriteString(s.in, order); err != nil {
		return fmt.Errorf("the guard is gone: %w", err)
	}
	late := time.NewTimer(confirmation)
	defer late.Stop()
	select {
	case got := <-s.levels:
		if got != on {
			return errors.New("the guard refused: the emergency stop is open")
		}
		return nil
	case <-s.ended:
		return fmt.Errorf("the guard is gone: %s", s.reason())
	case <-late.C:
	case <-ctx.Done():
	}
	s.end()
	return errors.New("the guard did not answer, and was ended")
}

// renew keeps the lease while the daemon lives.
func (s *Switch) renew() {
	t := time.NewTicker(renewal)
	defer t.Stop()
	for {
		select {
		case <-s.ended:
			return
		case <-t.C:
		}
		s.mu.Lock()
		on := s.on
		s.mu.Unlock()
		if on && s.alive() {
			if _, err := io.WriteString(s.in, "keep\n"); err != nil {
				return
			}
		}
	}
}

// end ends a guard that does not do its work: its input closes, and then it is killed.
func (s *Switch) end() {
	s.in.Close()
	select {
	case <-s.ended:
	case <-time.After(farewell):
		s.cmd.Process.Kill()
	}
}

// Close opens the relay and waits for the guard's end.
func (s *Switch) Close() error {
	if s.in == nil {
		return nil
	}
	s.end()
	<-s.ended
	return nil
}

// Ended is closed when the guard has ended.
func (s *Switch) Ended() <-chan struct{} { return s.ended }

// Process is the guard's process id.
func (s *Switch) Process() int { return s.cmd.Process.Pid }
