package wire

import (
	"encoding/json"
	"time"

	"portillon/policy"
)

// Record is one line of a machine's journal. Its canonical JSON (RFC 8785) is what the journal stores, hashes and
// sends.
type Record struct {
	Site    policy.SiteID    `json:"site"`
	Machine policy.MachineID `json:"machine"`
	Seq     uint64           `json:"seq"`  // 1, 2, 3 … no gaps
	Boot    string           `json:"boot"` // the kernel's boot id
	Mono    int64            `json:"mono"` // milliseconds since that boot
	// UTC, milliseconds; before an earlier trusted time only where Clock says corrected, or is untrusted
	Wall    time.Time       `json:"wall"`
	Clock   Clock           `json:"clock"`
	Kind    Kind            `json:"kind"`
	Session string          `json:"session,omitempty"`
	Member  policy.MemberID `json:"member,omitempty"` // pseudonym
	Body    json.RawMessage `json:"body,omitempty"`   // one of the Body types, by Kind

	// Generation is that of the journal the record was read from, where the reader knows it. It is no part of the record:
	// checkpoints and batches say it.
	Generation Generation `json:"-"`
	// Epoch counts a machine's generations at its hub, from 0, in the order in which the hub took them.
	Epoch int `json:"-"`
}

// Clock says whether the wall time of a record is trusted.
type Clock string

const (
	ClockUntrusted Clock = "untrusted"
	ClockTrusted   Clock = "trusted"
	// ClockCorrected is a trusted clock that was set back since the last trusted record: that record's time was wrong.
	ClockCorrected Clock = "corrected"
)

// Believed reports whether the wall time counts.
func (c Clock) Believed() bool { return c == ClockTrusted || c == ClockCorrected }

// Kind is the kind of a record. A newer machine writes kinds that are not in this list: readers keep what they do not
// know.
type Kind string

const (
	Booted       Kind = "booted"         // BootBody: the daemon started
	SessionStart Kind = "session-start"  // StartBody
	SessionEnd   Kind = "session-end"    // EndBody
	RoleChanged  Kind = "role-changed"   // RoleBody: the member took another of their roles
	Refused      Kind = "refused"        // RefusedBody
	Assisted     Kind = "assisted"       // AssistBody: a second member works along under the maintainer's tap
	Intervened   Kind = "intervention"   // InterventionBody
	Tagged       Kind = "tagged"         // TagBody
	Untagged     Kind = "untagged"       // TagBody
	Faulted      Kind = "fault"          // FaultBody
	FaultCleared Kind = "fault-cleared"  // FaultBody
	BundleTaken  Kind = "bundle"         // BundleBody: the machine now works from this bundle
	BundleKept   Kind = "bundle-refused" // BundleBody with Why: the offered bundle changed nothing
	ReaderLost   Kind = "reader-lost"    // FaultBody
	ReaderBack   Kind = "reader-back"    // FaultBody
	Commanded    Kind = "command"        // CommandBody: an order that was carried out or refused
	Extended     Kind = "extended"       // ExtendBody: the session may last longer
	HandedOver   Kind = "handed-over"    // HandOverBody: another mentor answers for the session from now on
	Powered      Kind = "power"          // PowerBody: the relay was switched under a maintainer's hand
	Reported     Kind = "problem"        // ReportBody: a member saw that something is wrong
	Vouched      Kind = "vouched"        // VouchBody: a mentor confirms a skill of the member
	// AttestBody: a maintainer confirms an intervention that was logged under their tap
	Attested Kind = "attested"
	// RestoredBody: the hub gave back to a new journal what it knows from the machine's journals before
	Restored Kind = "restored"
)

// StartBody is the body of a session-start record.
type StartBody struct {
	Role   policy.Role      `json:"role"`
	Grant  int              `json:"grant"`  // the grant's place in the policy, from 0
	Badges []policy.BadgeID `json:"badges"` // the badges that the decision rested on
	// badges of other issuers that counted for badges above
	Accepted   []policy.Accepted `json:"accepted,omitempty"`
	Supervisor policy.MemberID   `json:"supervisor,omitempty"`
	MaxSeconds int64             `json:"max_s,omitempty"` // the session's limit; absent: none
	Bundle     uint64            `json:"bundle"`          // the bundle's version
	Would      string            `json:"would,omitempty"` // in mode warn: what enforcement would have said
	Card       string            `json:"card"`            // how strong the card's proof was: "uid" or "aes"
	// the basis of the decision; absent: an older program wrote the record
	Basis *policy.Basis `json:"basis,omitempty"`
}

// EndBody is the body of a session-end record.
type EndBody struct {
	Cause Cause `json:"cause"`
	// the length of the session, also of a maintenance without power; 0: unknown
	Seconds int64 `json:"seconds"`
}

// Cause is why a session ended. The list is closed.
type Cause string

const (
	CauseTap        Cause = "tap"        // the member tapped out
	CauseSupervisor Cause = "supervisor" // the supervisor ended it
	CauseLimit      Cause = "limit"      // the limit was reached
	CauseIdle       Cause = "idle"       // the machine stood idle too long
	// an operator or a command stopped it, or its start came to nothing: on record too late, or the contactor not yet
	// open; or a new bundle lacks or blocks who has the session
	CauseStop       Cause = "stop"
	CauseTag        Cause = "tag"         // a tag ended it
	CauseFault      Cause = "fault"       // the relay, its guard or the e-stop
	CauseShutdown   Cause = "shutdown"    // the daemon was asked to end
	CauseDaemonLost Cause = "daemon-lost" // the daemon died; closed at its next start in the same boot
	CausePowerLost  Cause = "power-lost"  // the machine's computer restarted; closed at its next start
)

