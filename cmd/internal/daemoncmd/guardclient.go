package daemoncmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"periph.io/x/conn/v3/gpio"

	"portillon/daemon"
	"portillon/daemon/relay"
	"portillon/daemon/session"
)

// guardMain runs the guard's process. The process ends when its standard input is closed. The guard ignores Ctrl-C,
// because the daemon first ends the session and then closes the guard's input.
func guardMain(args []string) int {
	var w relay.Wiring
	fs := flag.NewFlagSet("portillond guard", flag.ContinueOnError)
	guardFlagSet(fs, &w)
	if err := fs.Parse(args); err != nil {
		return 2
	}
	signal.Ignore(os.Interrupt, syscall.SIGHUP, syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	pins, err := w.Open()
	if err != nil {
		fmt.Printf("fault %v\n", err)
		return 1
	}
	releaseMemory()
	if err := relay.Guard(ctx, os.Stdin, os.Stdout, pins); err != nil && !errors.Is(err, relay.ErrLost) &&
		ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "portillond guard: %v\n", err)
		return 1
	}
	return 0
}

// guardFlagSet declares the command-line flags that tell the guard how its pins are wired.
func guardFlagSet(fs *flag.FlagSet, w *relay.Wiring) {
	fs.StringVar(&w.Relay, "pin", "", "the relay's pin")
	fs.StringVar(&w.Exhaust, "exhaust", "", "the extraction's pin")
	fs.StringVar(&w.EStop, "e-stop", "", "the emergency stop's contact: high is open")
	fs.StringVar(&w.Door, "door", "", "the door's contact: high is open")
	fs.StringVar(&w.Contactor, "contactor", "", "the contactor's mirror contact: high is closed")
	fs.StringVar(&w.Busy, "busy", "", "high while the machine works")
	fs.BoolVar(&w.ActiveLow, "active-low", false, "the relay closes on a low level")
	fs.BoolVar(&w.PullUp, "pull-up", false, "a resistor holds the relay's line at 3.3 V when no program does")
	fs.StringVar(&w.Supply, "supply", "", "what feeds the relay board's optocouplers: 3.3V or 5V")
	fs.BoolVar(&w.Heartbeat, "heartbeat", false, "toggle the pin for a charge pump")
}

// guardFlags returns the command-line arguments that tell a guard this wiring.
func guardFlags(w relay.Wiring) []string {
	var given relay.Wiring
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	guardFlagSet(fs, &given)
	given = w
	var args []string
	fs.VisitAll(func(f *flag.Flag) {
		if v := f.Value.String(); v != "" && v != "false" {
			args = append(args, "-"+f.Name+"="+v)
		}
	})
	return args
}

// switchOff opens the relay that the machine.yaml names, whichever program was using the line. systemd runs "portillond
// -off" after a daemon has ended (ExecStopPost). switchOff needs no key, so it reads none of the key files. If an
// exiting guard still uses the line, switchOff retries for a second. A relay board that a daemon would reject
// (relay.LevelFault) is switched off too: switchOff drives the line to the level that opens the relay and ignores the
// settings of resistors, supply and charge pump.
func (c Config) switchOff() error {
	w := c.wiring()
	w.PullUp, w.Supply, w.Heartbeat = w.ActiveLow, relay.Supply33, false
	p, err := w.Open()
	for tries := 0; err != nil && tries < 20; tries++ {
		time.Sleep(50 * time.Millisecond)
		p, err = w.Open()
	}
	if err != nil {
		return err
	}
	if p.Exhaust != nil {
		err = p.Exhaust.Out(gpio.Low)
	}
	return errors.Join(p.Relay.Out(gpio.Low), err)
}

// again is the pause before the next attempt, after a guard failed to start.
const again = 5 * time.Second

// guardClient starts a guard process and replaces it when it ends. When a guard ends, guardClient starts another one
// with the relay off.
type guardClient struct {
	command func() *exec.Cmd
	alive   func() bool
	signals chan daemon.Signal
	log     *slog.Logger

	mu  sync.Mutex
	now *relay.Switch
}

// start starts a guard, and replaces it when it ends, until ctx ends.
func (h *guardClient) start(ctx context.Context) error {
	events := make(chan relay.Event, 64)
	s, err := relay.Start(ctx, h.command(), h.alive, events)
	if err != nil {
		return err
	}
	h.mu.Lock()
	h.now = s
	h.mu.Unlock()
	go h.listen(ctx, s, events)
	return nil
}

// listen passes the guard's reports to the machine's loop. When the guard ends, listen starts the next guard: first
// immediately, then every few seconds.
func (h *guardClient) listen(ctx context.Context, s *relay.Switch, events <-chan relay.Event) {
	for e := range events {
		if e.What == relay.Lost {
			break
		}
		h.passSignal(ctx, daemon.Signal{What: e.What, On: e.On, Why: e.Why})
	}
	if ctx.Err() != nil {
		return
	}
	h.passSignal(ctx, daemon.Signal{What: relay.Lost, Why: "the guard has ended"})
	// Make the first attempt at once, because a member may be waiting at the machine.
	for wait := time.Duration(0); ctx.Err() == nil; wait = again {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		if err := h.start(ctx); err != nil {
			h.log.Error("starting the guard failed", "err", err)
			continue
		}
		h.passSignal(ctx, daemon.Signal{What: daemon.GuardBack})
		return
	}
}

// passSignal passes a signal to the machine's loop and waits until the loop has received the signal, so that no signal
// is lost.
func (h *guardClient) passSignal(ctx context.Context, s daemon.Signal) {
	select {
	case h.signals <- s:
	case <-ctx.Done():
	}
}

// Set implements daemon.Switch.
func (h *guardClient) Set(ctx context.Context, r session.Relay) error {
	h.mu.Lock()
	s := h.now
	h.mu.Unlock()
	if s == nil {
		return errors.New("guard is not running")
	}
	finish := time.Duration(0)
	if r.FinishJob {
		finish = r.Finish
	}
	return s.Set(ctx, r.On, min(finish, relay.MaxFinish), min(r.Cool, relay.MaxFinish))
}

// close opens the relay and stops the guard.
func (h *guardClient) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.now == nil {
		return nil
	}
	return h.now.Close()
}
