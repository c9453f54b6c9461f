package directory

import (
	"time"

	"portillon/policy"
)

// Member is a person of the site, as the API and the pages show them and as they change them.
type Member struct {
	ID        policy.MemberID `json:"id"`      // a pseudonym: m- and 8 characters where the hub chooses it
	Version   int64           `json:"version"` // grows with each change; a change names the one it is of
	Name      string          `json:"name"`
	Language  string          `json:"language,omitempty"` // fr, en, or empty: the site's
	Emails    []string        `json:"emails,omitempty"`
	Subjects  []string        `json:"subjects,omitempty"`  // DIDs and URLs that badges are issued to
	Guardians []string        `json:"guardians,omitempty"` // addresses of those who answer for a minor
	Until     policy.Date     `json:"until,omitzero"`      // the last day of the membership; zero: no end
	Blocked   bool            `json:"blocked,omitempty"`
	Note      string          `json:"note,omitempty"` // seen with actor.ReadNotes only
	External  string          `json:"external_id,omitempty"`
	Source    string          `json:"source,omitempty"` // of the import that made it; empty: made by hand
	Gone      bool            `json:"gone,omitempty"`   // suspended: Source's last list has not the member
	Cards     []Card          `json:"cards,omitempty"`
	Badges    []Badge         `json:"badges,omitempty"`
	Changed   time.Time       `json:"changed"`
}

// CardState is what a card opens: an active one what its member may, every other nothing.
type CardState string

// The states of a card. The zero state opens nothing.
const (
	Active   CardState = "active"
	Lost     CardState = "lost"
	Blocked  CardState = "blocked"
	Replaced CardState = "replaced"
)

// Card is a member's card. Number is as rfid.ParseCard writes it, or "hmac:" and 64 digits. An actor without
// actor.WriteCards sees Last only, the last four digits.
type Card struct {
	ID     string    `json:"id"`
	Number string    `json:"number,omitempty"`
	Part   bool      `json:"part,omitempty"` // Number is a printed part of the card's number, as wiegand26:
	Last   string    `json:"last"`
	State  CardState `json:"state"`
	Since  time.Time `json:"since"`
	Note   string    `json:"note,omitempty"`
}

// Badge is a credential of a member, as the hub verified it.
type Badge struct {
	ID       string         `json:"id"`              // SHA-256 of its bytes, in hexadecimal
	Name     string         `json:"name"`            // as issued
	Local    policy.BadgeID `json:"badge,omitempty"` // the policy's badge that it counts as; empty: none
	Issuer   string         `json:"issuer"`
	Verdict  string         `json:"verdict"` // valid, invalid, indeterminate
	Checks   []Check        `json:"checks"`  // every one that was made
	Issued   time.Time      `json:"issued,omitzero"`
	Expires  time.Time      `json:"expires,omitzero"`
	From     string         `json:"from"` // the file's name, or the URL
	Verified time.Time      `json:"verified"`

	Member policy.MemberID `json:"member,omitempty"` // whose it is; empty: it was not kept
	File   string          `json:"file,omitempty"`   // badges/lea-laser.json in an export
	// Refused says why a file of a ZIP was not kept; nothing but From is set then, and what could be read.
	Refused string `json:"refused,omitempty"`
}

// Check is one check that the hub made of a badge.
type Check struct {
	Code    string `json:"code"` // what was looked at: form, proof, dates, status, recipient, …
	OK      bool   `json:"ok"`
	Outcome string `json:"outcome,omitempty"` // ok, none, not judged, or one of openbadge.Codes
	Detail  string `json:"detail,omitempty"`
}

// Tap is a card that nobody has, tapped at a machine.
type Tap struct {
	ID      string           `json:"id"`
	Machine policy.MachineID `json:"machine"`
	At      time.Time        `json:"at"`
	Code    string           `json:"code"` // the six characters that the panel showed
	Format  string           `json:"format,omitempty"`
	Times   int              `json:"times"`
	// Assignable says that the card's HMAC is held, so that one click can assign it.
	Assignable bool `json:"assignable"`
}

// Ending is a membership or a badge that ends soon or has ended.
type Ending struct {
	Member policy.MemberID `json:"member"`
	Name   string          `json:"name"`
	What   string          `json:"what"`            // membership, or the name of the badge
	Badge  policy.BadgeID  `json:"badge,omitempty"` // empty: it is the membership
	At     time.Time       `json:"at"`
}
