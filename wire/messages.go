package wire

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
)

const (
	// CommandLife is the longest time between the issue and the expiry of a command.
	CommandLife = 30 * time.Second
	// Skew is how much the clocks of a site may differ.
	Skew = 5 * time.Second
)

// Ack says how many records of a machine's journal the hub has stored on its disk.
type Ack struct {
	Site    policy.SiteID    `json:"site"`
	Machine policy.MachineID `json:"machine"`
	Seq     uint64           `json:"seq"` // the hub has stored all records up to this sequence number
	// Root is the root of the tree over these records, in hexadecimal. If the acknowledgement is for another journal, the
	// root differs from that of this journal.
	Root string `json:"root"`
	// Generation is the generation of the acknowledged journal.
	Generation Generation `json:"generation,omitempty"`
	// Refused says why the hub refuses the records after Seq; nil: the hub refuses no records.
	Refused *AckRefused `json:"refused,omitempty"`
	// Seal is the public half of the key of the day with which machines encrypt cards for the hub (SealCard). The hub
	// sends Seal only to machines whose state has the format SealFormat or a later one.
	Seal string `json:"seal,omitempty"`
}

// SealFormat is the first format of states in which machines understand Ack.Seal.
const SealFormat = 2

// SignAck signs a with the hub's key.
func SignAck(a Ack, s note.Signer) ([]byte, error) {
	a.Refused = a.Refused.bounded()
	return sign("portillon ack", a, s)
}

// OpenAck verifies that the hub signed the acknowledgement, and that it is for this machine.
func OpenAck(data []byte, keys note.Verifiers, site policy.SiteID, m policy.MachineID) (Ack, error) {
	var a Ack
	if err := open("portillon ack", data, keys, &a); err != nil {
		return Ack{}, fmt.Errorf("acknowledgement: %w", err)
	}
	if a.Site != site || a.Machine != m {
		return Ack{}, fmt.Errorf("acknowledgement is for %s/%s, want %s/%s", a.Site, a.Machine, site, m)
	}
	a.Refused = a.Refused.bounded()
	if _, err := parseSealKey(a.Seal); err != nil {
		a.Seal = "" // a later hub may use another kind of seal key, but the rest of the acknowledgement remains valid
	}
	return a, nil
}

// Command is an order from the hub to one machine.
type Command struct {
	Site    policy.SiteID    `json:"site"`
	Machine policy.MachineID `json:"machine"`
	ID      string           `json:"id"` // unique id of the command
	Do      string           `json:"do"` // kind of command: tag or stop
	Tag     string           `json:"tag,omitempty"`
	Reason  string           `json:"reason,omitempty"`
	Now     bool             `json:"now,omitempty"`
	Issued  time.Time        `json:"issued"`
	Expires time.Time        `json:"expires"`
}

// SignCommand signs c with the hub's key.
func SignCommand(c Command, s note.Signer) ([]byte, error) { return sign("portillon command", c, s) }

// These errors are the reasons to refuse a command.
var (
	ErrForeign  = errors.New("command is for another machine")
	ErrLate     = errors.New("command has expired, or its lifetime exceeds the limit")
	ErrEarly    = errors.New("command was issued in the future: the clocks of hub and machine differ")
	ErrRepeated = errors.New("command was received before")
	ErrNoClock  = errors.New("machine's clock is not trusted, so the age of the command is unknown")
)

// DependsOnClock reports whether a command is valid only between its issue and its expiry. A tag command is valid at
// any time: adding the same tag id twice changes nothing, and a machine never again adds a tag id that its journal
// shows as removed.
func (c Command) DependsOnClock() bool { return c.Do != "tag" }

// TagID returns the id of the tag that a tag command adds to the machine.
func (c Command) TagID() string {
	if c.Tag != "" {
		return c.Tag
	}
	return c.ID
}

// Commands opens the commands for one machine. It stores the ids of commands, so that it can refuse a repeated command.
// A Commands is not safe for concurrent use.
type Commands struct {
	Site    policy.SiteID
	Machine policy.MachineID
	Keys    note.Verifiers
	Started time.Time // time from which ids are stored; commands that were issued earlier are refused
	seen    map[string]time.Time
}

