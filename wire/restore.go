package wire

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/policy"
)

// kindRestore is the first line of a signed Restore.
const kindRestore = "portillon restore"

const (
	// MaxRestore bounds a signed Restore in bytes: half of what the broker carries (MaxPacket). 3,000 members need
	// some 400 KB.
	MaxRestore = 512 << 10
	// RecentSessions is how far back a Restore lists single sessions: quotas count by day and by week.
	RecentSessions = 8 * 24 * time.Hour
	// maxRestoredTags bounds the tags of a Restore, and maxRemovedTags the ids that were taken off.
	maxRestoredTags, maxRemovedTags = 256, 4096
)

// Restore is what the hub's ledger knows of a machine from the journals before this one: what a machine needs whose
// journal began anew. It is for one generation of one machine's journal, which applies it once. It depends on no
// clock.
type Restore struct {
	Site       policy.SiteID     `json:"site"`
	Machine    policy.MachineID  `json:"machine"`
	Generation Generation        `json:"generation"` // of the journal that it is for
	ID         string            `json:"id"`         // the reply bears it
	Issued     time.Time         `json:"issued"`
	From       []ReplacedJournal `json:"from"` // the journals that it was made from, the oldest first
	Tags       []RestoredTag     `json:"tags,omitempty"`
	// ids of tags that were taken off: a command cannot add them again
	Removed  []string           `json:"removed,omitempty"`
	Practice []RestoredPractice `json:"practice,omitempty"`
	Done     []RestoredDone     `json:"done,omitempty"`
	Relay    int64              `json:"relay_s,omitempty"` // running hours, in seconds, as InterventionBody has them
	Busy     int64              `json:"busy_s,omitempty"`
	// Left counts members whose practice did not fit.
	Left int `json:"left,omitempty"`
}

// ReplacedJournal is a journal that another one took the place of: its first Seq records, with this root, are held by
// the hub.
type ReplacedJournal struct {
	Generation Generation `json:"generation,omitempty"`
	Seq        uint64     `json:"seq"`
	Root       string     `json:"root,omitempty"` // in hexadecimal
}

// RestoredTag is a tag that was on the machine.
type RestoredTag struct {
	ID     string          `json:"tag"`
	Reason string          `json:"reason"`
	By     policy.MemberID `json:"by,omitempty"`
	Role   string          `json:"role,omitempty"`
	Since  time.Time       `json:"since"`
}

// RestoredPractice is what a member has done on the machine. Recent sessions count in Seconds too.
type RestoredPractice struct {
	Member  policy.MemberID   `json:"member"`
	Seconds int64             `json:"logged_s"`
	Last    time.Time         `json:"last,omitzero"` // zero: not by a trusted clock
	Recent  []RestoredSession `json:"recent,omitempty"`
}

// RestoredSession is one session, timed by a trusted clock.
type RestoredSession struct {
	End     time.Time `json:"end"`
	Seconds int64     `json:"s"`
}

// RestoredDone is when a kind of maintenance was last done, and how long the machine had run by then.
type RestoredDone struct {
	Kind string    `json:"kind"`
	At   time.Time `json:"at,omitzero"` // zero: not by a trusted clock
	Ran  int64     `json:"ran_s,omitempty"`
}

// SignRestore signs r with the hub's key. Where it would be too large, the members whose last session is longest ago
// are left out, and counted in Left.
func SignRestore(r Restore, s note.Signer) ([]byte, error) {
	for {
		data, err := sign(kindRestore, r, s)
		if err != nil || len(data) <= MaxRestore {
			return data, err
		}
		n := len(r.Practice)
		if n == 0 {
			return nil, fmt.Errorf("restore: %d bytes, want at most %d", len(data), MaxRestore)
		}
		drop := max(1, n/8)
		r.Practice, r.Left = r.Practice[:n-drop], r.Left+drop
	}
}

// IsRestore reports whether a message is a Restore, and not a command.
func IsRestore(data []byte) bool {
	return strings.HasPrefix(string(data[:min(len(data), 64)]), kindRestore+"\n")
}