// RoleBody is the body of a role-changed record.
type RoleBody struct {
	Role     policy.Role       `json:"role"`
	Badges   []policy.BadgeID  `json:"badges"`
	Accepted []policy.Accepted `json:"accepted,omitempty"` // as in StartBody
	Basis    *policy.Basis     `json:"basis,omitempty"`    // as in StartBody
}

// RefusedBody is the body of a refused record. It holds no card number.
type RefusedBody struct {
	Reasons []policy.Code `json:"reasons"`
	Role    policy.Role   `json:"role,omitempty"`  // the role that came nearest
	Basis   *policy.Basis `json:"basis,omitempty"` // as in StartBody
	// Sealed is the code and the HMAC of an unknown card, which the hub alone can open (SealCard); empty: the card is
	// known, or the machine has no key of the hub.
	Sealed string `json:"sealed,omitempty"`
}

// AssistBody is the body of an assisted record: Member of the record works along.
type AssistBody struct {
	With policy.MemberID `json:"with"` // the maintainer of the session
}

// InterventionBody is the body of an intervention record: Member of the record did the work.
type InterventionBody struct {
	What     string          `json:"what"`               // a kind from the policy: "lens-cleaning"
	Endorser policy.MemberID `json:"endorser,omitempty"` // the maintainer under whose tap it was logged
	Minutes  int             `json:"minutes,omitempty"`
	Note     string          `json:"note,omitempty"`  // at most 500 bytes
	Parts    string          `json:"parts,omitempty"` // replaced parts; at most 200 bytes
	Photo    string          `json:"photo,omitempty"` // the SHA-256 of a picture that the machine keeps, in hexadecimal
	Ran                      // at that moment

	// Where the policy's evidence is endorsed at-the-time: either the endorser wrote the record themself, after their own
	// tap, or the record has an id by which a later attested record names it.
	Attested bool   `json:"attested,omitempty"`
	ID       string `json:"id,omitempty"`
}

// AttestBody is the body of an attested record: Member of the record is the endorser, who stood at the machine and
// touched "attest".
type AttestBody struct {
	Intervention string `json:"intervention"` // the id in InterventionBody
}

// Ran is how long a machine has run in all, and how that is known.
type Ran struct {
	RanSeconds int64 `json:"ran_s,omitempty"`
	RanBy      RanBy `json:"ran_by,omitempty"`
}

// RanBy is the source of running hours.
type RanBy string

const (
	RanByBusy  RanBy = "busy"  // the busy input
	RanByRelay RanBy = "relay" // the time with a closed relay
)

// ExtendBody is the body of an extended record.
type ExtendBody struct {
	Seconds int64 `json:"seconds"` // the remaining time
}

// HandOverBody is the body of a handed-over record.
type HandOverBody struct {
	From     policy.MemberID   `json:"from"`
	To       policy.MemberID   `json:"to"`
	Badges   []policy.BadgeID  `json:"badges"`             // that the new decision rested on
	Accepted []policy.Accepted `json:"accepted,omitempty"` // as in StartBody
	Basis    *policy.Basis     `json:"basis,omitempty"`    // of the new decision, as in StartBody
}

// PowerBody is the body of a power record.
type PowerBody struct {
	On bool `json:"on"`
}

// ReportBody is the body of a problem record: Member of the record saw it.
type ReportBody struct {
	What  Problem `json:"what"`
	Note  string  `json:"note,omitempty"`  // at most 500 bytes
	Photo string  `json:"photo,omitempty"` // as in InterventionBody
	Tag   string  `json:"tag,omitempty"`   // the tag that was put on for it
	// Claimed is who had tapped when the form was opened that somebody then sent from a phone, and that nobody has
	// confirmed at the machine. Member of such a record is empty: nobody has signed it, and it put on no tag.
	Claimed policy.MemberID `json:"claimed,omitempty"`
	Ran
}

// Problem is what a member may report; the list is closed.
type Problem string

const (
	Noise     Problem = "noise"
	Poor      Problem = "poor-result"
	Broken    Problem = "broken"
	Dangerous Problem = "dangerous" // the machine is tagged out
)

// Problems are all of them, the least first.
func Problems() []Problem { return []Problem{Noise, Poor, Broken, Dangerous} }

// VouchBody is the body of a vouched record: Member of the record is the learner.
type VouchBody struct {
	Mentor policy.MemberID `json:"mentor"`
	Skills []string        `json:"skills"` // slugs of the policy's vouch list
}

// TagBody is the body of tagged and untagged records.
type TagBody struct {
	Tag    string `json:"tag"` // the tag's id
	Reason string `json:"reason,omitempty"`
	Now    bool   `json:"now,omitempty"`  // end a running session at once, not at idle
	Role   string `json:"role,omitempty"` // in which role the person put it on; empty: none was known
}

// FaultBody is the body of fault, fault-cleared, reader-lost and reader-back records.
type FaultBody struct {
	What string `json:"what"` // "guard-lost", "e-stop", "journal", "reader", …
	Why  string `json:"why,omitempty"`
}

// BootBody is the body of a booted record.
type BootBody struct {
	Version string `json:"version"`
}

// BundleBody is the body of bundle and bundle-refused records.
type BundleBody struct {
	Version uint64 `json:"version"`
	Why     string `json:"why,omitempty"`
}

// CommandBody is the body of a command record.
type CommandBody struct {
	ID  string `json:"id"`
	Do  string `json:"do"`
	Why string `json:"why,omitempty"` // why it was refused; empty: carried out
}
