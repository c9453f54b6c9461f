package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

const (
	// confirmation is the longest time that a guard's answer to an order may take. A loaded Pi answers within a tenth of
	// this time.
	confirmation = 500 * time.Millisecond
	// grace is how long a failing guard has to open the relay and exit before it is killed. The sum of confirmation and
	// grace is less than a second. grace must not be zero, because on a Pi the pin of a killed guard can keep its level.
	grace = 400 * time.Millisecond
	// silence is how many consecutive renewals a guard may leave unanswered. Eight renewals take two seconds, after which
	// the guard counts as hung.
	silence = 8
	// hello is the longest time that a guard may take to start, on the slowest SD card of the slowest Pi.
	hello = 5 * time.Second
	// farewell is the longest time that a guard may take to exit after it was told to.
	farewell = time.Second
)

var (
	// ErrNoGuard is the error of a Switch that was never started, was closed, or whose guard has ended. When a Switch
	// returns this error, the relay is open.
	ErrNoGuard = errors.New("no guard is running")
)

// Refusal is the reason why a working guard does not close the relay.
type Refusal string

const (
	ErrEStop       Refusal = "e-stop"    // the emergency stop is open
	ErrDoor        Refusal = "door"      // the door is open
	ErrContactor   Refusal = "contactor" // the mirror contact does not show that the contactor is open
	ErrMachineRuns Refusal = "runs"      // the machine works although its relay is open
	// ErrContactorOpening means that the contactor may still be opening, or that its mirror contact bounces. Set repeats
	// the order until the contactor has had enough time to open.
	ErrContactorOpening Refusal = "moment"
)

var refusals = map[Refusal]string{ErrEStop: "emergency stop is open", ErrDoor: "door is open",
	ErrContactor: "contactor does not report that it is open", ErrMachineRuns: "machine works although its " +
		"relay is open",
	ErrContactorOpening: "contactor is still opening"}

// Error implements error.
func (r Refusal) Error() string { return refusals[r] }

// process is the guard's process.
type process interface {
	Wait() error
	Kill() error
}

type command struct{ *exec.Cmd }

func (c command) Kill() error { return c.Process.Kill() }

// Switch switches the relay through the guard. The zero Switch refuses to switch on. The methods of a Switch may be
// called concurrently.
type Switch struct {
	in    io.WriteCloser
	guard process
	pid   int
	alive func() bool

	news   *eventQueue
	orders *orders
	reason firstReason
	life   guardEvents
	turn   sync.Mutex // serializes orders
}

// guardEvents contains channels. Each channel is closed when the guard, or the Switch, has reached the point that its
// comment names.
type guardEvents struct {
	ready     chan struct{} // the daemon has received the guard's first line
	ended     chan struct{} // the process has ended
	closing   chan struct{} // the Switch is closing and no longer waits until events are read
	delivered chan struct{} // the last event was read or discarded
	once      sync.Once     // ensures that closing is closed once
}

// firstReason stores the first reason why a guard ended.
type firstReason struct {
	mu  sync.Mutex
	why string
}

func (r *firstReason) set(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.why == "" {
		r.why = why
	}
}

func (r *firstReason) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.why == "" {
		return "guard ended"
	}
	return r.why
}

// Start runs the guard's command and waits, for at most five seconds, until the guard controls the pin and the relay is
// open. The Switch calls alive before each renewal, and lets the lease end if alive returns false. The Switch sends the
// guard's events to events. The last event is Lost. If the reader of events is slow, it receives the latest state of
// each input, and blocks nothing else.
//
// The guard gets its own process group, so that a terminal's Ctrl-C and Ctrl-Z reach only the daemon. The guard
// inherits only the standard files, so that the guard's input ends when the daemon ends for any reason.
func Start(ctx context.Context, cmd *exec.Cmd, alive func() bool, events chan<- Event) (*Switch, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	s := newSwitch(in, command{cmd}, alive)
	s.pid = cmd.Process.Pid
	return s.begin(ctx, out, events)
}

