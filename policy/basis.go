package policy

import (
	"encoding/json"
	"fmt"
	"time"
)

// Basis contains all facts on which a decision depended, in a form for records: a Question without its machine, and the
// answer. Basis.Question is the inverse of BasisOf: the same policy gives the restored question the same answer. A
// basis identifies people by pseudonyms only and contains no card number.
type Basis struct {
	At         time.Time    `json:"at"`
	Trusted    bool         `json:"trusted,omitempty"` // says whether the machine's clock was trusted
	Member     *BasisMember `json:"member,omitempty"`
	Supervisor *BasisMember `json:"supervisor,omitempty"`
	As         Role         `json:"as,omitempty"`
	// what the card proved; absent if the card proved only its number
	Card string `json:"card,omitempty"`
	// the state of the card at the site; absent for an active card
	CardState   string    `json:"card_state,omitempty"`
	Answering   int       `json:"answering,omitempty"`
	Issued      time.Time `json:"issued,omitzero"`
	Tagged      bool      `json:"tagged,omitempty"`
	LastTrusted time.Time `json:"last_trusted,omitzero"`
	Fault       bool      `json:"fault,omitempty"`

	Verdict Verdict `json:"verdict"`          // the answer
	Policy  string  `json:"policy,omitempty"` // the number of the policy that made the decision
	Bundle  uint64  `json:"bundle,omitempty"` // the version of the bundle with that policy
	// Truncated reports that the badges did not fit into the record. Question then returns an error.
	Truncated bool `json:"truncated,omitempty"`
}

// BasisMember is the form of a Member in a Basis. It contains the member's practice at the machine of the decision, and
// not at other machines.
type BasisMember struct {
	ID       MemberID       `json:"id"`
	Blocked  bool           `json:"blocked,omitempty"`
	Until    string         `json:"until,omitempty"` // the last day of the membership, such as 2026-12-31
	Holdings []BasisHolding `json:"badges,omitempty"`
	Practice *BasisPractice `json:"practice,omitempty"`
}

// BasisHolding is the form of a Holding in a Basis.
type BasisHolding struct {
	Badge     BadgeID   `json:"badge"`
	Standing  string    `json:"standing,omitempty"`  // the verdict on the badge; absent for a verified badge
	Assurance Assurance `json:"assurance,omitempty"` // how the badge was verified; absent for a signed badge
	// Issuer and Achievement name the accepted badge that is held instead of Badge.
	Issuer      IssuerID  `json:"issuer,omitempty"`
	Achievement string    `json:"achievement,omitempty"`
	From        time.Time `json:"from,omitzero"`
	Until       time.Time `json:"until,omitzero"`
	Checked     time.Time `json:"checked,omitzero"`
}

// BasisPractice is the form of a Practice in a Basis. Durations are written as Go writes them ("2h30m0s"): canonical
// JSON (RFC 8785) has no whole numbers above 2^53, and 2^53 nanoseconds are 104 days.
type BasisPractice struct {
	Last   time.Time `json:"last,omitzero"`
	Logged string    `json:"logged,omitempty"`
	Day    string    `json:"day,omitempty"`
	Week   string    `json:"week,omitempty"`

	Sessions int `json:"sessions,omitempty"`
}

var standingWords = [...]string{"unverified", "verified", "revoked"}

// BasisOf returns the facts on which d, the decision on q, depended.
func BasisOf(q Question, d Decision) Basis {
	b := Basis{At: keptTime(q.At), Trusted: q.Clock == Trusted, Member: basisMember(q.Member, q.Machine),
		Supervisor: basisMember(q.Supervisor, q.Machine), As: q.As, Answering: q.Answering, Issued: keptTime(q.Issued),
		Tagged: q.Tagged, LastTrusted: keptTime(q.LastTrusted), Fault: q.Fault, Verdict: d.Verdict}
	if q.Card != NumberOnly {
		b.Card = q.Card.String()
	}
	switch {
	case q.CardState > ReplacedCard: // an unknown state is refused like a blocked card
		b.CardState = BlockedCard.String()
	case q.CardState != ActiveCard:
		b.CardState = q.CardState.String()
	}
	return b
}

func basisMember(m *Member, at MachineID) *BasisMember {
	if m == nil {
		return nil
	}
	out := &BasisMember{ID: m.ID, Blocked: m.Blocked}
	if m.Until != (Date{}) {
		out.Until = m.Until.String()
	}
	for _, h := range m.Holdings {
		x := BasisHolding{Badge: h.Badge, Assurance: h.Assurance, From: keptTime(h.From), Until: keptTime(h.Until),
			Checked: keptTime(h.Checked)}
		if h.Standing != Verified {
			x.Standing = word(standingWords[:], int(h.Standing))
		}
		if h.Other != nil {
			x.Issuer, x.Achievement = h.Other.Issuer, h.Other.Achievement
		}
		out.Holdings = append(out.Holdings, x)
	}
	if u := m.used(at); u != (Practice{}) {
		out.Practice = &BasisPractice{keptTime(u.Last), keptDuration(u.Logged), keptDuration(u.Day), keptDuration(u.Week),
			u.Sessions}
	}
	return out
}

