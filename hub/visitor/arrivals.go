package visitor

import (
	"context"
	"database/sql"
	"errors"

	"portillon/hub/actor"
	"portillon/hub/fault"
)

// Arrivals are visits on the visitor's own phone, without a sign-in. All methods answer *fault.NotFound unless the
// site permits them. A visitor can bring a badge, prove the address and consent; only an administrator lets a
// visitor in.
type Arrivals struct{ visits *visits }

// on returns *fault.NotFound unless the site permits visits on the visitor's own phone.
func (s *Arrivals) on() error {
	if !s.visits.settings.current().Self {
		return &fault.NotFound{What: "page"}
	}
	return nil
}

// byPhone is the actor of what a visitor does on the own phone.
func byPhone() actor.Actor { return actor.System("visitor's phone") }

// Form returns the number of days for which the site keeps data after a visit, for the text of the consent.
func (s *Arrivals) Form(context.Context) (keep int, err error) {
	return s.visits.settings.current().Keep, s.on()
}

// Bring verifies a badge and stores the visit, as Desk.Bring. The key is the secret of the visitor's page. Bring
// returns the error of Codes.Count after too many requests of one network address.
func (s *Arrivals) Bring(ctx context.Context, b Brought, p Person) (key string, err error) {
	if err := s.on(); err != nil {
		return "", err
	}
	if err := s.visits.o.Codes.Count(ctx); err != nil {
		return "", err
	}
	_, key, err = s.visits.bring(ctx, byPhone(), b, p, true)
	return key, err
}

// byKey reads the visit with a key.
func (s *Arrivals) byKey(ctx context.Context, key string) (stored, error) {
	if err := s.on(); err != nil {
		return stored{}, err
	}
	v, err := scan(s.visits.o.Site.QueryRow(ctx, `SELECT `+columns+` FROM visitor WHERE site = $1 AND hash = $2
		AND member = ''`, hashOf(key)))
	if errors.Is(err, sql.ErrNoRows) {
		return v, errNoVisit("")
	}
	return v, err
}

// Get returns the visit with a key, until the visitor is let in.
func (s *Arrivals) Get(ctx context.Context, key string) (Visit, error) {
	v, err := s.byKey(ctx, key)
	return v.Visit, err
}

// Confirm stores the visitor's proof and consent. The error is *fault.Invalid if the code is wrong or the visitor
// does not consent. If both are stored already, Confirm changes nothing.
func (s *Arrivals) Confirm(ctx context.Context, key, code string, consent bool) (Visit, error) {
	v, err := s.byKey(ctx, key)
	if err != nil {
		return Visit{}, err
	}
	if v.Consent.At.IsZero() && !consent {
		return Visit{}, &fault.Invalid{Faults: []fault.Field{{Field: "consent", Wrong: "the visitor has not consented",
			Right: "a consent to the text on this page"}}}
	}
	if err := s.visits.prove(ctx, byPhone(), &v, code, false, consent); err != nil {
		return Visit{}, err
	}
	return v.Visit, nil
}
