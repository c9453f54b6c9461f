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
	// confirmation bounds how long a guard may take to answer an order: a tenth of it is what a loaded Pi needs.
	confirmation = 500 * time.Millisecond
	// grace is how long a guard that did not do its work may take to open the relay and end by itself. With
	// confirmation it is less than a second. It is not nothing, because a Pi can keep a killed guard's pin as it was.
	grace = 400 * time.Millisecond
	// silence is how many keeps in a row a guard may leave unanswered: two seconds.
	silence = 8
	// hello bounds a guard's start, on the slowest card of the slowest Pi.
	hello = 5 * time.Second
	// farewell bounds an orderly end.
	farewell = time.Second
)

var (
	// ErrNoGuard is what a Switch answers that was never started, or was closed, or whose guard has ended: the relay is
	// open.
	ErrNoGuard = errors.New("no guard is running")
)

// Refusal is why a living guard does not close the relay.
type Refusal string

const (
	ErrEStop       Refusal = "e-stop"
	ErrDoor        Refusal = "door"
	ErrContactor   Refusal = "contactor"
	ErrMachineRuns Refusal = "runs"
	// the contactor has just been told to open, or its mirror contact chatters: Set asked again until it must have settled
	ErrContactorOpening Refusal = "moment"
)

var refusals = map[Refusal]string{ErrEStop: "the emergency stop is open", ErrDoor: "the door is open",
	ErrContactor: "the contactor does not say that it is open", ErrMachineRuns: "the machine works although its " +
		"relay is open",
	ErrContactorOpening: "the contactor is still opening"}

// Error implements error.
func (r Refusal) Error() string { return refusals[r] }

// process is the guard as a process.
type process interface {
	Wait() error
	Kill() error
}

type command struct{ *exec.Cmd }

func (c command) Kill() error { return c.Process.Kill() }

// Switch switches the relay through the guard. The zero Switch refuses to switch on. Its methods may be called at once.
type Switch struct {
	in    io.WriteCloser
	guard process
	pid   int
	alive func() bool

	news   *news
	orders *orders
	reason firstReason
	life   life
	turn   sync.Mutex // one order at a time
}

// life is how far a guard has come, by channels that are closed.
type life struct {
	ready     chan struct{} // the guard's first line has come
	ended     chan struct{} // the process has ended
	closing   chan struct{} // nobody is waited for any more
	delivered chan struct{} // the last event was taken, or thrown away
	once      sync.Once     // closes closing
}

// firstReason keeps the first reason why a guard ended.
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
		return "the guard ended"
	}
	return r.why
}

// Start runs the guard's command and waits until it holds the pin, open, for at most five seconds. alive is asked
// before each renewal: false lets the lease end. Events go to events, which should be read; the last is Lost. A reader
// who is slow finds each input brought up to date; nothing else waits for it.
//
// The guard gets a process group of its own, so that a terminal's Ctrl-C and Ctrl-Z reach the daemon alone, and no
// files but its standard ones: its input ends with the daemon, however that ends.
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
		return nil, fmt.Errorf("the guard did not start: %w", err)
	}
	s := newSwitch(in, command{cmd}, alive)
	s.pid = cmd.Process.Pid
	return s.begin(ctx, out, events)
}

