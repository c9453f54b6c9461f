package directory

import (
	"time"

	"portillon/policy"
)

// Member is a person of the site, in the form that the API and the pages show and change.
type Member struct {
	ID        policy.MemberID `json:"id"`      // a pseudonym: m- and 8 characters where the hub chooses it
	Version   int64           `json:"version"` // grows with each change; a request to change a member names it
	Name      string          `json:"name"`
	Language  string          `json:"language,omitempty"` // fr, en, or empty: the site's language
	Emails    []string        `json:"emails,omitempty"`
	Subjects  []string        `json:"subjects,omitempty"`  // DIDs and URLs that badges are issued to
	Guardians []string        `json:"guardians,omitempty"` // addresses of the guardians of a minor
	Until     policy.Date     `json:"until,omitzero"`      // the last day of the membership; zero: no end
	Blocked   bool            `json:"blocked,omitempty"`
	Note      string          `json:"note,omitempty"` // visible with actor.ReadNotes only
	External  string          `json:"external_id,omitempty"`
	Source    string          `json:"source,omitempty"` // of the import that added the member; empty: added by hand
	Gone      bool            `json:"gone,omitempty"`   // suspended: the last list of Source does not have the member
	Cards     []Card          `json:"cards,omitempty"`
	Badges    []Badge         `json:"badges,omitempty"`
	Changed   time.Time       `json:"changed"`
}

// CardState is the state of a card. Only an active card opens machines.
type CardState string

// The states of a card. The zero state opens nothing.
const (
	Active   CardState = "active"
	Lost     CardState = "lost"
	Blocked  CardState = "blocked"
	Replaced CardState = "replaced"
)

// Card is a member's card. Number has the form that rfid.ParseCard returns, or is "hmac:" and 64 digits. An actor
// without actor.WriteCards sees only Last, the last four digits.
type Card struct {
	ID     string    `json:"id"`
	Number string    `json:"number,omitempty"`
	Part   bool      `json:"part,omitempty"` // Number is the printed part of the card's number, as with wiegand26
	Last   string    `json:"last"`
	State  CardState `json:"state"`
	Since  time.Time `json:"since"`
	Note   string    `json:"note,omitempty"`
}

// Badge is a credential of a member, with the hub's verdict.
type Badge struct {
	ID       string         `json:"id"`              // SHA-256 of its bytes, in hexadecimal
	Name     string         `json:"name"`            // as the issuer wrote it
	Local    policy.BadgeID `json:"badge,omitempty"` // the policy's badge that it counts as; empty: none
	Issuer   string         `json:"issuer"`
	Verdict  string         `json:"verdict"` // valid, invalid, indeterminate
	Checks   []Check        `json:"checks"`  // all checks of the verification
	Issued   time.Time      `json:"issued,omitzero"`
	Expires  time.Time      `json:"expires,omitzero"`
	From     string         `json:"from"` // the file's name, or the URL
	Verified time.Time      `json:"verified"`

	Member policy.MemberID `json:"member,omitempty"` // the recipient; empty: the badge was not stored
	File   string          `json:"file,omitempty"`   // badges/lea-laser.json in an export
	// Refused is the reason why a file of a ZIP was not stored; then only From and the readable fields are set.
	Refused string `json:"refused,omitempty"`
}

// Check is one check of a badge by the hub.
type Check struct {
	Code    string `json:"code"` // what was checked: form, proof, dates, status, recipient, …
	OK      bool   `json:"ok"`
	Outcome string `json:"outcome,omitempty"` // ok, none, not judged, or one of openbadge.Codes
	Detail  string `json:"detail,omitempty"`
}

// Tap is the tap of a card that no member has.
type Tap struct {
	ID      string           `json:"id"`
	Machine policy.MachineID `json:"machine"`
	At      time.Time        `json:"at"`
	Code    string           `json:"code"` // the six characters that the panel showed
	Format  string           `json:"format,omitempty"`
	Times   int              `json:"times"`
	// Assignable reports that the card's HMAC is known, so that one click can assign the card.
	Assignable bool `json:"assignable"`
}

// Ending is a membership or a badge that ends soon or has ended.
type Ending struct {
	Member policy.MemberID `json:"member"`
	Name   string          `json:"name"`
	What   string          `json:"what"`            // membership, or the name of the badge
	Badge  policy.BadgeID  `json:"badge,omitempty"` // empty: the membership ends
	At     time.Time       `json:"at"`
}
