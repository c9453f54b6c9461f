package wire

import (
	"encoding/json"
	"time"

	"portillon/policy"
)

// Record is one entry of a machine's journal. The record's canonical JSON (RFC 8785) is stored, hashed and sent.
type Record struct {
	Site    policy.SiteID    `json:"site"`
	Machine policy.MachineID `json:"machine"`
	Seq     uint64           `json:"seq"`  // 1, 2, 3 … without gaps
	Boot    string           `json:"boot"` // the kernel's boot id
	Mono    int64            `json:"mono"` // milliseconds since boot
	// Wall is in UTC, with milliseconds. Wall is earlier than a previous trusted time only if Clock is corrected or
	// untrusted.
	Wall    time.Time       `json:"wall"`
	Clock   Clock           `json:"clock"`
	Kind    Kind            `json:"kind"`
	Session string          `json:"session,omitempty"`
	Member  policy.MemberID `json:"member,omitempty"` // pseudonym of the member
	Body    json.RawMessage `json:"body,omitempty"`   // one of the Body types, by Kind

	// Generation is the generation of the journal that the record was read from, if the reader knows it. The generation
	// is not part of the record, but of checkpoints and batches.
	Generation Generation `json:"-"`
	// Epoch is the machine's generation as counted at the hub, from 0, in the order in which the hub accepted the
	// generations.
	Epoch int `json:"-"`
}

// Clock is how far a record's wall time can be trusted.
type Clock string

const (
	ClockUntrusted Clock = "untrusted" // the time was not confirmed, and may be wrong
	ClockTrusted   Clock = "trusted"   // the time was confirmed
	// ClockCorrected is a trusted clock that was set back since the last trusted record: the time of that record was
	// wrong.
	ClockCorrected Clock = "corrected"
)

// Believed reports whether the wall time can be trusted.
func (c Clock) Believed() bool { return c == ClockTrusted || c == ClockCorrected }

// Kind is the kind of a record. Newer machines may write kinds that are not in this list, and readers must store such
// records too.
type Kind string

const (
	Booted       Kind = "booted"         // BootBody: the daemon started
	SessionStart Kind = "session-start"  // StartBody: a session began
	SessionEnd   Kind = "session-end"    // EndBody: a session ended
	RoleChanged  Kind = "role-changed"   // RoleBody: the member changed to another of their roles
	Refused      Kind = "refused"        // RefusedBody: a member or a card was refused
	Assisted     Kind = "assisted"       // AssistBody: a second member joined a maintainer's work
	Intervened   Kind = "intervention"   // InterventionBody: maintenance work was logged
	Tagged       Kind = "tagged"         // TagBody: a tag was added
	Untagged     Kind = "untagged"       // TagBody: a tag was removed
	Faulted      Kind = "fault"          // FaultBody: a fault began
	FaultCleared Kind = "fault-cleared"  // FaultBody: a fault ended
	BundleTaken  Kind = "bundle"         // BundleBody: the machine now works from this bundle
	BundleKept   Kind = "bundle-refused" // BundleBody with Why: the offered bundle was refused
	ReaderLost   Kind = "reader-lost"    // FaultBody: the reader stopped answering
	ReaderBack   Kind = "reader-back"    // FaultBody: the reader answers again
	Commanded    Kind = "command"        // CommandBody: a command was executed or refused
	Extended     Kind = "extended"       // ExtendBody: the session may last longer
	HandedOver   Kind = "handed-over"    // HandOverBody: another mentor now supervises the session
	Powered      Kind = "power"          // PowerBody: a maintainer switched the relay
	Reported     Kind = "problem"        // ReportBody: a member reported a problem
	Vouched      Kind = "vouched"        // VouchBody: a mentor confirmed skills of the member
	// Attested means that a maintainer confirmed an intervention that was logged in their session. The body is
	// AttestBody.
	Attested Kind = "attested"
	// Restored means that the hub's data of earlier journals were added to a new journal. The body is RestoredBody.
	Restored Kind = "restored"
)

