package directory

import (
	"time"

	"portillon/policy"
)

// Member is a member of the site, as the API and the pages show and change it.
type Member struct {
	ID        policy.MemberID `json:"id"`      // a pseudonym; the hub chooses ids of "m-" and 8 characters
	Version   int64           `json:"version"` // increases with each change; each request for a change must contain it
	Name      string          `json:"name"`
	Language  string          `json:"language,omitempty"` // fr or en; empty: the site's language
	Emails    []string        `json:"emails,omitempty"`
	Subjects  []string        `json:"subjects,omitempty"`  // DIDs and URLs to which badges are issued
	Guardians []string        `json:"guardians,omitempty"` // addresses of the guardians of a minor
	Until     policy.Date     `json:"until,omitzero"`      // last day of the membership; zero: no end
	Blocked   bool            `json:"blocked,omitempty"`
	Note      string          `json:"note,omitempty"` // visible only with actor.ReadNotes
	External  string          `json:"external_id,omitempty"`
	Source    string          `json:"source,omitempty"` // source of the import that added the member; empty: none
	Gone      bool            `json:"gone,omitempty"`   // suspended: the last list of Source did not contain the member
	Cards     []Card          `json:"cards,omitempty"`
	Badges    []Badge         `json:"badges,omitempty"`
	Changed   time.Time       `json:"changed"`
}

// CardState is the state of a card. Machines accept only active cards.
type CardState string

// These are the states of a card. Machines refuse a card whose state is empty.
const (
	Active   CardState = "active"
	Lost     CardState = "lost"
	Blocked  CardState = "blocked"
	Replaced CardState = "replaced"
)

// Card is a member's card. Number has the form that rfid.ParseCard returns, or is "hmac:" followed by 64 digits. An
// actor without actor.WriteCards sees only Last, the last four digits.
type Card struct {
	ID     string    `json:"id"`
	Number string    `json:"number,omitempty"`
	Part   bool      `json:"part,omitempty"` // true: Number is only the printed part of the card's number
	Last   string    `json:"last"`
	State  CardState `json:"state"`
	Since  time.Time `json:"since"`
	Note   string    `json:"note,omitempty"`
}

// Badge is a credential of a member, with the hub's verdict.
type Badge struct {
	ID       string         `json:"id"`              // SHA-256 of the badge's bytes, in hexadecimal
	Name     string         `json:"name"`            // name that the issuer gave the badge
	Local    policy.BadgeID `json:"badge,omitempty"` // badge of the policy that this badge satisfies; empty: none
	Issuer   string         `json:"issuer"`
	Verdict  string         `json:"verdict"` // valid, invalid or indeterminate
	Checks   []Check        `json:"checks"`  // all checks of the verification
	Issued   time.Time      `json:"issued,omitzero"`
	Expires  time.Time      `json:"expires,omitzero"`
	From     string         `json:"from"` // name of the file, or URL
	Verified time.Time      `json:"verified"`

	Member policy.MemberID `json:"member,omitempty"` // member who received the badge; empty: the badge was not stored
	File   string          `json:"file,omitempty"`   // file name in an export, such as badges/lea-laser.json
	// Refused is the reason why a file of a ZIP was not stored. If Refused is set, the Badge contains only From and
	// the fields that could be read.
	Refused string `json:"refused,omitempty"`
}

// Check is one check of a badge by the hub.
type Check struct {
	Code    string `json:"code"` // subject of the check: form, proof, dates, status, recipient, …
	OK      bool   `json:"ok"`
	Outcome string `json:"outcome,omitempty"` // ok, none, not judged, or one of openbadge.Codes
	Detail  string `json:"detail,omitempty"`
}

// Tap is the tap of a card that no member has.
type Tap struct {
	ID      string           `json:"id"`
	Machine policy.MachineID `json:"machine"`
	At      time.Time        `json:"at"`
	Code    string           `json:"code"` // the six characters that the machine's panel showed
	Format  string           `json:"format,omitempty"`
	Times   int              `json:"times"`
	// Assignable is true if the card's HMAC is known, so that the card can be assigned.
	Assignable bool `json:"assignable"`
}

// Ending is a membership or a badge that ends soon or has ended.
type Ending struct {
	Member policy.MemberID `json:"member"`
	Name   string          `json:"name"`
	What   string          `json:"what"`            // "membership", or the name of the badge
	Badge  policy.BadgeID  `json:"badge,omitempty"` // badge that ends; empty: the membership ends
	At     time.Time       `json:"at"`
}