func newSwitch(in io.WriteCloser, guard process, alive func() bool) *Switch {
	return &Switch{
		in: in, guard: guard, alive: alive, news: newEventQueue(), orders: newOrders(),
		life: guardEvents{
			ready: make(chan struct{}), ended: make(chan struct{}), closing: make(chan struct{}),
			delivered: make(chan struct{}),
		},
	}
}

// begin waits for the guard's first line.
func (s *Switch) begin(ctx context.Context, out io.Reader, events chan<- Event) (*Switch, error) {
	go s.attend(out)
	go func() { defer close(s.life.delivered); s.news.deliver(events, s.life.closing) }()
	late := time.NewTimer(hello)
	defer late.Stop()
	var err error
	select {
	case <-s.life.ready:
		go s.renewLoop()
		return s, nil
	case <-s.life.ended:
		err = errors.New(s.reason.String())
	case <-late.C:
		err = fmt.Errorf("guard wrote no first line within %v", hello)
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.Close()
	return nil, fmt.Errorf("start the guard: %w", err)
}

// attend processes the guard's lines until the guard ends or sends an invalid line, and then waits for its exit.
func (s *Switch) attend(out io.Reader) {
	if err := s.listen(lineReader(out)); !errors.Is(err, io.EOF) {
		s.reason.set(err.Error())
	}
	late := time.AfterFunc(grace, func() { s.guard.Kill() })
	s.hangUp()
	err := s.guard.Wait()
	late.Stop()
	if err != nil {
		s.reason.set(err.Error())
	}
	s.news.add(Event{What: Lost, Why: s.reason.String()})
	close(s.life.ended)
}

// listen processes lines and returns why it stopped: io.EOF if the guard has ended.
func (s *Switch) listen(r *bufio.Reader) error {
	for greeted := false; ; {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		w, err := parseGuardLine(line)
		if err != nil {
			return err
		}
		s.orders.resetUnanswered()
		switch {
		case w.say == "fault":
			s.reason.set(w.why)
		case !greeted && (w.say != "guard" || w.id != version || w.on):
			return fmt.Errorf("first line from the guard is %.40q, want guard %d 0: "+
				"check that guard and daemon are of the same version", line, version)
		case !greeted:
			greeted = true
			close(s.life.ready)
		case !s.handleLine(w):
			return fmt.Errorf("unexpected line from the guard: %.40q", line)
		}
	}
}

// handleLine processes a line from the guard, and returns false if the line is unexpected.
func (s *Switch) handleLine(w guardLine) bool {
	switch w.say {
	case "alive":
		return true
	case "done", "deny":
		return s.orders.deliver(w)
	case "drop":
		s.news.add(Event{What: Dropped, Why: w.why})
		return true
	case "e-stop", "door", "contactor", "busy":
		s.news.add(Event{What: EventKind(w.say), On: w.on})
		return true
	}
	return false
}

// Set closes or opens the relay and returns once the guard has confirmed, within a second, or two while a contactor
// opens. finish is how long the machine's job may continue if this daemon is lost, and cool how long the extraction
// runs after the relay opens. Both are at most MaxFinish. After an error the relay is open. The error is a Refusal if
// the guard refused. If the error is not a Refusal, the guard has ended, or the Switch has ended the guard because it
// did not answer. The event Lost follows. If ctx ends before the guard answers, the Switch ends the guard too. If ctx
// has ended before the call, the relay does not close.
func (s *Switch) Set(ctx context.Context, on bool, finish, cool time.Duration) error {
	if s.in == nil {
		return ErrNoGuard
	}
	if !bounded(finish) || !bounded(cool) {
		return fmt.Errorf("job may finish for %v and extraction run for %v: want at most "+
			"%v", finish, cool, MaxFinish)
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	err := s.sendOrder(ctx, on, finish, cool)
	for tries := openingTime / flutter; tries >= 0 && errors.Is(err, ErrContactorOpening) && ctx.Err() == nil; tries-- {
		time.Sleep(flutter) // the contactor is still opening, for example after cards were exchanged in a slot
		err = s.sendOrder(ctx, on, finish, cool)
	}
	return err
}

// sendOrder sends one order and waits for its answer.
func (s *Switch) sendOrder(ctx context.Context, on bool, finish, cool time.Duration) error {
	if err := ctx.Err(); on && err != nil { // the relay must not close while the Switch is ending the guard
		s.reason.set(err.Error())
		s.end(grace)
		return fmt.Errorf("guard was ended: %w", err)
	}
	o := s.orders.next(on, finish, cool)
	if err := s.write(o); err != nil {
		s.end(grace)
		return fmt.Errorf("%w: %w", ErrNoGuard, err)
	}
	late := time.NewTimer(confirmation)
	defer late.Stop()
	var err error
	select {
	case w := <-s.orders.answers:
		return s.judge(o, w)
	case <-s.life.ended:
		return fmt.Errorf("%w: %s", ErrNoGuard, s.reason.String())
	case <-late.C:
		err = fmt.Errorf("guard did not answer the order %q within %v", o.do, confirmation)
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.reason.set(err.Error())
	s.end(grace)
	return fmt.Errorf("guard was ended: %w", err)
}

func (s *Switch) judge(o order, w guardLine) error {
	why := Refusal(w.why)
	switch {
	case w.say == "done" && w.on == (o.do == "on"):
		return nil
	case w.say == "deny" && o.do == "on" && refusals[why] != "":
		return fmt.Errorf("guard did not close the relay: %w", why)
	case o.do == "on":
		s.reason.set("guard did not close the relay")
		s.end(grace)
		return errors.New("guard was ended, because it did not close the relay and gave no reason")
	}
	s.reason.set("guard did not open the relay")
	s.end(grace)
	return errors.New("guard was ended, because it did not open the relay")
}

// write writes the line of an order completely or not at all, because the line is shorter than PIPE_BUF, the size of an
// atomic write to a pipe (pipe(7)).
func (s *Switch) write(o order) error {
	if d, ok := s.in.(interface{ SetWriteDeadline(time.Time) error }); ok {
		d.SetWriteDeadline(time.Now().Add(confirmation))
	}
	_, err := io.WriteString(s.in, o.String()+"\n")
	return err
}

// renewLoop renews the lease while the daemon is alive, and ends a guard that no longer answers.
func (s *Switch) renewLoop() {
	t := time.NewTicker(renewal)
	defer t.Stop()
	for {
		select {
		case <-s.life.ended:
			return
		case <-s.life.closing:
			return
		case <-t.C:
		}
		if s.alive == nil || !s.alive() {
			continue
		}
		if !s.renewOnce() {
			s.end(grace)
			return
		}
	}
}

// renewOnce renews the lease once, and returns false if the guard no longer answers.
func (s *Switch) renewOnce() bool {
	silent, ending := s.orders.countRenewal()
	if ending {
		return true
	}
	if silent {
		s.reason.set("guard does not answer renewals")
		return false
	}
	return s.write(order{do: "keep"}) == nil
}

// hangUp orders the guard to open the relay, even if a job of the machine may still finish. Then hangUp closes the
// guard's input, which makes the guard exit.
func (s *Switch) hangUp() {
	s.write(s.orders.finalOrder())
	s.in.Close()
}

// end waits for the guard to exit, and kills the guard if it has not exited after d.
func (s *Switch) end(d time.Duration) (killed bool) {
	// The timer kills the guard even if the write of the last order blocks.
	late := time.AfterFunc(d, func() { s.guard.Kill() })
	s.hangUp()
	gone := time.NewTimer(d)
	defer gone.Stop()
	select {
	case <-s.life.ended:
		return !late.Stop()
	case <-gone.C: // the other timer may have been stopped, so kill the guard here too
		s.guard.Kill()
		return true
	}
}

// Close opens the relay and waits one second for the guard to exit. Then Close kills the guard, and waits one more
// second. Events that have not been read when Close returns are discarded.
func (s *Switch) Close() error {
	if s.in == nil {
		return nil
	}
	killed := s.end(farewell)
	s.life.once.Do(func() { close(s.life.closing) })
	select {
	case <-s.life.ended:
	case <-time.After(farewell):
		return fmt.Errorf("guard %d did not exit after it was killed", s.pid)
	}
	<-s.life.delivered
	if killed {
		return errors.New("guard did not exit in time and was killed")
	}
	return nil
}