// StartBody is the body of a session-start record.
type StartBody struct {
	Role   policy.Role      `json:"role"`
	Grant  int              `json:"grant"`  // index of the grant in the policy, from 0
	Badges []policy.BadgeID `json:"badges"` // badges that the decision used
	// Accepted lists badges of other issuers that were accepted in place of some of Badges.
	Accepted   []policy.Accepted `json:"accepted,omitempty"`
	Supervisor policy.MemberID   `json:"supervisor,omitempty"`
	MaxSeconds int64             `json:"max_s,omitempty"` // session limit in seconds; absent: no limit
	Bundle     uint64            `json:"bundle"`          // version of the bundle
	Would      string            `json:"would,omitempty"` // in mode warn: the result that enforcement would have had
	Card       string            `json:"card"`            // strength of the card's proof: "uid" or "aes"
	// Basis is the input of the decision; absent in records of older programs.
	Basis *policy.Basis `json:"basis,omitempty"`
}

// EndBody is the body of a session-end record.
type EndBody struct {
	Cause Cause `json:"cause"`
	// Seconds is the duration, also of a maintenance with the power off; 0: unknown.
	Seconds int64 `json:"seconds"`
}

// Cause is the reason why a session ended. The list of causes is closed.
type Cause string

const (
	CauseTap        Cause = "tap"        // the member tapped out
	CauseSupervisor Cause = "supervisor" // the supervisor ended the session
	CauseLimit      Cause = "limit"      // the session's limit was reached
	CauseIdle       Cause = "idle"       // the machine stood idle too long
	// CauseStop means one of three things. An operator or a command stopped the session. Or the start failed, because
	// the record was written too late or the contactor had not opened. Or a new bundle removed or blocked a member of
	// the session.
	CauseStop       Cause = "stop"
	CauseTag        Cause = "tag"         // a tag ended the session
	CauseFault      Cause = "fault"       // the relay, its guard or the e-stop
	CauseShutdown   Cause = "shutdown"    // the daemon was asked to end
	CauseDaemonLost Cause = "daemon-lost" // the daemon crashed; recorded at its next start in the same boot
	CausePowerLost  Cause = "power-lost"  // the machine's computer restarted; recorded at the daemon's next start
)

// RoleBody is the body of a role-changed record.
type RoleBody struct {
	Role     policy.Role       `json:"role"`
	Badges   []policy.BadgeID  `json:"badges"`
	Accepted []policy.Accepted `json:"accepted,omitempty"` // accepted badges of other issuers, as in StartBody
	Basis    *policy.Basis     `json:"basis,omitempty"`    // input of the decision, as in StartBody
}

// RefusedBody is the body of a refused record. The body contains no card number.
type RefusedBody struct {
	Reasons []policy.Code `json:"reasons"`
	Role    policy.Role   `json:"role,omitempty"`  // role with the fewest missing requirements
	Basis   *policy.Basis `json:"basis,omitempty"` // input of the decision, as in StartBody
	// Sealed is the code and the HMAC of an unknown card, encrypted for the hub (SealCard); empty if the card is known or
	// the machine has no key of the hub.
	Sealed string `json:"sealed,omitempty"`
}

// AssistBody is the body of an assisted record. The record's Member is the second member.
type AssistBody struct {
	With policy.MemberID `json:"with"` // the maintainer who has the session
}

