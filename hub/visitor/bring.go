package visitor

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
)

// Limits of what a person brings.
const (
	MaxBadge    = 2 << 20 // bytes of a file; a badge in a picture has a few hundred KB
	MaxText     = 48 << 10
	maxName     = 100 // characters
	maxWaiting  = 100 // persons whom nobody has let in yet
	examineTime = 20 * time.Second
)

// ErrCode is the error of Codes.Prove for a code that is wrong, used or expired.
var ErrCode = errors.New("code is wrong, was used before, or has expired")

// Person is what a person says about himself or herself.
type Person struct {
	Name     string // may be empty until the person is let in
	Language string // fr, en, or empty
	Address  string // e-mail address to which the badge was issued; empty: the badge tells it
}

// badge returns the badge that a person brings, with the address in Text if it is an address on the web.
func (b Brought) badge() (Brought, error) {
	bad := func(wrong string) (Brought, error) {
		return b, &fault.Invalid{Faults: []fault.Field{{Field: "badge", Wrong: wrong,
			Right: "a PNG, SVG, JSON or JWT file of at most 2 MB, the badge's text, or its address"}}}
	}
	b.Text = strings.TrimSpace(b.Text)
	switch {
	case len(b.Data) > MaxBadge || len(b.Text) > MaxText:
		return bad("the badge is too large")
	case len(b.Data) == 0 && b.Text == "":
		return bad("there is no badge")
	case len(b.Data) > 0:
		b.Text = ""
	case !b.isAddress():
		b.Data, b.File, b.Text = []byte(b.Text), "badge", ""
	}
	return b, nil
}

// isAddress reports whether the text is an address on the web. The directory refuses addresses that are not https.
func (b Brought) isAddress() bool {
	return strings.HasPrefix(b.Text, "https://") || strings.HasPrefix(b.Text, "http://")
}

// tidy normalises what a person says.
func (p Person) tidy() (Person, error) {
	p.Name, p.Address = strings.Join(strings.Fields(p.Name), " "), strings.TrimSpace(p.Address)
	if p.Language != "fr" && p.Language != "en" {
		p.Language = ""
	}
	if len([]rune(p.Name)) > maxName || !isPrintable(p.Name) {
		return p, &fault.Invalid{Faults: []fault.Field{{Field: "name", Given: clip(p.Name),
			Wrong: "too long, or with characters that are not printed", Right: "the visitor's name"}}}
	}
	if len(p.Address) > 254 || !isPrintable(p.Address) || p.Address != "" && !strings.Contains(p.Address, "@") {
		return p, &fault.Invalid{Faults: []fault.Field{{Field: "address", Given: clip(p.Address),
			Wrong: "not an e-mail address", Right: "lea@lab.example"}}}
	}
	return p, nil
}

// isPrintable returns false for a text with line feeds, control characters, or marks that change the writing
// direction.
func isPrintable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar })
}

// bring verifies a badge and stores the visit. If the badge names an address, bring mails a code to the address.
// With own, the visit has a page on the visitor's own phone, whose key is the second result. The error is *Refused
// for a badge that lets nobody in.
func (s *visits) bring(ctx context.Context, a actor.Actor, b Brought, p Person, own bool) (Visit, string, error) {
	b, err := b.badge()
	if err != nil {
		return Visit{}, "", err
	}
	if p, err = p.tidy(); err != nil {
		return Visit{}, "", err
	}
	limited, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	x, err := s.o.Examine(limited, a, b, p.Address)
	if err != nil {
		return Visit{}, "", err
	}
	if reason := x.Report.Refuse(p.Address); reason != noReason {
		return Visit{}, "", &Refused{Report: x.Report, Reason: reason}
	}
	v := &stored{Visit: Visit{ID: newID(), Version: 1, Made: s.o.Now().UTC().Truncate(time.Millisecond), Name: p.Name,
		Language: p.Language, Address: x.Report.Recipient.address(p.Address), Report: x.Report},
		file: x.File, origin: b.Text, data: x.Data}
	key := ""
	if own {
		key = rand.Text()
		v.hash = hashOf(key)
	}
	if err := s.add(ctx, a, v); err != nil {
		return Visit{}, "", err
	}
	// The visit goes on without a code: an administrator may have seen the identity, or mail the code again.
	if err := s.mail(ctx, v); err != nil {
		s.o.Log.Warn("code for a visitor was not mailed", "visit", v.ID, "err", err)
	}
	return v.Visit, key, nil
}

// add stores a new visit. The error is *fault.Invalid if too many people wait.
func (s *visits) add(ctx context.Context, a actor.Actor, v *stored) error {
	return s.o.Site.Write(ctx, func(tx *store.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM visitor WHERE site = $1 AND member = ''`).Scan(&n); err != nil {
			return err
		}
		if n >= maxWaiting {
			return &fault.Invalid{Faults: []fault.Field{{Field: "badge", Wrong: "too many visitors wait at the desk",
				Right: "a visit when fewer people wait"}}}
		}
		if err := insert(ctx, tx, v); err != nil {
			return err
		}
		return s.o.Audit(ctx, tx, a, actor.WriteMembers, "visit "+v.ID, "badge of another lab brought")
	})
}

// mail mails a code to the address of a visit. mail does nothing if the visit has no address or the hub sends no
// mail.
func (s *visits) mail(ctx context.Context, v *stored) error {
	if v.Address == "" || !s.o.Codes.Sends() {
		return nil
	}
	if err := s.o.Codes.Mail(ctx, v.ID, v.Address, v.Language); err != nil {
		return err
	}
	v.Mailed = s.o.Now()
	return s.o.Site.Write(ctx, func(tx *store.Tx) error { return update(ctx, tx, v) })
}

// prove stores that the badge is this person's, and the consent. A code is checked first; if the code is right, it
// is used up, so the proof is stored even if the person cannot be let in yet. An existing proof or consent stays as
// it is.
func (s *visits) prove(ctx context.Context, a actor.Actor, v *stored, code string, identity, consent bool) error {
	now, said := s.o.Now().UTC().Truncate(time.Millisecond), []string{}
	switch {
	case v.Proof.Kind != "":
	case code != "":
		err := s.o.Codes.Prove(ctx, v.ID, v.Address, code)
		if errors.Is(err, ErrCode) {
			return &fault.Invalid{Faults: []fault.Field{{Field: "code", Wrong: "the code is wrong, was used, or is too old",
				Right: "the code of the last mail"}}}
		}
		if err != nil {
			return err
		}
		v.Proof, said = Proven{Kind: ByMail, At: now}, append(said, "mailed code was right")
	case identity:
		v.Proof, said = Proven{Kind: Identity, At: now, By: a.Account}, append(said, "identity seen")
	}
	if consent && v.Consent.At.IsZero() {
		v.Consent = Consented{Version: ConsentVersion, At: now}
		said = append(said, fmt.Sprintf("consent to text %d", ConsentVersion))
	}
	if len(said) == 0 {
		return nil
	}
	return s.o.Site.Write(ctx, func(tx *store.Tx) error {
		return cmp.Or(update(ctx, tx, v),
			s.o.Audit(ctx, tx, a, actor.WriteMembers, "visit "+v.ID, strings.Join(said, ", ")))
	})
}
