// Package control is the local socket through which an operator speaks to the daemon beside them.
//
// It accepts one JSON request a connection, on one line of at most 64 KiB, and answers with one line. Who may open the
// socket's file may order (mode 0660): there is no other password, and no network. It refuses, with words, what is not
// JSON, requires fields that it does not know (wire.Decode), or does not come within 5 s.
package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"portillon/wire"
)

// Request is an order. The zero Request is refused.
type Request struct {
	Do   string `json:"do"`             // status, tap, tag, untag, stop, log, role, unknown
	Card string `json:"card,omitempty"` // tap: the card's number in hexadecimal
	Role string `json:"role,omitempty"` // role: the role to take, in a session under way
	// tag, untag: the tag's id; empty: the daemon names it, or removes the only one
	Tag    string `json:"tag,omitempty"`
	Reason string `json:"reason,omitempty"` // tag: what the members read
	Now    bool   `json:"now,omitempty"`    // tag: do not wait for the session's end
	Kind   string `json:"kind,omitempty"`   // log: the kind of intervention
	Note   string `json:"note,omitempty"`   // log: a sentence
	Minute int    `json:"minutes,omitempty"`
}

// Reply answers a Request. The zero Reply is a refusal.
type Reply struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// the order itself cannot be carried out by anybody: a word or a number in it is none
	Wrong  bool    `json:"wrong,omitempty"`
	FR     string  `json:"fr,omitempty"` // what the member at the machine now reads
	EN     string  `json:"en,omitempty"`
	Status *Status `json:"status,omitempty"`
	// Unknown answers unknown: the machine, and the unknown cards that were tapped there of late.
	Unknown *UnknownCards `json:"unknown,omitempty"`
}

// UnknownCards are unknown cards that were tapped at a machine and can be enrolled, the oldest first.
type UnknownCards struct {
	Machine string        `json:"machine"`
	Taps    uint64        `json:"taps"` // of unknown cards since the daemon started
	Cards   []UnknownCard `json:"cards"`
}

// UnknownCard is one of them: each card stands once.
type UnknownCard struct {
	wire.EnrolCard
	At  time.Time `json:"at"`  // when it was last tapped, by the machine's clock
	Tap uint64    `json:"tap"` // the place of that tap among Taps, from 1
}

// Status is what the daemon knows of its machine. It names members by pseudonym.
type Status struct {
	Site       string    `json:"site"`
	Machine    string    `json:"machine"`
	Phase      string    `json:"phase"`
	Relay      bool      `json:"relay"` // as the guard last confirmed it
	Session    string    `json:"session,omitempty"`
	Member     string    `json:"member,omitempty"`
	Role       string    `json:"role,omitempty"`
	Supervisor string    `json:"supervisor,omitempty"`
	Assistant  string    `json:"assistant,omitempty"`
	Since      time.Time `json:"since,omitzero"`
	Until      time.Time `json:"until,omitzero"`
	Tags       []string  `json:"tags,omitempty"`
	Faults     []string  `json:"faults,omitempty"`
	Reader     bool      `json:"reader"`              // the reader answers
	Hub        bool      `json:"hub"`                 // the hub acknowledges
	Broker     bool      `json:"broker"`              // the broker is connected
	Alone      bool      `json:"alone,omitempty"`     // no broker is configured
	NoReader   bool      `json:"no_reader,omitempty"` // no reader is configured
	Clock      string    `json:"clock"`
	Bundle     uint64    `json:"bundle"`
	// BundleDamage says what of the bundle on the disk is damaged; empty: nothing is.
	BundleDamage string `json:"bundle_damage,omitempty"`
	// BundleRefused says why a bundle is refused because of its keys; empty: none is.
	BundleRefused string `json:"bundle_refused,omitempty"`
	// Denied are the members whom this program denies because it is too old for what the bundle says of them, and why.
	Denied []string `json:"denied,omitempty"`
	// JournalDamage says what is damaged of the journal, or that it is not the one that the hub holds; empty: nothing is.
	JournalDamage string `json:"journal_damage,omitempty"`
	// NewJournal is the generation of a journal that began anew and waits for the hub to accept it and to give back tags
	// and hours; empty: it does not.
	NewJournal string `json:"new_journal,omitempty"`
	Journal    uint64 `json:"journal"`      // records committed
	Acked      uint64 `json:"acknowledged"` // records that the hub holds
	// Unacked is what the hub has not acknowledged; nil: it owes nothing.
	Unacked *Unacked `json:"unacked,omitempty"`
	// Screens are the machine's own screens whose page has reported itself since the daemon started.
	Screens []Screen `json:"screens,omitempty"`
}