// InterventionBody is the body of an intervention record. The record's Member did the work.
type InterventionBody struct {
	What     string          `json:"what"`               // a kind from the policy: "lens-cleaning"
	Endorser policy.MemberID `json:"endorser,omitempty"` // the maintainer in whose session it was logged
	Minutes  int             `json:"minutes,omitempty"`
	Note     string          `json:"note,omitempty"`  // text of at most 500 bytes
	Parts    string          `json:"parts,omitempty"` // replaced parts; at most 200 bytes
	Photo    string          `json:"photo,omitempty"` // SHA-256 of a picture stored on the machine, in hexadecimal
	Ran                      // running hours at the time of the intervention

	// These fields are for a policy with evidence that is endorsed at-the-time. Attested means that the endorser filled
	// in the form after their own tap. Otherwise ID is the id by which a later attested record names this record.
	Attested bool   `json:"attested,omitempty"`
	ID       string `json:"id,omitempty"`
}

// AttestBody is the body of an attested record. The record's Member is the endorser, who pressed "attest" at the
// machine.
type AttestBody struct {
	Intervention string `json:"intervention"` // id of the intervention: InterventionBody.ID
}

// Ran holds a machine's total running time and its source.
type Ran struct {
	RanSeconds int64 `json:"ran_s,omitempty"`
	RanBy      RanBy `json:"ran_by,omitempty"`
}

// RanBy is the signal from which running hours are counted.
type RanBy string

const (
	RanByBusy  RanBy = "busy"  // the input that is active while the machine works
	RanByRelay RanBy = "relay" // the closed relay
)

// ExtendBody is the body of an extended record, which states that a session was extended.
type ExtendBody struct {
	Seconds int64 `json:"seconds"` // remaining time in seconds
}

// HandOverBody is the body of a handed-over record.
type HandOverBody struct {
	From     policy.MemberID   `json:"from"`
	To       policy.MemberID   `json:"to"`
	Badges   []policy.BadgeID  `json:"badges"`             // badges that the new decision used
	Accepted []policy.Accepted `json:"accepted,omitempty"` // accepted badges of other issuers, as in StartBody
	Basis    *policy.Basis     `json:"basis,omitempty"`    // input of the new decision, as in StartBody
}

// PowerBody is the body of a power record.
type PowerBody struct {
	On bool `json:"on"`
}

// ReportBody is the body of a problem record. The record's Member reported the problem.
type ReportBody struct {
	What  Problem `json:"what"`
	Note  string  `json:"note,omitempty"`  // text of at most 500 bytes
	Photo string  `json:"photo,omitempty"` // photo of the problem, as in InterventionBody
	Tag   string  `json:"tag,omitempty"`   // id of the tag added because of the problem
	// Claimed is the member who had tapped when the form was opened, if the form was sent from a phone and nobody
	// confirmed it at the machine. The record's Member is then empty, because nobody authenticated, and no tag was added.
	Claimed policy.MemberID `json:"claimed,omitempty"`
	Ran
}

// Problem is a problem that a member may report. The list of problems is closed.
type Problem string

const (
	Noise     Problem = "noise"       // the machine sounds unusual
	Poor      Problem = "poor-result" // the machine works badly
	Broken    Problem = "broken"      // the machine does not work
	Dangerous Problem = "dangerous"   // the machine is tagged out
)

// Problems returns all problems, the least severe first.
func Problems() []Problem { return []Problem{Noise, Poor, Broken, Dangerous} }

// VouchBody is the body of a vouched record. The record's Member is the learner.
type VouchBody struct {
	Mentor policy.MemberID `json:"mentor"`
	Skills []string        `json:"skills"` // slugs of the policy's vouch list
}

// TagBody is the body of tagged and untagged records.
type TagBody struct {
	Tag    string `json:"tag"` // the tag's id
	Reason string `json:"reason,omitempty"`
	Now    bool   `json:"now,omitempty"`  // end a running session at once, not at idle
	Role   string `json:"role,omitempty"` // role of the person who added the tag; empty: unknown
}

// FaultBody is the body of fault, fault-cleared, reader-lost and reader-back records.
type FaultBody struct {
	What string `json:"what"` // name of the fault: "guard-lost", "e-stop", "journal", "reader", …
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
	Why string `json:"why,omitempty"` // reason of a refusal; empty: executed
}
