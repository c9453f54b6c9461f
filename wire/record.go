package wire

import (
	"encoding/json"
	"time"

	"portillon/policy"
)

// Record is one entry of a machine's journal. The journal stores the record as canonical JSON (RFC 8785), and these
// bytes are hashed and sent.
type Record struct {
	Site    policy.SiteID    `json:"site"`
	Machine policy.MachineID `json:"machine"`
	Seq     uint64           `json:"seq"`  // sequence number in the journal: 1, 2, 3 … without gaps
	Boot    string           `json:"boot"` // the kernel's id of the boot in which the record was written
	Mono    int64            `json:"mono"` // milliseconds since boot
	// Wall is the wall time in UTC, with milliseconds. Wall can be earlier than the trusted time of an earlier record only
	// if Clock is corrected or untrusted.
	Wall    time.Time       `json:"wall"`
	Clock   Clock           `json:"clock"`
	Kind    Kind            `json:"kind"`
	Session string          `json:"session,omitempty"`
	Member  policy.MemberID `json:"member,omitempty"` // pseudonym of the member
	Body    json.RawMessage `json:"body,omitempty"`   // one of the Body types, depending on Kind

	// Generation is the generation of the journal that contains the record, if the reader of the record knows it. The
	// record itself does not contain the generation, but checkpoints and batches do.
	Generation Generation `json:"-"`
	// Epoch is the position of the generation among those of the machine, counted from 0 in the order in which the hub
	// accepted them.
	Epoch int `json:"-"`
}

// Clock says whether a record's wall time can be trusted.
type Clock string

const (
	ClockUntrusted Clock = "untrusted" // the time was not confirmed, so it may be wrong
	ClockTrusted   Clock = "trusted"   // the time was confirmed
	// ClockCorrected is a trusted clock that was set back since the last record with a trusted time. The time in that
	// earlier record was wrong.
	ClockCorrected Clock = "corrected"
)

// Believed reports whether the wall time can be trusted.
func (c Clock) Believed() bool { return c == ClockTrusted || c == ClockCorrected }

// Kind is the kind of a record. Newer machines may write kinds that are not in this list, and readers must store those
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
	BundleTaken  Kind = "bundle"         // BundleBody: the machine now uses this bundle
	BundleKept   Kind = "bundle-refused" // BundleBody with Why: the machine refused the bundle that it was offered
	ReaderLost   Kind = "reader-lost"    // FaultBody: the reader stopped answering
	ReaderBack   Kind = "reader-back"    // FaultBody: the reader answers again
	Commanded    Kind = "command"        // CommandBody: a command was executed or refused
	Extended     Kind = "extended"       // ExtendBody: the session was extended
	HandedOver   Kind = "handed-over"    // HandOverBody: another mentor now supervises the session
	Powered      Kind = "power"          // PowerBody: a maintainer switched the relay
	Reported     Kind = "problem"        // ReportBody: a member reported a problem
	Vouched      Kind = "vouched"        // VouchBody: a mentor confirmed skills of the member
	// Attested means that an endorser confirmed an intervention that was logged in their session. The body is AttestBody.
	Attested Kind = "attested"
	// Restored means that the hub's data about earlier journals were added to a new journal. The body is RestoredBody.
	Restored Kind = "restored"
)

// StartBody is the body of a session-start record.
type StartBody struct {
	Role   policy.Role      `json:"role"`
	Grant  int              `json:"grant"`  // index in the policy of the grant that was applied, counted from 0
	Badges []policy.BadgeID `json:"badges"` // badges on which the decision was based
	// Accepted lists those badges of other issuers that the policy accepted in place of a badge in Badges.
	Accepted   []policy.Accepted `json:"accepted,omitempty"`
	Supervisor policy.MemberID   `json:"supervisor,omitempty"`
	MaxSeconds int64             `json:"max_s,omitempty"` // limit of the session in seconds; absent: no limit
	Bundle     uint64            `json:"bundle"`          // version of the bundle in use
	// In the mode warn: the result that the decision would have had in the mode enforce.
	Would string `json:"would,omitempty"`
	Card  string `json:"card"` // what the card has proved: "uid" for its number only, or "aes"
	// Basis is the input of the decision; absent in records that older programs wrote.
	Basis *policy.Basis `json:"basis,omitempty"`
}

// EndBody is the body of a session-end record.
type EndBody struct {
	Cause Cause `json:"cause"`
	// Seconds is the duration of the session, including a maintenance with the relay open; 0: unknown.
	Seconds int64 `json:"seconds"`
}

// Cause is the reason why a session ended. No causes other than these exist.
type Cause string

const (
	CauseTap        Cause = "tap"        // the member tapped out
	CauseSupervisor Cause = "supervisor" // the supervisor ended the session
	CauseLimit      Cause = "limit"      // the session's limit was reached
	CauseIdle       Cause = "idle"       // the machine stood idle too long
	// CauseStop means one of the following three things. An operator or a command stopped the session; or the start
	// failed, because its record was written too late or the contactor was still closed; or a new bundle removed or
	// blocked a member of the session.
	CauseStop       Cause = "stop"
	CauseTag        Cause = "tag"         // a tag ended the session
	CauseFault      Cause = "fault"       // a fault of the relay or its guard, or the e-stop, ended the session
	CauseShutdown   Cause = "shutdown"    // the daemon was told to end
	CauseDaemonLost Cause = "daemon-lost" // the daemon crashed, and recorded this at its next start in the same boot
	// The machine's computer restarted, and the daemon recorded this at its next start.
	CausePowerLost Cause = "power-lost"
)