func newSwitch(in io.WriteCloser, guard process, alive func() bool) *Switch {
	return &Switch{
		in: in, guard: guard, alive: alive, news: newNews(), orders: newOrders(),
		life: life{
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
		go s.renew()
		return s, nil
	case <-s.life.ended:
		err = errors.New(s.reason.String())
	case <-late.C:
		err = fmt.Errorf("no first line within %v", hello)
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.Close()
	return nil, fmt.Errorf("the guard did not start: %w", err)
}

// attend listens until the guard ends or makes no sense, and sees it to its end.
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
	s.news.tell(Event{What: Lost, Why: s.reason.String()})
	close(s.life.ended)
}

// listen returns why there is nothing more to hear: io.EOF where the guard has ended.
func (s *Switch) listen(r *bufio.Reader) error {
	for greeted := false; ; {
		line, err := readLine(r)
		if err != nil {
			return err
		}
		w, err := parseWord(line)
		if err != nil {
			return err
		}
		s.orders.heard()
		switch {
		case w.say == "fault":
			s.reason.set(w.why)
		case !greeted && (w.say != "guard" || w.id != version || w.on):
			return fmt.Errorf("the guard said %.40q, not guard %d 0: is it of the same version as the daemon?", line, version)
		case !greeted:
			greeted = true
			close(s.life.ready)
		case !s.take(w):
			return fmt.Errorf("unexpected line from the guard: %.40q", line)
		}
	}
}

// take passes on what the guard said; false: it had no business to say so.
func (s *Switch) take(w word) bool {
	switch w.say {
	case "alive":
		return true
	case "done", "deny":
		return s.orders.answer(w)
	case "drop":
		s.news.tell(Event{What: Dropped, Why: w.why})
		return true
	case "e-stop", "door", "contactor", "busy":
		s.news.tell(Event{What: EventKind(w.say), On: w.on})
		return true
	}
	return false
}

// Set closes or opens the relay and returns once the guard has confirmed, within a second; twice that where a contactor
// still opens. finish is how long the machine's job may go on if this daemon is lost, cool how long the extraction runs
// on after the relay; both at most MaxFinish. After an error the relay is open: the guard refused (a Refusal), or it is
// gone, or it did not answer, was ended, and Lost follows. A ctx that ends before the answer ends the guard too, and
// one that has ended closes nothing.
func (s *Switch) Set(ctx context.Context, on bool, finish, cool time.Duration) error {
	if s.in == nil {
		return ErrNoGuard
	}
	if !bounded(finish) || !bounded(cool) {
		return fmt.Errorf("a job may go on for %v and the extraction for %v after the daemon's end: want at most "+
			"%v", finish, cool, MaxFinish)
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	err := s.give(ctx, on, finish, cool)
	for tries := openingTime / flutter; tries >= 0 && errors.Is(err, ErrContactorOpening) && ctx.Err() == nil; tries-- {
		time.Sleep(flutter) // a card that takes another's place in its slot comes before the contactor has opened
		err = s.give(ctx, on, finish, cool)
	}
	return err
}

// give gives one order and waits for its answer.
func (s *Switch) give(ctx context.Context, on bool, finish, cool time.Duration) error {
	if err := ctx.Err(); on && err != nil { // the relay must not close for the moment until the guard is ended
		s.reason.set(err.Error())
		s.end(grace)
		return fmt.Errorf("the guard was ended: %w", err)
	}
	o := s.orders.next(on, finish, cool)
	if err := s.say(o); err != nil {
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
		err = fmt.Errorf("no answer to %q within %v", o.do, confirmation)
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.reason.set(err.Error())
	s.end(grace)
	return fmt.Errorf("the guard was ended: %w", err)
}

func (s *Switch) judge(o order, w word) error {
	why := Refusal(w.why)
	switch {
	case w.say == "done" && w.on == (o.do == "on"):
		return nil
	case w.say == "deny" && o.do == "on" && refusals[why] != "":
		return fmt.Errorf("the guard did not close the relay: %w", why)
	case o.do == "on":
		s.reason.set("the guard did not close the relay")
		s.end(grace)
		return errors.New("the guard was ended: it refused to close the relay and gave no reason")
	}
	s.reason.set("the guard did not open the relay")
	s.end(grace)
	return errors.New("the guard was ended: it did not open the relay")
}

// say writes a line, whole or not at all: it is shorter than what a pipe takes at once (PIPE_BUF, pipe(7)).
func (s *Switch) say(o order) error {
	if d, ok := s.in.(interface{ SetWriteDeadline(time.Time) error }); ok {
		d.SetWriteDeadline(time.Now().Add(confirmation))
	}
	_, err := io.WriteString(s.in, o.String()+"\n")
	return err
}

// renew keeps the lease while the daemon lives, and ends a guard that no longer answers.
func (s *Switch) renew() {
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
		if !s.keep() {
			s.end(grace)
			return
		}
	}
}

// keep renews the lease; false: the guard no longer answers.
func (s *Switch) keep() bool {
	silent, ending := s.orders.renewal()
	if ending {
		return true
	}
	if silent {
		s.reason.set("guard does not answer renewals")
		return false
	}
	return s.say(order{do: "keep"}) == nil
}

// hangUp tells the guard to open the relay, even if a job was allowed to finish, and closes its input, which ends it.
func (s *Switch) hangUp() {
	s.say(s.orders.last())
	s.in.Close()
}

// end ends the guard; it is killed when that takes longer than d.
func (s *Switch) end(d time.Duration) (killed bool) {
	late := time.AfterFunc(d, func() { s.guard.Kill() }) // whatever the last words have to wait for
	s.hangUp()
	gone := time.NewTimer(d)
	defer gone.Stop()
	select {
	case <-s.life.ended:
		return !late.Stop()
	case <-gone.C: // the other timer may be about to fire; stopping it would leave the guard as it is
		s.guard.Kill()
		return true
	}
}

// Close opens the relay and waits for the guard's end: for a second, and after killing it for another.
// What nobody takes from the events then is thrown away.
func (s *Switch) Close() error {
	if s.in == nil {
		return nil
	}
	killed := s.end(farewell)
	s.life.once.Do(func() { close(s.life.closing) })
	select {
	case <-s.life.ended:
	case <-time.After(farewell):
		return fmt.Errorf("the guard %d did not end, although it was killed", s.pid)
	}
	<-s.life.delivered
	if killed {
		return errors.New("the guard did not end by itself, and was killed")
	}
	return nil
}
