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

// kindRestore is the first line of a signed Restore, which names its kind.
const kindRestore = "portillon restore"

const (
	// MaxRestore is the largest size of a signed Restore, in bytes: half of the broker's limit (MaxPacket). A Restore
	// of 3,000 members has about 400 KB.
	MaxRestore = 512 << 10
	// RecentSessions is how far back a Restore lists single sessions, which are needed because quotas count by day and by
	// week.
	RecentSessions = 8 * 24 * time.Hour
	// maxRestoredTags is the largest number of tags in a Restore, and maxRemovedTags the largest number of ids of
	// removed tags.
	maxRestoredTags, maxRemovedTags = 256, 4096
)

// Restore contains what a machine with a new journal needs from its earlier journals. The hub computes it from its
// ledger. A Restore is for one generation of one machine's journal, and the machine applies it once. A Restore is valid
// at any time, because it does not depend on a clock.
type Restore struct {
	Site       policy.SiteID     `json:"site"`
	Machine    policy.MachineID  `json:"machine"`
	Generation Generation        `json:"generation"` // generation of the only journal that may apply the Restore
	ID         string            `json:"id"`         // id of the document, which the reply repeats
	Issued     time.Time         `json:"issued"`
	From       []ReplacedJournal `json:"from"` // the earlier journals of the machine, beginning with the oldest
	Tags       []RestoredTag     `json:"tags,omitempty"`
	// Removed contains the ids of tags that were removed, so that a command cannot add them again.
	Removed  []string           `json:"removed,omitempty"`
	Practice []RestoredPractice `json:"practice,omitempty"`
	Done     []RestoredDone     `json:"done,omitempty"`
	Relay    int64              `json:"relay_s,omitempty"` // running time in seconds, measured by the relay
	Busy     int64              `json:"busy_s,omitempty"`
	// Left is the number of members whose practice was left out because it did not fit into the message.
	Left int `json:"left,omitempty"`
}

// ReplacedJournal is an earlier journal of a machine, of which the hub holds the first Seq records, with this root.
type ReplacedJournal struct {
	Generation Generation `json:"generation,omitempty"`
	Seq        uint64     `json:"seq"`
	Root       string     `json:"root,omitempty"` // root of the tree over these records, in hexadecimal
}

// RestoredTag is a tag that was on the machine according to the earlier journals.
type RestoredTag struct {
	ID     string          `json:"tag"`
	Reason string          `json:"reason"`
	By     policy.MemberID `json:"by,omitempty"`
	Role   string          `json:"role,omitempty"`
	Since  time.Time       `json:"since"`
}

// RestoredPractice is a member's practice on the machine according to the earlier journals. Seconds includes the time
// of the recent sessions.
type RestoredPractice struct {
	Member  policy.MemberID `json:"member"`
	Seconds int64           `json:"logged_s"`
	// Time at which the last session ended; zero: no trusted time is known.
	Last   time.Time         `json:"last,omitzero"`
	Recent []RestoredSession `json:"recent,omitempty"`
}

// RestoredSession is one session whose end has a trusted time.
type RestoredSession struct {
	End     time.Time `json:"end"`
	Seconds int64     `json:"s"`
}

// RestoredDone says when a kind of maintenance was last done, and what the machine's running time was then.
type RestoredDone struct {
	Kind string    `json:"kind"`
	At   time.Time `json:"at,omitzero"` // time of the maintenance; zero: no trusted time is known
	Ran  int64     `json:"ran_s,omitempty"`
}

// SignRestore signs r with the hub's key. If r is too large, SignRestore leaves out members at the end of r.Practice,
// and counts them in Left.
func SignRestore(r Restore, s note.Signer) ([]byte, error) {
	for {
		data, err := sign(kindRestore, r, s)
		if err != nil || len(data) <= MaxRestore {
			return data, err
		}
		n := len(r.Practice)
		if n == 0 {
			return nil, fmt.Errorf("restore document has %d bytes, want at most %d", len(data), MaxRestore)
		}
		drop := max(1, n/8)
		r.Practice, r.Left = r.Practice[:n-drop], r.Left+drop
	}
}

// IsRestore reports whether a message is a Restore and not a command.
func IsRestore(data []byte) bool {
	return strings.HasPrefix(string(data[:min(len(data), 64)]), kindRestore+"\n")
}