// keptTime converts a time to the form for records: in UTC, without a monotonic clock reading, and within the years 1
// to 9999 of RFC 3339. For example, 9999-12-31T23:59:59-05:00 is in the year 10000 of UTC.
func keptTime(t time.Time) time.Time {
	first, last := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
	switch t = t.UTC().Round(0); {
	case t.Before(first):
		return first
	case t.After(last):
		return last
	}
	return t
}

func keptDuration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// Fit returns the basis unchanged if its JSON has at most the given number of bytes. Otherwise Fit returns a truncated
// basis without the badges or, if that is still too long, without the people.
func (b Basis) Fit(bytes int) Basis {
	fits := func() bool {
		text, err := json.Marshal(b)
		return err == nil && len(text) <= bytes
	}
	if fits() {
		return b
	}
	b.Truncated = true
	b.Member, b.Supervisor = b.Member.withoutBadges(), b.Supervisor.withoutBadges()
	if !fits() {
		b.Member, b.Supervisor = nil, nil
	}
	return b
}

func (m *BasisMember) withoutBadges() *BasisMember {
	if m == nil {
		return nil
	}
	out := *m
	out.Holdings = nil
	return &out
}

// Question returns the question that the decision answered. Question returns an error if the basis is truncated or has
// a value that is unknown to this version.
func (b Basis) Question(machine MachineID) (q Question, err error) {
	if b.Truncated {
		return Question{}, fmt.Errorf("record is truncated: it does not contain all badges of the decision")
	}
	q = Question{At: b.At, Machine: machine, As: b.As, Answering: b.Answering, Issued: b.Issued, Tagged: b.Tagged,
		LastTrusted: b.LastTrusted, Fault: b.Fault}
	if b.Trusted {
		q.Clock = Trusted
	}
	if q.Card, err = ParseCardStrength(b.Card); err != nil {
		return Question{}, err
	}
	if b.CardState != "" {
		if q.CardState, err = ParseCardState(b.CardState); err != nil {
			return Question{}, err
		}
	}
	if q.Member, err = b.Member.member(machine); err != nil {
		return Question{}, fmt.Errorf("basis of the member: %w", err)
	}
	if q.Supervisor, err = b.Supervisor.member(machine); err != nil {
		return Question{}, fmt.Errorf("basis of the supervisor: %w", err)
	}
	return q, nil
}

func (m *BasisMember) member(machine MachineID) (out *Member, err error) {
	if m == nil {
		return nil, nil
	}
	out = &Member{ID: m.ID, Blocked: m.Blocked}
	if m.Until != "" {
		if out.Until, err = ParseDate(m.Until); err != nil {
			return nil, err
		}
	}
	if len(m.Holdings) > 0 { // nil stays nil
		out.Holdings = make([]Holding, 0, len(m.Holdings))
	}
	for _, h := range m.Holdings {
		x := Holding{
			Badge:     h.Badge,
			Standing:  Verified,
			Assurance: h.Assurance,
			From:      h.From,
			Until:     h.Until,
			Checked:   h.Checked,
		}
		if h.Standing != "" {
			n, err := number("standing", standingWords[:], h.Standing)
			if err != nil {
				return nil, err
			}
			x.Standing = Standing(n)
		}
		if h.Issuer != "" || h.Achievement != "" {
			x.Other = &OtherBadge{h.Issuer, h.Achievement}
		}
		out.Holdings = append(out.Holdings, x)
	}
	if m.Practice != nil {
		p, err := m.Practice.practice(machine)
		if err != nil {
			return nil, err
		}
		out.Practice = []Practice{p}
	}
	return out, nil
}

func (p BasisPractice) practice(machine MachineID) (Practice, error) {
	out := Practice{Machine: machine, Last: p.Last, Sessions: p.Sessions}
	for _, x := range []struct {
		text string
		to   *time.Duration
	}{{p.Logged, &out.Logged}, {p.Day, &out.Day}, {p.Week, &out.Week}} {
		if x.text == "" {
			continue
		}
		d, err := time.ParseDuration(x.text)
		if err != nil {
			return Practice{}, fmt.Errorf("practice: %w", err)
		}
		*x.to = d
	}
	return out, nil
}
