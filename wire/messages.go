package wire

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
)

const (
	// CommandLife is how long a command may be carried out after it was issued.
	CommandLife = 30 * time.Second
	// Skew is how far two clocks of a site may differ.
	Skew = 5 * time.Second
)

// Ack is how much of a machine's journal the hub has on its disk.
type Ack struct {
	Site    policy.SiteID    `json:"site"`
	Machine policy.MachineID `json:"machine"`
	Seq     uint64           `json:"seq"` // all records up to this one
	// of the tree over them, in hexadecimal: an acknowledgement of another journal does not fit
	Root string `json:"root"`
	// Generation is that of the journal whose records are held.
	Generation Generation `json:"generation,omitempty"`
	// Refused is why the hub refuses the records after Seq; nil: they are not refused.
	Refused *AckRefused `json:"refused,omitempty"`
	// Seal is the public half of the hub's key of the day for sealed cards (SealCard). It is sent only to machines whose
	// state has format SealFormat or more.
	Seal string `json:"seal,omitempty"`
}

// SealFormat is the first format of a state whose machine reads Ack.Seal.
const SealFormat = 2

// SignAck signs a with the hub's key.
func SignAck(a Ack, s note.Signer) ([]byte, error) {
	a.Refused = a.Refused.bounded()
	return sign("portillon ack", a, s)
}

// OpenAck checks the hub's signature, and that the acknowledgement is for this machine.
func OpenAck(data []byte, keys note.Verifiers, site policy.SiteID, m policy.MachineID) (Ack, error) {
	var a Ack
	if err := open("portillon ack", data, keys, &a); err != nil {
		return Ack{}, fmt.Errorf("acknowledgement: %w", err)
	}
	if a.Site != site || a.Machine != m {
		return Ack{}, fmt.Errorf("acknowledgement: for %s/%s, not %s/%s", a.Site, a.Machine, site, m)
	}
	a.Refused = a.Refused.bounded()
	if _, err := parseSealKey(a.Seal); err != nil {
		a.Seal = "" // a later hub may have another kind of key; the acknowledgement counts all the same
	}
	return a, nil
}

// Command is an order to one machine, from the hub.
type Command struct {
	Site    policy.SiteID    `json:"site"`
	Machine policy.MachineID `json:"machine"`
	ID      string           `json:"id"` // never used twice
	Do      string           `json:"do"` // tag, stop
	Tag     string           `json:"tag,omitempty"`
	Reason  string           `json:"reason,omitempty"`
	Now     bool             `json:"now,omitempty"`
	Issued  time.Time        `json:"issued"`
	Expires time.Time        `json:"expires"`
}

// SignCommand signs c with the hub's key.
func SignCommand(c Command, s note.Signer) ([]byte, error) { return sign("portillon command", c, s) }

// Why a command is refused.
var (
	ErrForeign  = errors.New("the command is for another machine")
	ErrLate     = errors.New("the command has expired, or its lifetime exceeds the limit")
	ErrEarly    = errors.New("the command was issued in the future: the clocks of hub and machine differ")
	ErrRepeated = errors.New("the command was received before")
	ErrNoClock  = errors.New("the machine's clock is not trusted, so the age of the command is unknown")
)

// DependsOnClock reports whether a command is valid only within its lifetime. A tag is not: its id identifies it,
// adding it twice changes nothing, and the machine never adds an id again that its journal shows as taken off.
func (c Command) DependsOnClock() bool { return c.Do != "tag" }

// TagID is the id of the tag that a tag command adds.
func (c Command) TagID() string {
	if c.Tag != "" {
		return c.Tag
	}
	return c.ID
}

// Commands opens commands for one machine, and remembers the ids of those that could come again. One goroutine uses it.
type Commands struct {
	Site    policy.SiteID
	Machine policy.MachineID
	Keys    note.Verifiers
	Started time.Time // commands issued before are refused: what they were is forgotten
	seen    map[string]time.Time
}