// Unacked says for how long the hub has owed an acknowledgement, and why.
type Unacked struct {
	Since   time.Time `json:"since"`
	Seconds int64     `json:"seconds"`
	Overdue bool      `json:"overdue,omitempty"` // so long that the panel says so
	// a code: broker-away, no-answer, hub-refuses/bad-checkpoint; empty: not known
	Why    string `json:"why,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Screen is one of the machine's own screens.
type Screen struct {
	Address string `json:"address"`
	// SilentSeconds is for how long its page has not reported itself; 0: it reports.
	SilentSeconds int64 `json:"silent_s,omitempty"`
}

const (
	maxLine  = 64 << 10
	patience = 5 * time.Second
	callers  = 8 // connections served at once; the rest wait
)

// Listen opens the socket. A file left by a daemon that died is replaced; one that a daemon answers on, or that is no
// socket, is not.
func Listen(path string) (net.Listener, error) {
	if fi, err := os.Lstat(path); err == nil {
		if fi.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("control socket %s: a file that is not a socket stands there", path)
		}
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return nil, fmt.Errorf("control socket %s: another daemon answers there", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("control socket: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// Serve answers requests with do until ctx ends, then closes l and waits for the calls under way. do may be called by
// several goroutines at once.
func Serve(ctx context.Context, l net.Listener, do func(context.Context, Request) Reply) error {
	var calls sync.WaitGroup
	defer calls.Wait()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	seats := make(chan struct{}, callers)
	for {
		c, err := l.Accept()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("control socket: %w", err)
		}
		if err != nil { // no more files for a moment: that passes
			time.Sleep(100 * time.Millisecond)
			continue
		}
		seats <- struct{}{}
		calls.Go(func() {
			defer func() { <-seats }()
			answer(ctx, c, do)
		})
	}
}

func answer(ctx context.Context, c net.Conn, do func(context.Context, Request) Reply) {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })
	defer stop()
	c.SetDeadline(time.Now().Add(patience))
	var out Reply
	if req, err := read(c); err != nil {
		out = Reply{Error: err.Error()}
	} else {
		out = do(ctx, req)
	}
	b, err := json.Marshal(out)
	if err != nil {
		b = []byte(`{"ok":false,"error":"the reply could not be written as JSON"}`)
	}
	c.SetWriteDeadline(time.Now().Add(patience))
	c.Write(append(b, '\n'))
}

func read(r io.Reader) (Request, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxLine+1)).ReadBytes('\n')
	if len(line) > maxLine {
		return Request{}, fmt.Errorf("the request is longer than %d bytes", maxLine)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return Request{}, fmt.Errorf("incomplete request: %w", err)
	}
	return Parse(line)
}

// Parse reads one request. A newer tool's fields are skipped, unless the request names them as critical.
func Parse(line []byte) (Request, error) {
	var req Request
	if err := wire.Decode(line, &req); err != nil {
		return Request{}, fmt.Errorf("unknown request: %w", err)
	}
	if req.Do == "" {
		return Request{}, errors.New(`the request has no "do"`)
	}
	return req, nil
}

// Call sends req to the daemon at path and waits for its answer, at most 5 s after the daemon took it.
func Call(ctx context.Context, path string, req Request) (Reply, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return Reply{}, fmt.Errorf("no daemon answers at %s: %w", path, err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) })
	defer stop()
	c.SetDeadline(time.Now().Add(2 * patience))
	b, err := json.Marshal(req)
	if err != nil {
		return Reply{}, err
	}
	if _, err := c.Write(append(b, '\n')); err != nil {
		return Reply{}, fmt.Errorf("the daemon at %s closed the connection: %w", path, err)
	}
	var out Reply
	if err := json.NewDecoder(io.LimitReader(c, 4*maxLine)).Decode(&out); err != nil {
		return Reply{}, fmt.Errorf("the daemon at %s gave no answer: %w", path, err)
	}
	return out, nil
}
