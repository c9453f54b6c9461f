package visitor

import (
	"slices"
	"time"

	"portillon/hub/fault"
	"portillon/policy"
)

// Reason is a reason for which a badge lets nobody in.
type Reason string

// The reasons. The pages have a sentence for each.
const (
	Unreadable    Reason = "unreadable"    // the file is not a badge
	NotValid      Reason = "not-valid"     // forged, expired, revoked, or of an issuer that the policy does not name
	Undetermined  Reason = "undetermined"  // the issuer's status list or keys are out of reach
	NotAccepted   Reason = "not-accepted"  // the policy accepts no such badge
	OwnBadge      Reason = "own-badge"     // the site itself issues the badge, so the person is a member
	BadgeTaken    Reason = "badge-taken"   // a member has this badge
	OtherPerson   Reason = "other-person"  // the badge was issued to another address
	NoAddress     Reason = "no-address"    // the badge names its recipient by a hash, so the person must state the address
	NoRecipient   Reason = "no-recipient"  // the badge names no recipient
	noReason      Reason = ""              // the badge lets its recipient in
	indeterminate        = "indeterminate" // verdict of package openbadge
	valid                = "valid"         // verdict of package openbadge
)

// Reasons returns all reasons.
func Reasons() []Reason {
	return []Reason{Unreadable, NotValid, Undetermined, NotAccepted, OwnBadge, BadgeTaken, OtherPerson, NoAddress,
		NoRecipient}
}

// Refuse returns why a badge does not let in the person who states an address, which may be empty. The result is
// empty only if the badge is valid, the policy accepts the badge as one of another lab, and the badge names a
// recipient whom the person may be.
func (r Report) Refuse(address string) Reason {
	switch {
	case !r.Recipient.Readable:
		return Unreadable
	case r.Verdict == indeterminate:
		return Undetermined
	case r.Verdict != valid:
		return NotValid
	case r.Own:
		return OwnBadge
	case r.Local == "":
		return NotAccepted
	case r.Holder != "":
		return BadgeTaken
	}
	return r.Recipient.refuse(address)
}

// refuse returns why the person who states an address cannot be the recipient.
func (r Recipient) refuse(address string) Reason {
	named := len(r.Addresses) > 0 || r.Subject != ""
	switch {
	case address != "" && !r.Matches && (r.Hashed || len(r.Addresses) > 0):
		return OtherPerson
	case address == "" && !named && r.Hashed:
		return NoAddress
	case !named && !r.Hashed:
		return NoRecipient
	}
	return noReason
}

// address returns the recipient's e-mail address: the stated address if it is the recipient's, or else the first
// address in the badge. The result is empty if the badge names its recipient by a subject only.
func (r Recipient) address(stated string) string {
	if r.Matches {
		return stated
	}
	if len(r.Addresses) > 0 {
		return r.Addresses[0]
	}
	return ""
}

// Entry is what an administrator enters to let a person in.
type Entry struct {
	Name     string
	Code     string // code that was mailed to the person; empty: none
	Identity bool   // the administrator has seen the person's identity
	Consent  bool   // the person consents to the text of Consent
	Tap      string // tap of the card
	Number   string // number of the card, if it was not tapped
	Until    policy.Date
}

// Missing returns the faults of an entry: everything that is missing before the person can be let in. A code counts
// as a proof here; the caller checks the code.
func Missing(v Visit, e Entry, today policy.Date, days int) (faults []fault.Field) {
	bad := func(field, wrong, right string) {
		faults = append(faults, fault.Field{Field: field, Wrong: wrong, Right: right})
	}
	if e.Name == "" {
		bad("name", "the name is missing", "the visitor's name")
	}
	if v.Proof.Kind == "" && e.Code == "" && !e.Identity {
		bad("proof", "nothing proves yet that the badge is this person's", "the mailed code, or an identity that you saw")
	}
	if v.Consent.At.IsZero() && !e.Consent {
		bad("consent", "the visitor has not consented", "a consent to the text on this page")
	}
	if (e.Tap == "") == (e.Number == "") {
		bad("card", "no card, or two cards", "one card: tap it at a machine, or type its number")
	}
	if e.Until.Before(today) || e.Until.Number() >= today.Number()+days {
		bad("until", "the day has passed, or is after the longest visit", "a day from today, within the longest visit")
	}
	return faults
}

// Step is what the hub does with a visit by itself.
type Step string

// The steps.
const (
	Nothing Step = ""
	Drop    Step = "drop"  // forget a visit of which nobody was let in
	End     Step = "end"   // block the member and remove the card
	Erase   Step = "erase" // erase the member
)

// waiting is the time after which the hub forgets a person whom nobody has let in.
const waiting = 24 * time.Hour

// Due returns the next step of a visit.
func Due(v Visit, now time.Time, today policy.Date) Step {
	switch {
	case v.Stay.Member == "" && now.Sub(v.Made) >= waiting:
		return Drop
	case v.Stay.Member == "":
		return Nothing
	case v.Stay.Ended.IsZero() && v.Stay.Until.Before(today):
		return End
	case !v.Stay.Ended.IsZero() && !today.Before(v.Stay.Erase):
		return Erase
	}
	return Nothing
}

// Refused is the error for a badge that lets nobody in. Refused unwraps to a *fault.Invalid.
type Refused struct {
	Report Report
	Reason Reason
}

// Error implements error.
func (r *Refused) Error() string { return "badge lets nobody in: " + string(r.Reason) }

// Unwrap returns the fault for clients that show faults of fields.
func (r *Refused) Unwrap() error {
	field := "badge"
	if slices.Contains([]Reason{OtherPerson, NoAddress}, r.Reason) {
		field = "address"
	}
	return &fault.Invalid{Faults: []fault.Field{{Field: field, Given: clip(r.Report.Badge), Wrong: r.wrong(),
		Right: "a valid badge of another lab that the policy accepts, issued to this person"}}}
}

// wrong returns the sentence of a reason.
func (r *Refused) wrong() string {
	switch r.Reason {
	case Unreadable:
		return "the file is not a badge"
	case Undetermined:
		return "the issuer is out of reach, so nobody can say whether the badge is still valid"
	case NotAccepted:
		return "the policy accepts no such badge"
	case OwnBadge:
		return "the site issues this badge itself: add the person as a member"
	case BadgeTaken:
		return "a member has this badge already"
	case OtherPerson:
		return "the badge was issued to another address"
	case NoAddress:
		return "the badge names its recipient by a secret form of the address: state the address"
	case NoRecipient:
		return "the badge names no recipient"
	}
	return "the badge is not valid"
}

// clip shortens a text that an error quotes.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