// Open checks the signature, the address and, for commands that depend on the clock, age and repetition. now is this
// machine's clock, trusted reports whether that clock is trusted. With an error, the command is returned too if this
// machine may answer it: it is signed, meant for this machine, and was not received before; otherwise its ID is empty.
func (o *Commands) Open(data []byte, now time.Time, trusted bool) (Command, error) {
	var c Command
	if err := open("portillon command", data, o.Keys, &c); err != nil {
		return Command{}, fmt.Errorf("command: %w", err)
	}
	switch {
	case c.Site != o.Site || c.Machine != o.Machine:
		return Command{}, ErrForeign
	case c.ID == "" || len(c.ID) > 64:
		return Command{}, fmt.Errorf("command: the id has %d bytes, want 1 to 64", len(c.ID))
	case !c.DependsOnClock():
		return c, nil
	case !trusted:
		return c, ErrNoClock
	}
	if err := o.checkAge(c, now); err != nil {
		return c, err
	}
	if o.isRepeated(c, now) {
		return Command{}, ErrRepeated
	}
	return c, nil
}

// checkAge refuses a command that came too late, too early, or was issued before Started.
func (o *Commands) checkAge(c Command, now time.Time) error {
	switch life := c.Expires.Sub(c.Issued); {
	case life <= 0 || life > CommandLife || !now.Before(c.Expires) || c.Issued.Before(o.Started.Add(-Skew)):
		return ErrLate
	case c.Issued.After(now.Add(Skew)):
		return ErrEarly
	}
	return nil
}

// isRepeated reports whether a command was received before, and remembers it for as long as it could come again.
func (o *Commands) isRepeated(c Command, now time.Time) bool {
	for id, expires := range o.seen {
		if now.After(expires) {
			delete(o.seen, id)
		}
	}
	if _, again := o.seen[c.ID]; again {
		return true
	}
	if o.seen == nil {
		o.seen = map[string]time.Time{}
	}
	o.seen[c.ID] = c.Expires.Add(Skew)
	return false
}

// Reply is the result of a command. It is not signed; the record in the journal is.
type Reply struct {
	ID  string `json:"id"`
	OK  bool   `json:"ok"`
	Why string `json:"why,omitempty"`
}

// State is a machine as every subscriber may know it: nothing of a person. It is retained.
type State struct {
	Machine policy.MachineID `json:"machine"`
	Phase   string           `json:"phase"`
	Relay   bool             `json:"relay"`
	Tagged  bool             `json:"tagged"`
	// minutes until the session's end, rounded up; absent: no session, or one without an end
	Left    int     `json:"left_min,omitempty"`
	Hours   float64 `json:"hours,omitempty"` // that the machine has run in all, in tenths
	Due     string  `json:"due,omitempty"`   // the kind of maintenance that is due first; absent: none is
	Bundle  uint64  `json:"bundle"`          // the version it works from
	Journal uint64  `json:"journal"`         // records it has written

	Format     int        `json:"format,omitempty"`     // of what the machine reads and writes; absent: 1
	Program    string     `json:"program,omitempty"`    // the version of its program
	Generation Generation `json:"generation,omitempty"` // its journal's
	// UnackedSince is since when the hub has owed an acknowledgement; absent: it owes none, or only for a short time.
	UnackedSince time.Time `json:"unacked_since,omitzero"`
	// UnackedWhy is the reason as a code, where the machine knows it: broker-away, no-answer, hub-refuses/bad-checkpoint.
	UnackedWhy string `json:"unacked_why,omitempty"`
	// SilentScreen is the machine's own screen that does not report itself; absent: all of them do.
	SilentScreen string `json:"silent_screen,omitempty"`
	Clock        string `json:"clock,omitempty"` // trusted or untrusted; absent: the machine does not say
	// BundleRefused is why the machine refuses the offered bundle; absent: none is refused.
	BundleRefused string `json:"bundle_refused,omitempty"`
	Disk          string `json:"disk,omitempty"` // what is damaged on the disk; absent: nothing known
	StateKeys
}

// ParseState reads a state. A state is only a hint: unknown fields are skipped, and none is critical.
func ParseState(data []byte) (State, error) {
	var s State
	if len(data) > MaxRecord {
		return s, fmt.Errorf("state: %d bytes", len(data))
	}
	err := decodeHint(data, &s)
	s.UnackedWhy, s.SilentScreen = OneLine(s.UnackedWhy, maxStateText), OneLine(s.SilentScreen, maxStateText)
	s.Program = OneLine(s.Program, maxStateText)
	s.Clock, s.Disk = OneLine(s.Clock, maxStateText), OneLine(s.Disk, maxStateText)
	s.BundleRefused = OneLine(s.BundleRefused, maxStateText)
	s.StateKeys = s.bounded()
	if s.Generation.Check() != nil { // administrators copy it into a command
		s.Generation = ""
	}
	return s, err
}

// maxStateText bounds a text in a state that a hub logs or shows, in bytes.
const maxStateText = 100
