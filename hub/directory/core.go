package directory

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/policy"
)

// core has the dependencies that all services of this package share: the site's rows, the index of all members, the
// clock, the policy in force, the HMACs of cards, and the bases of verdicts on badges.
type core struct {
	site    *store.Site
	now     func() time.Time
	log     *slog.Logger
	policy  func(context.Context) (*policy.Policy, error)
	audit   func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error
	index   *liveIndex
	hashing cardHashing
	bases   *bases
}

// change is a running transaction. The methods of change write rows. core.write begins and ends the transaction. Only
// one goroutine may use a change.
type change struct {
	*store.Tx
	core *core
	now  time.Time
	ids  []policy.MemberID // members whose rows the transaction has changed
}

// touch records which members the transaction changes, so that the index reads only these members again.
func (c *change) touch(ids ...policy.MemberID) { c.ids = append(c.ids, ids...) }

// auditName returns the name of a member in the audit log. An erasure uses this name to find the audit entries about
// a member.
func auditName(id policy.MemberID) string { return "member " + string(id) }

// write runs f in a transaction, raises the generation of the rows, writes the audit entry, and notifies the
// subscribers. If f returns an error, write rolls back the whole transaction. f returns the on and detail of the
// audit entry, which must name no person: on contains a pseudonym, and detail only names of fields.
func (s *core) write(ctx context.Context, a actor.Actor, act actor.Act, f func(*change) (on, detail string,
	err error)) error {
	c := &change{core: s, now: s.now()}
	var generation int64
	return s.site.Write(ctx, func(tx *store.Tx) error {
		c.Tx = tx
		on, detail, err := f(c)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `INSERT INTO directory_state (site, generation) VALUES ($1, 1)
			ON CONFLICT (site) DO UPDATE SET generation = directory_state.generation + 1
			WHERE directory_state.site = $1 RETURNING generation`).Scan(&generation)
		if err != nil {
			return err
		}
		if err := s.audit(ctx, tx, a, act, on, detail); err != nil {
			return err
		}
		tx.Changed(store.Directory)
		s.index.remember(touched{generation, c.ids})
		return nil
	})
}

// siteToday returns the current day in the site's time zone, and the policy's rule about the end of memberships.
func (s *core) siteToday(p *policy.Policy) (policy.Date, policy.Membership) {
	day := policy.DateOf(s.now(), zoneOf(p))
	if p == nil {
		return day, policy.Membership{}
	}
	return day, p.Membership
}

// read reads a member from the database, and returns the fields that the actor may see. The caller must have checked
// that the actor may read the member.
func (s *core) read(ctx context.Context, a actor.Actor, id policy.MemberID) (Member, error) {
	p, err := s.policy(ctx)
	if err != nil {
		return Member{}, err
	}
	m, err := loadOne(ctx, s.site, id)
	if err != nil {
		return Member{}, err
	}
	return s.show(a, p, m), nil
}

// show returns the fields of a member that an actor may see. If the actor may not read the member, show returns only
// the id and the version. The actor needs actor.ReadNotes to see notes, and actor.WriteCards to see card numbers.
// show copies slices, because the record may belong to the index.
func (s *core) show(a actor.Actor, p *policy.Policy, r *record) Member {
	m := r.Member
	if maySee(a, m.ID) != nil {
		return Member{ID: m.ID, Version: m.Version}
	}
	notes, numbers := a.May(actor.ReadNotes, about(m.ID)) == nil, a.May(actor.WriteCards, about(m.ID)) == nil
	if !notes {
		m.Note = ""
	}
	m.Emails, m.Subjects, m.Guardians = slices.Clone(m.Emails), slices.Clone(m.Subjects),
		slices.Clone(m.Guardians) // copy, because the slice belongs to the index
	m.Cards = slices.Clone(m.Cards)
	for i := range m.Cards {
		if !numbers {
			m.Cards[i].Number = ""
		}
		if !notes {
			m.Cards[i].Note = ""
		}
	}
	m.Badges = slices.Clone(m.Badges)
	for i := range m.Badges {
		m.Badges[i].Local = localOf(p, r.held[i].issuer, r.held[i].achievement)
		m.Badges[i] = asOf(m.Badges[i], s.now())
	}
	return m
}

// badgeBytes reads the uploaded bytes of a badge. The error is sql.ErrNoRows if the badge was removed.
func (s *core) badgeBytes(ctx context.Context, id string) (data []byte, err error) {
	err = s.site.QueryRow(ctx, `SELECT data FROM badge_data WHERE site = $1 AND id = $2`, id).Scan(&data)
	return data, err
}