// Open verifies the signature and the addressee. For commands that depend on the clock, it also checks the age, and
// that the command was not received before. now is the time of the machine's clock, and trusted says whether that clock
// is trusted. If Open returns an error, it also returns the command if the machine may reply to it: the command is
// signed, is for this machine, and was not received before. If the machine must not reply, the ID of the returned
// command is empty.
func (o *Commands) Open(data []byte, now time.Time, trusted bool) (Command, error) {
	var c Command
	if err := open("portillon command", data, o.Keys, &c); err != nil {
		return Command{}, fmt.Errorf("command: %w", err)
	}
	switch {
	case c.Site != o.Site || c.Machine != o.Machine:
		return Command{}, ErrForeign
	case c.ID == "" || len(c.ID) > 64:
		return Command{}, fmt.Errorf("command: id has %d bytes, want 1 to 64", len(c.ID))
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

// checkAge returns an error for a command that has expired, was issued in the future, or was issued before Started.
func (o *Commands) checkAge(c Command, now time.Time) error {
	switch life := c.Expires.Sub(c.Issued); {
	case life <= 0 || life > CommandLife || !now.Before(c.Expires) || c.Issued.Before(o.Started.Add(-Skew)):
		return ErrLate
	case c.Issued.After(now.Add(Skew)):
		return ErrEarly
	}
	return nil
}

// isRepeated reports whether a command was received before, and if not, stores the command's id until the command
// expires.
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

// Reply is the result of a command. A Reply is not signed, but the record of the command in the journal is.
type Reply struct {
	ID  string `json:"id"`
	OK  bool   `json:"ok"`
	Why string `json:"why,omitempty"`
}

// State is the part of a machine's state that every subscriber may read. A State contains no personal data, and the
// broker retains it.
type State struct {
	Machine policy.MachineID `json:"machine"`
	Phase   string           `json:"phase"`
	Relay   bool             `json:"relay"`
	Tagged  bool             `json:"tagged"`
	// Left is the number of minutes until the session ends, rounded up; absent: there is no session, or its time is not
	// limited.
	Left    int     `json:"left_min,omitempty"`
	Hours   float64 `json:"hours,omitempty"` // total running time, in tenths of an hour
	Due     string  `json:"due,omitempty"`   // the kind of maintenance that is due first; absent: none is due
	Bundle  uint64  `json:"bundle"`          // version of the bundle in use
	Journal uint64  `json:"journal"`         // number of records in the journal

	// Number of the message format that the machine reads and writes; absent: 1.
	Format     int        `json:"format,omitempty"`
	Program    string     `json:"program,omitempty"`    // version of the machine's program
	Generation Generation `json:"generation,omitempty"` // generation of the journal
	// UnackedSince is the time since which acknowledgements have been missing for too long; absent: the hub acknowledges
	// in time.
	UnackedSince time.Time `json:"unacked_since,omitzero"`
	// UnackedWhy is the code of the reason, if the machine knows it: broker-away, no-answer, hub-refuses/bad-checkpoint.
	UnackedWhy string `json:"unacked_why,omitempty"`
	// SilentScreen is one of the machine's own screens that sends no reports; absent: all screens send their reports.
	SilentScreen string `json:"silent_screen,omitempty"`
	Clock        string `json:"clock,omitempty"` // state of the clock: trusted or untrusted; absent: unknown
	// BundleRefused is the reason why the machine refuses the bundle that the hub offers; absent: no bundle is refused.
	BundleRefused string `json:"bundle_refused,omitempty"`
	Disk          string `json:"disk,omitempty"` // damage of the bundle or the journal on the disk; absent: none is known
	StateKeys
}

// ParseState parses a state. Nothing depends on a state alone, so ParseState skips all unknown fields, even those that
// the state lists as critical.
func ParseState(data []byte) (State, error) {
	var s State
	if len(data) > MaxRecord {
		return s, fmt.Errorf("state has %d bytes, want at most %d", len(data), MaxRecord)
	}
	err := decodeHint(data, &s)
	s.UnackedWhy, s.SilentScreen = OneLine(s.UnackedWhy, maxStateText), OneLine(s.SilentScreen, maxStateText)
	s.Program = OneLine(s.Program, maxStateText)
	s.Clock, s.Disk = OneLine(s.Clock, maxStateText), OneLine(s.Disk, maxStateText)
	s.BundleRefused = OneLine(s.BundleRefused, maxStateText)
	s.StateKeys = s.bounded()
	if s.Generation.Check() != nil { // check the generation, because an administrator copies it into a shell command
		s.Generation = ""
	}
	return s, err
}

// maxStateText is the largest size in bytes of each text in a state that a hub logs or shows.
const maxStateText = 100