// OpenRestore verifies that the hub signed the document, and that the document is for this machine. If only the content
// is wrong, OpenRestore returns the Restore with the error, so that the caller can reply to its ID. With any other
// error, OpenRestore returns the zero Restore.
func OpenRestore(data []byte, keys note.Verifiers, site policy.SiteID, m policy.MachineID) (Restore, error) {
	if len(data) > MaxRestore {
		return Restore{}, fmt.Errorf("restore document has %d bytes, want at most %d", len(data), MaxRestore)
	}
	var r Restore
	if err := open(kindRestore, data, keys, &r); err != nil {
		return Restore{}, fmt.Errorf("restore document: %w", err)
	}
	if r.Site != site || r.Machine != m {
		return Restore{}, fmt.Errorf("restore document is for %s/%s, want %s/%s", r.Site, r.Machine, site, m)
	}
	if r.ID == "" || len(r.ID) > 64 {
		return Restore{}, fmt.Errorf("restore document: id has %d bytes, want 1 to 64", len(r.ID))
	}
	if err := r.check(); err != nil {
		return r, fmt.Errorf("restore document: %w", err)
	}
	return r, nil
}

// check returns an error if a value is missing or outside its limits.
func (r Restore) check() error {
	if err := r.Generation.Check(); err != nil {
		return err
	}
	if r.Generation == "" || len(r.From) == 0 {
		return errors.New("generation or earlier journals are missing")
	}
	if len(r.Tags) > maxRestoredTags || len(r.Removed) > maxRemovedTags || len(r.Done) > maxRestoredTags {
		return fmt.Errorf("document has %d tags, %d removed tags and %d kinds of maintenance, want at most %d, %d and %d",
			len(r.Tags), len(r.Removed), len(r.Done), maxRestoredTags, maxRemovedTags, maxRestoredTags)
	}
	if r.Relay < 0 || r.Busy < 0 || r.Relay > maxRestoredSeconds || r.Busy > maxRestoredSeconds {
		return fmt.Errorf("running time %d s or %d s is out of range", r.Relay, r.Busy)
	}
	return cmp.Or(r.checkJournals(), r.checkTags(), r.checkPractice(), r.checkDone())
}

func (r Restore) checkJournals() error {
	for _, x := range r.From {
		if err := x.Generation.Check(); err != nil || len(x.Root) > 2*tlog.HashSize {
			return fmt.Errorf("earlier journal: %w", errors.Join(err, fmt.Errorf("root has %d digits", len(x.Root))))
		}
	}
	return nil
}

func (r Restore) checkTags() error {
	for _, t := range r.Tags {
		if t.ID == "" || len(t.ID) > 64 || t.Reason == "" || len(t.Reason) > 500 {
			return fmt.Errorf("tag %.64q has an id of %d bytes and a reason of %d bytes, want 1 to 64 and 1 to 500",
				t.ID, len(t.ID), len(t.Reason))
		}
	}
	return nil
}

func (r Restore) checkPractice() error {
	for _, p := range r.Practice {
		if p.Member == "" || p.Seconds < 0 || p.Seconds > maxRestoredSeconds {
			return fmt.Errorf("practice of member %.64q is %d s, which is out of range", p.Member, p.Seconds)
		}
		for _, x := range p.Recent {
			if x.Seconds < 0 || x.Seconds > p.Seconds {
				return fmt.Errorf("member %.64q has a session of %d s, which is longer than all sessions together (%d s)",
					p.Member, x.Seconds, p.Seconds)
			}
		}
	}
	return nil
}

func (r Restore) checkDone() error {
	for _, d := range r.Done {
		if d.Kind == "" || len(d.Kind) > 64 || d.Ran < 0 || d.Ran > maxRestoredSeconds {
			return fmt.Errorf("maintenance %.64q: running time %d s is out of range, or the kind is malformed", d.Kind, d.Ran)
		}
	}
	return nil
}

// maxRestoredSeconds is the number of seconds in a century. The sum of two such values does not overflow a
// time.Duration (292 years).
const maxRestoredSeconds = 100 * 366 * 24 * 3600

// RestoredBody is the body of a restored record: a summary of the Restore that was applied.
type RestoredBody struct {
	// The earlier journals of the machine, beginning with the oldest; at most 16.
	From    []ReplacedJournal `json:"from"`
	Tags    int               `json:"tags"`    // number of tags that were restored; each tag also has a record of its own
	Members int               `json:"members"` // number of members whose practice was restored
	Left    int               `json:"left,omitempty"`
	Kinds   int               `json:"kinds"`   // number of kinds of maintenance that were restored
	Relay   int64             `json:"relay_s"` // new running time in seconds, measured by the relay
	Busy    int64             `json:"busy_s"`
	SHA256  string            `json:"sha256"` // SHA-256 of the signed document, in hexadecimal
}
