// Package visitor lets in people with an Open Badge of another lab, for some days.
//
// A visit has these steps. The person brings a badge: a file, its text or its address. The hub verifies the badge,
// and says what the badge permits at each machine under the policy's accepts:. A badge that is not valid, whose
// status is unknown, or that the policy does not accept lets nobody in. Then something proves that the badge is
// this person's: a code mailed to the badge's address, or an administrator who has seen the identity. The person
// consents to the text of Consent. Then an administrator gives the person a card, and the person is a member until
// a day.
//
// A visitor never has a role at the hub. When the last day has passed, the hub blocks the member and removes the
// card. After some more days, the hub erases the member. Keeper does both.
//
// Decisions are pure functions (decide.go). The package reaches directory, accounts and mails only through functions
// that it is given (Options).
package visitor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/policy"
)

// Proof says how a person proved that a badge is theirs. The zero Proof proves nothing.
type Proof string

// The proofs.
const (
	ByMail   Proof = "mail"     // the person read a code that was mailed to the badge's address
	Identity Proof = "identity" // an administrator has seen the person's identity
)

// Brought is a badge that a person brings. Text is the https address of a badge, or the badge itself as JSON or JWT.
type Brought struct {
	File string // name of the file
	Data []byte // content of the file; empty: Text is used
	Text string
}

// Check is one check of a badge. Its values are those of the directory.
type Check struct {
	Code    string `json:"code"`
	OK      bool   `json:"ok"`
	Outcome string `json:"outcome,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// Machine says what a badge permits at a machine now.
type Machine struct {
	ID      policy.MachineID `json:"machine"`
	Verdict string           `json:"verdict"` // allow, await or deny
	Role    policy.Role      `json:"role,omitempty"`
	// Fact and Next are the sentences of the machine's panel: what is missing, and what to do next.
	Fact policy.Text `json:"fact,omitzero"`
	Next policy.Text `json:"next,omitzero"`
}

// Report is what the hub says about a badge.
type Report struct {
	Badge   string  `json:"badge"`   // name of the badge
	Issuer  string  `json:"issuer"`  // id of the issuer
	Verdict string  `json:"verdict"` // valid, invalid or indeterminate
	Checks  []Check `json:"checks"`
	Why     string  `json:"why,omitempty"` // why the badge is not valid
	// Local is the badge of the policy that this badge satisfies; empty: none. Own is true if the site issues the
	// badge.
	Local policy.BadgeID `json:"local,omitempty"`
	Own   bool           `json:"own,omitempty"`
	// Holder is the member who has this badge already.
	Holder    policy.MemberID `json:"holder,omitempty"`
	Recipient Recipient       `json:"recipient"`
	Machines  []Machine       `json:"machines"`
}

// Recipient says to whom a badge was issued.
type Recipient struct {
	Readable  bool     `json:"readable"`            // the badge could be read
	Addresses []string `json:"addresses,omitempty"` // plain e-mail addresses in the badge
	Hashed    bool     `json:"hashed,omitempty"`    // the badge has an e-mail address as a hash
	Subject   string   `json:"subject,omitempty"`   // DID or URL
	Matches   bool     `json:"matches,omitempty"`   // the stated address is the recipient's
}

// Visit is the visit of one person.
type Visit struct {
	ID       string
	Version  int64
	Made     time.Time
	Name     string
	Language string // fr, en, or empty
	Address  string // address to which the badge was issued; empty: the badge has a subject
	Report   Report
	Mailed   time.Time // when a code was mailed; zero: no code
	Proof    Proven
	Consent  Consented
	Stay     Stay
}

// Proven is the proof that a badge is this person's.
type Proven struct {
	Kind Proof
	At   time.Time
	By   string // account that saw the identity; empty: nobody
}

// Consented is a person's consent. The zero value means that the person did not consent.
type Consented struct {
	Version int64 // of the text (ConsentVersion)
	At      time.Time
}

// Stay is the stay of a person who was let in.
type Stay struct {
	Member policy.MemberID // empty: the person was not let in
	Until  policy.Date     // last day
	Erase  policy.Date     // day on which the hub erases the person's data
	Ended  time.Time       // zero: the stay has not ended
}

// Examined is the answer of Options.Examine: the report, and the badge as it was read or fetched.
type Examined struct {
	Report Report
	File   string
	Data   []byte
}

// Admission is a person who becomes a member, with a badge and a card.
type Admission struct {
	Name, Language string
	Email, Subject string // recipient of the badge; one of the two is set
	Until          policy.Date
	File, Origin   string
	Data           []byte
	Tap, Number    string // the card: its tap, or its number
	// Also runs in the transaction that adds the member.
	Also func(ctx context.Context, tx *store.Tx, id policy.MemberID) error
}

// Directory are the functions of the directory that the services call. The services have checked the actor's right
// to let visitors in; the directory also checks the actor's rights to its own data.
type Directory struct {
	Examine func(ctx context.Context, a actor.Actor, b Brought, address string) (Examined, error)
	Admit   func(ctx context.Context, a actor.Actor, x Admission) (policy.MemberID, error)
	// End blocks a member and removes the member's cards. Erase erases the member. Both return *fault.NotFound if
	// the member does not exist.
	End   func(ctx context.Context, a actor.Actor, id policy.MemberID) error
	Erase func(ctx context.Context, a actor.Actor, id policy.MemberID) error
}

// Codes mails codes, and checks codes. Package account has the only implementation that the hub uses.
type Codes interface {
	Sends() bool
	// Mail mails a code for a subject to an address. Prove returns nil if the code was mailed so. Both limit the
	// rate.
	Mail(ctx context.Context, subject, address, language string) error
	Prove(ctx context.Context, subject, address, code string) error
	// Count counts a request of somebody who is not signed in, and returns an error after too many requests.
	Count(ctx context.Context) error
}

// Options are the dependencies of New. Site, Audit, Codes and the functions of Directory are required.
type Options struct {
	Site  *store.Site
	Now   func() time.Time // nil: time.Now
	Log   *slog.Logger     // nil: no log
	Zone  func() *time.Location
	Audit func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error
	Codes Codes
	Directory
}

// Services contains the services of this package. The methods of the services may be called concurrently.
type Services struct {
	Settings *Settings // how the site lets visitors in
	Desk     *Desk     // visits, for administrators
	Arrivals *Arrivals // visits on the visitor's own phone
	Keeper   *Keeper   // ends visits and erases visitors
}

// New reads the settings and returns the services.
func New(ctx context.Context, o Options) (*Services, error) {
	if o.Site == nil || o.Audit == nil || o.Codes == nil || o.Examine == nil || o.Admit == nil || o.End == nil ||
		o.Erase == nil {
		return nil, errors.New("visitor: options are incomplete, want Site, Audit, Codes and Directory")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	settings := &Settings{site: o.Site, audit: o.Audit}
	if err := settings.read(ctx); err != nil {
		return nil, err
	}
	visits := &visits{o: o, settings: settings}
	return &Services{Settings: settings, Desk: &Desk{visits}, Arrivals: &Arrivals{visits}, Keeper: &Keeper{visits}}, nil
}

// today returns the current day at the site.
func (o *Options) today() policy.Date {
	zone := time.UTC
	if o.Zone != nil {
		if z := o.Zone(); z != nil {
			zone = z
		}
	}
	return policy.DateOf(o.Now(), zone)
}