// OpenRestore checks the hub's signature, and that the document is for this machine. An error about its content comes
// with the Restore, whose ID may be answered; any other error comes with the zero Restore.
func OpenRestore(data []byte, keys note.Verifiers, site policy.SiteID, m policy.MachineID) (Restore, error) {
	if len(data) > MaxRestore {
		return Restore{}, fmt.Errorf("restore: %d bytes, want at most %d", len(data), MaxRestore)
	}
	var r Restore
	if err := open(kindRestore, data, keys, &r); err != nil {
		return Restore{}, fmt.Errorf("restore: %w", err)
	}
	if r.Site != site || r.Machine != m {
		return Restore{}, fmt.Errorf("restore: for %s/%s, not %s/%s", r.Site, r.Machine, site, m)
	}
	if r.ID == "" || len(r.ID) > 64 {
		return Restore{}, fmt.Errorf("restore: the id has %d bytes, want 1 to 64", len(r.ID))
	}
	if err := r.check(); err != nil {
		return r, fmt.Errorf("restore: %w", err)
	}
	return r, nil
}

// check reports what in a document of the hub can't be true.
func (r Restore) check() error {
	if err := r.Generation.Check(); err != nil {
		return err
	}
	if r.Generation == "" || len(r.From) == 0 {
		return errors.New("the generation, or the journals before it, are missing")
	}
	if len(r.Tags) > maxRestoredTags || len(r.Removed) > maxRemovedTags || len(r.Done) > maxRestoredTags {
		return fmt.Errorf("%d tags, %d removed ones and %d kinds of maintenance, want at most %d, %d and %d",
			len(r.Tags), len(r.Removed), len(r.Done), maxRestoredTags, maxRemovedTags, maxRestoredTags)
	}
	if r.Relay < 0 || r.Busy < 0 || r.Relay > maxRestoredSeconds || r.Busy > maxRestoredSeconds {
		return fmt.Errorf("running hours of %d s and %d s", r.Relay, r.Busy)
	}
	return cmp.Or(r.checkJournals(), r.checkTags(), r.checkPractice(), r.checkDone())
}

func (r Restore) checkJournals() error {
	for _, x := range r.From {
		if err := x.Generation.Check(); err != nil || len(x.Root) > 2*tlog.HashSize {
			return fmt.Errorf("the journal before: %w", errors.Join(err, fmt.Errorf("a root of %d digits", len(x.Root))))
		}
	}
	return nil
}

func (r Restore) checkTags() error {
	for _, t := range r.Tags {
		if t.ID == "" || len(t.ID) > 64 || t.Reason == "" || len(t.Reason) > 500 {
			return fmt.Errorf("the tag %.64q has a name of %d bytes and a reason of %d, want 1 to 64 and 1 to 500",
				t.ID, len(t.ID), len(t.Reason))
		}
	}
	return nil
}

func (r Restore) checkPractice() error {
	for _, p := range r.Practice {
		if p.Member == "" || p.Seconds < 0 || p.Seconds > maxRestoredSeconds {
			return fmt.Errorf("the practice of %.64q is %d s", p.Member, p.Seconds)
		}
		for _, x := range p.Recent {
			if x.Seconds < 0 || x.Seconds > p.Seconds {
				return fmt.Errorf("the member %.64q has a session of %d s and %d s in all", p.Member, x.Seconds, p.Seconds)
			}
		}
	}
	return nil
}

func (r Restore) checkDone() error {
	for _, d := range r.Done {
		if d.Kind == "" || len(d.Kind) > 64 || d.Ran < 0 || d.Ran > maxRestoredSeconds {
			return fmt.Errorf("the maintenance %.64q was done after %d s", d.Kind, d.Ran)
		}
	}
	return nil
}

// maxRestoredSeconds is a century: more seconds than that would not fit a time.Duration three times over (292 years).
const maxRestoredSeconds = 100 * 366 * 24 * 3600

// RestoredBody is the body of a restored record: what the hub's ledger gave back to a journal that began anew.
type RestoredBody struct {
	From    []ReplacedJournal `json:"from"`    // the journals before, the oldest first, at most 16
	Tags    int               `json:"tags"`    // that were put on again; each has its own record
	Members int               `json:"members"` // number of members whose practice was restored
	Left    int               `json:"left,omitempty"`
	Kinds   int               `json:"kinds"`   // of maintenance
	Relay   int64             `json:"relay_s"` // running hours from now on, in seconds
	Busy    int64             `json:"busy_s"`
	SHA256  string            `json:"sha256"` // of the signed document, in hexadecimal
}
