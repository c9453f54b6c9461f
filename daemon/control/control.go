// Package control is the local socket by which a tool on the same computer sends an operator's orders to the daemon.
//
// The socket accepts one JSON request per connection, on one line of at most 64 KiB, and the daemon replies with one
// line. Everyone who may open the socket's file may send orders (mode 0660). There is no password, and the socket
// cannot be reached from the network. The daemon refuses, with an explanation, a request that is not JSON, that
// requires fields unknown to this program (wire.Decode), or that does not arrive within 5 s.
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

// Request is an operator's order. The zero Request is refused.
type Request struct {
	Do   string `json:"do"`             // one of the orders status, tap, tag, untag, stop, log, role, unknown
	Card string `json:"card,omitempty"` // for the order tap: the card's number in hexadecimal
	Role string `json:"role,omitempty"` // for the order role: the role to choose in the current session
	// Tag is the tag's id, for the orders tag and untag. If Tag is empty, the order tag makes the daemon choose an id, and
	// the order untag removes the machine's only tag.
	Tag    string `json:"tag,omitempty"`
	Reason string `json:"reason,omitempty"` // for the order tag: the text that members read
	// For the order tag: true tags the machine at once, without waiting for the end of the session.
	Now    bool   `json:"now,omitempty"`
	Kind   string `json:"kind,omitempty"` // for the order log: the kind of intervention
	Note   string `json:"note,omitempty"` // log: a sentence
	Minute int    `json:"minutes,omitempty"`
}

// Reply answers a Request. The zero Reply is a refusal without an explanation.
type Reply struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
	// Wrong means that the order itself is malformed, whoever sends it: for example, a word or a number in it is invalid.
	Wrong  bool    `json:"wrong,omitempty"`
	FR     string  `json:"fr,omitempty"` // the text that the panel now shows to the member at the machine
	EN     string  `json:"en,omitempty"`
	Status *Status `json:"status,omitempty"`
	// Unknown is the answer to the order "unknown": the machine, and the unknown cards that were tapped there recently.
	Unknown *UnknownCards `json:"unknown,omitempty"`
}

// UnknownCards are unknown cards that were tapped at a machine and can be enrolled, oldest first.
type UnknownCards struct {
	Machine string        `json:"machine"`
	Taps    uint64        `json:"taps"` // number of taps of unknown cards since the daemon started
	Cards   []UnknownCard `json:"cards"`
}

// UnknownCard is one unknown card. Each card is listed once.
type UnknownCard struct {
	wire.EnrolCard
	At  time.Time `json:"at"`  // time of the card's last tap, by the machine's clock
	Tap uint64    `json:"tap"` // position of the card's last tap among all Taps, counted from 1
}

// Status is the daemon's report about its machine. A Status names members by pseudonym.
type Status struct {
	Site       string    `json:"site"`
	Machine    string    `json:"machine"`
	Phase      string    `json:"phase"`
	Relay      bool      `json:"relay"` // true if the relay is closed, as the guard last confirmed
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
	Hub        bool      `json:"hub"`                 // true while the hub acknowledges records
	Broker     bool      `json:"broker"`              // true while the broker is connected
	Alone      bool      `json:"alone,omitempty"`     // true if no broker is configured
	NoReader   bool      `json:"no_reader,omitempty"` // true if no reader is configured
	Clock      string    `json:"clock"`
	Bundle     uint64    `json:"bundle"`
	// BundleDamage describes the damage of the bundle on the disk; empty: none.
	BundleDamage string `json:"bundle_damage,omitempty"`
	// BundleRefused is the reason why a bundle is refused because of its keys; empty: none is refused.
	BundleRefused string `json:"bundle_refused,omitempty"`
	// Denied lists the members whom this program denies because their entries in the bundle need a newer program, each
	// with the reason.
	Denied []string `json:"denied,omitempty"`
	// JournalDamage describes the damage of the journal, or how the journal differs from the hub's copy; empty: neither.
	JournalDamage string `json:"journal_damage,omitempty"`
	// NewJournal is the generation of a new journal. The journal waits until the hub accepts it and returns the machine's
	// tags and running hours. An empty NewJournal means that no journal is waiting.
	NewJournal string `json:"new_journal,omitempty"`
	Journal    uint64 `json:"journal"`      // number of committed records
	Acked      uint64 `json:"acknowledged"` // number of records that the hub holds
	// Unacked describes the hub's acknowledgement that is missing; nil: none is missing.
	Unacked *Unacked `json:"unacked,omitempty"`
	// Screens lists the machine's own screens whose page has sent at least one report since the daemon started.
	Screens []Screen `json:"screens,omitempty"`
}

// Unacked states for how long an acknowledgement of the hub has been missing, and why.
type Unacked struct {
	Since   time.Time `json:"since"`
	Seconds int64     `json:"seconds"`
	Overdue bool      `json:"overdue,omitempty"` // true if the acknowledgement is so late that the panel shows the delay
	// Why is a code such as broker-away, no-answer, hub-refuses/bad-checkpoint; empty: unknown.
	Why    string `json:"why,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// Screen is one of the machine's own screens.
type Screen struct {
	Address string `json:"address"`
	// SilentSeconds is the number of seconds for which the screen's page has sent no report; 0: the page sends its reports
	// in time.
	SilentSeconds int64 `json:"silent_s,omitempty"`
}

const (
	maxLine  = 64 << 10
	patience = 5 * time.Second
	callers  = 8 // largest number of connections that are served at the same time; further connections wait
)

// Listen opens the control socket at path. If a socket file exists without a running daemon, Listen replaces the file.
// If a daemon answers on the socket, or if the file is not a socket, Listen returns an error.
func Listen(path string) (net.Listener, error) {
	if fi, err := os.Lstat(path); err == nil {
		if fi.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("control socket %s: a file with this name exists and is not a socket", path)
		}
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			return nil, fmt.Errorf("control socket %s: another daemon already uses this socket", path)
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

// Serve replies to each request with the result of do until ctx ends, then closes l and waits for the running calls. do
// must be safe for concurrent use.
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
		if err != nil { // the process has too many open files: this error is temporary
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
		return Request{}, fmt.Errorf("request is longer than %d bytes", maxLine)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return Request{}, fmt.Errorf("request line is incomplete: %w", err)
	}
	return Parse(line)
}

// Parse parses one request. Unknown fields of a newer tool are skipped, unless the request marks them as critical.
func Parse(line []byte) (Request, error) {
	var req Request
	if err := wire.Decode(line, &req); err != nil {
		return Request{}, fmt.Errorf("cannot parse request: %w", err)
	}
	if req.Do == "" {
		return Request{}, errors.New(`request has no "do" field`)
	}
	return req, nil
}

// Call sends req to the daemon at path and waits for the answer, at most 5 s after the daemon accepted the connection.
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
		return Reply{}, fmt.Errorf("cannot send the request to the daemon at %s: %w", path, err)
	}
	var out Reply
	if err := json.NewDecoder(io.LimitReader(c, 4*maxLine)).Decode(&out); err != nil {
		return Reply{}, fmt.Errorf("daemon at %s sent no valid reply: %w", path, err)
	}
	return out, nil
}