// RoleBody is the body of a role-changed record.
type RoleBody struct {
	Role     policy.Role       `json:"role"`
	Badges   []policy.BadgeID  `json:"badges"`
	Accepted []policy.Accepted `json:"accepted,omitempty"` // badges of other issuers that were accepted, as in StartBody
	Basis    *policy.Basis     `json:"basis,omitempty"`    // input of the decision, as in StartBody
}

// RefusedBody is the body of a refused record. The body contains no card number.
type RefusedBody struct {
	Reasons []policy.Code `json:"reasons"`
	Role    policy.Role   `json:"role,omitempty"`  // role for which the fewest requirements were missing
	Basis   *policy.Basis `json:"basis,omitempty"` // input of the decision, as in StartBody
	// Sealed is the code and the HMAC of an unknown card, encrypted for the hub (SealCard); empty: the card is known, or
	// the machine has no key of the hub.
	Sealed string `json:"sealed,omitempty"`
}

// AssistBody is the body of an assisted record. The record's Member is the member who joined.
type AssistBody struct {
	With policy.MemberID `json:"with"` // the maintainer whose session it is
}

// InterventionBody is the body of an intervention record. The record's Member is the person who did the work.
type InterventionBody struct {
	// Kind of the intervention, from the policy, such as "lens-cleaning".
	What     string          `json:"what"`
	Endorser policy.MemberID `json:"endorser,omitempty"` // the maintainer in whose session the intervention was logged
	Minutes  int             `json:"minutes,omitempty"`
	Note     string          `json:"note,omitempty"`  // text that the member wrote, at most 500 bytes
	Parts    string          `json:"parts,omitempty"` // the parts that were replaced, at most 200 bytes
	// SHA-256, in hexadecimal, of a picture that is stored on the machine.
	Photo string `json:"photo,omitempty"`
	Ran          // running time of the machine at the time of the intervention

	// These fields are used if the policy requires that evidence is endorsed at-the-time. Attested means that the endorser
	// filled in the form themself, after their own tap. If Attested is false, ID is the id by which a later attested
	// record refers to this record.
	Attested bool   `json:"attested,omitempty"`
	ID       string `json:"id,omitempty"`
}

// AttestBody is the body of an attested record. The record's Member is the endorser, who touched "endorse" at the
// machine.
type AttestBody struct {
	Intervention string `json:"intervention"` // id of the intervention, from InterventionBody.ID
}

// Ran is the total running time of a machine, with the signal from which it is counted.
type Ran struct {
	RanSeconds int64 `json:"ran_s,omitempty"`
	RanBy      RanBy `json:"ran_by,omitempty"`
}

// RanBy is the signal from which running hours are counted.
type RanBy string

const (
	RanByBusy  RanBy = "busy"  // the busy input, which is active while the machine works
	RanByRelay RanBy = "relay" // the closed relay
)

// ExtendBody is the body of an extended record, which states that a session was extended.
type ExtendBody struct {
	Seconds int64 `json:"seconds"` // remaining time of the session in seconds
}

// HandOverBody is the body of a handed-over record.
type HandOverBody struct {
	From     policy.MemberID   `json:"from"`
	To       policy.MemberID   `json:"to"`
	Badges   []policy.BadgeID  `json:"badges"`             // badges on which the new decision was based
	Accepted []policy.Accepted `json:"accepted,omitempty"` // badges of other issuers that were accepted, as in StartBody
	Basis    *policy.Basis     `json:"basis,omitempty"`    // input of the new decision, as in StartBody
}

// PowerBody is the body of a power record.
type PowerBody struct {
	On bool `json:"on"`
}

// ReportBody is the body of a problem record. The record's Member is the person who reported the problem.
type ReportBody struct {
	What  Problem `json:"what"`
	Note  string  `json:"note,omitempty"`  // text that the member wrote, at most 500 bytes
	Photo string  `json:"photo,omitempty"` // photo of the problem: the SHA-256 of a stored picture, as in InterventionBody
	Tag   string  `json:"tag,omitempty"`   // id of the tag that was added because of the problem
	// Claimed is set if the form was sent from a phone and nobody confirmed it at the machine. It is the member who had
	// tapped when the form was opened. In that case the record's Member is empty, because nobody was authenticated, and no
	// tag was added.
	Claimed policy.MemberID `json:"claimed,omitempty"`
	Ran
}

// Problem is a problem that a member may report. No problems other than these exist.
type Problem string

const (
	Noise     Problem = "noise"       // the machine sounds unusual
	Poor      Problem = "poor-result" // the machine works badly
	Broken    Problem = "broken"      // the machine does not work
	Dangerous Problem = "dangerous"   // the machine is dangerous, and is tagged out
)

// Problems returns all problems, the least severe first.
func Problems() []Problem { return []Problem{Noise, Poor, Broken, Dangerous} }

// VouchBody is the body of a vouched record. The record's Member is the learner.
type VouchBody struct {
	Mentor policy.MemberID `json:"mentor"`
	Skills []string        `json:"skills"` // the skills, by their slugs in the policy's vouch list
}

// TagBody is the body of tagged and untagged records.
type TagBody struct {
	Tag    string `json:"tag"` // the tag's id
	Reason string `json:"reason,omitempty"`
	// True if the tag ends a running session at once, and does not wait until the machine is idle.
	Now  bool   `json:"now,omitempty"`
	Role string `json:"role,omitempty"` // role of the person who added the tag; empty: unknown
}

// FaultBody is the body of fault, fault-cleared, reader-lost and reader-back records.
type FaultBody struct {
	What string `json:"what"` // name of the fault, such as "guard-lost", "e-stop", "journal" or "reader"
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
	Why string `json:"why,omitempty"` // reason why the command was refused; empty: the command was executed
}
