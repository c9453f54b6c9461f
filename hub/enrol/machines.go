package enrol

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// Machines lists, adds and revokes the machines of a site.
type Machines struct {
	table    machineTable
	force    *enforcer
	keys     cardKeys
	standing func(policy.MachineID) Standing                      // nil: no machine has ever reported
	version  func() uint64                                        // version of the bundle in force; nil: unknown
	members  func(ctx context.Context) ([]policy.MemberID, error) // members in the bundle in force; nil: unknown
}

// List returns the machines of the site that the actor may read, sorted by id: joined machines, machines that wait for
// their enrolment, and machines of hub.yaml. An actor with a role at a single machine gets only that machine.
func (s *Machines) List(ctx context.Context, a actor.Actor) ([]Machine, error) {
	if err := a.May(actor.ReadMachines, actor.Target{}); err != nil {
		return nil, err
	}
	all, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	keys, out := s.keys.expected(), all[:0]
	for _, m := range all {
		if a.May(actor.ReadMachines, actor.Target{Machine: m.ID}) == nil {
			s.stand(a, &m, keys)
			out = append(out, m)
		}
	}
	return out, nil
}

// Get returns one machine. If the id is unknown, the error is *fault.NotFound.
func (s *Machines) Get(ctx context.Context, a actor.Actor, id policy.MachineID) (Machine, error) {
	if err := a.May(actor.ReadMachines, actor.Target{Machine: id}); err != nil {
		return Machine{}, err
	}
	return s.one(ctx, a, id)
}

// one returns a machine like Get; its caller has already checked the actor's right.
func (s *Machines) one(ctx context.Context, a actor.Actor, id policy.MachineID) (Machine, error) {
	all, err := s.all(ctx)
	if err != nil {
		return Machine{}, err
	}
	i := slices.IndexFunc(all, func(m Machine) bool { return m.ID == id })
	if i < 0 {
		return Machine{}, &fault.NotFound{What: "machine", ID: fmt.Sprintf("%.80s", id)}
	}
	s.stand(a, &all[i], s.keys.expected())
	return all[i], nil
}

// stand fills in a machine's Standing. For an actor without actor.ReadSessions it leaves out the session and the
// authors of tags.
func (s *Machines) stand(a actor.Actor, m *Machine, keys wire.StateKeys) {
	if s.standing != nil {
		m.Standing = s.standing(m.ID)
	}
	if s.version != nil {
		m.Standing.Wanted = s.version()
	}
	m.Standing.HubKeys = keys
	if a.May(actor.ReadSessions, actor.Target{Machine: m.ID}) != nil {
		m.Standing.Session = nil
		for i := range m.Standing.Tags {
			m.Standing.Tags[i].By = ""
		}
	}
}

// all reads every machine of the site, sorted by id, without its Standing. It returns them in one list, because a site
// has only some dozens.
func (s *Machines) all(ctx context.Context) (out []Machine, err error) {
	rows, err := s.table.site.Query(
		ctx,
		`SELECT m.machine, m.version, m.enrolled, m.revoked, m.reason, m.public, m.bundle, m.fetched,
		coalesce((SELECT max(c.expires) FROM machine_certificate AS c WHERE c.site = $1 AND c.machine = m.machine), 0)
		FROM machine AS m WHERE m.site = $1 ORDER BY m.machine`,
	)
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var m Machine
		var enrolled, revoked, fetched, expires int64
		if err := rows.Scan(&m.ID, &m.Version, &enrolled, &revoked, &m.Reason, &m.Key, &m.Fetched, &fetched,
			&expires); err != nil {
			return nil, fmt.Errorf("enrol: %w", err)
		}
		m.Enrolled, m.Revoked, m.Expires = timeOf(enrolled), timeOf(revoked), timeOf(expires)
		m.FetchedAt, m.KeyHash = timeOf(fetched), fingerprint(m.Key)
		out = append(out, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	for _, f := range s.table.fixedMachines() {
		if !slices.ContainsFunc(out, func(m Machine) bool { return m.ID == f.ID }) {
			out = append(out, Machine{ID: f.ID, Key: f.Key, KeyHash: fingerprint(f.Key)})
		}
	}
	slices.SortFunc(out, func(a, b Machine) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out, nil
}

// fingerprint returns the text by which people compare a key: the first 16 hexadecimal digits of its SHA-256.
func fingerprint(vkey string) string {
	if vkey == "" {
		return ""
	}
	key := vkey
	if parts := strings.SplitN(vkey, "+", 3); len(parts) == 3 {
		if b, err := base64.StdEncoding.DecodeString(parts[2]); err == nil {
			key = string(b)
		}
	}
	h := sha256.Sum256([]byte(key))
	return hex.EncodeToString(h[:8])
}

// Add adds a machine that waits for its enrolment.
func (s *Machines) Add(ctx context.Context, a actor.Actor, id policy.MachineID) (Machine, error) {
	if err := a.May(actor.EnrolMachines, actor.Target{Machine: id}); err != nil {
		return Machine{}, err
	}
	if err := validID(id); err != nil {
		return Machine{}, err
	}
	err := s.table.site.Write(ctx, func(tx *store.Tx) error {
		_, err := s.table.row(ctx, tx, id)
		if err == nil {
			return &fault.Invalid{
				Faults: []fault.Field{{Field: "machine", Given: string(id), Wrong: "a machine with this id is there already"}},
			}
		}
		if gone := (*fault.NotFound)(nil); !errors.As(err, &gone) {
			return err
		}
		tx.Changed(store.Machines)
		_, err = tx.Exec(
			ctx,
			`INSERT INTO machine (site, machine, version, added) VALUES ($1, $2, 1, $3)`,
			string(id),
			s.table.millis(),
		)
		return errors.Join(err, s.table.audit(ctx, tx, a, actor.EnrolMachines, id, "added"))
	})
	if err != nil {
		return Machine{}, err
	}
	return s.one(ctx, a, id)
}

// Revoke excludes a machine from now on: the hub refuses its records, its broker account and its requests, and closes
// its connections. The machine keeps the data that it has; Held lists that data.
func (s *Machines) Revoke(ctx context.Context, a actor.Actor, id policy.MachineID, version int64, reason string) error {
	if err := a.May(actor.EnrolMachines, actor.Target{Machine: id}); err != nil {
		return err
	}
	if err := words("reason", reason); err != nil {
		return err
	}
	err := s.table.site.Write(ctx, func(tx *store.Tx) error {
		r, err := s.table.row(ctx, tx, id)
		if err != nil {
			return err
		}
		if r.version != version {
			return &fault.Conflict{What: "machine", ID: string(id), Have: r.version, Got: version}
		}
		if r.revoked > 0 {
			return nil
		}
		tx.Changed(store.Machines)
		if err := s.table.put(ctx, tx, r); err != nil {
			return err
		}
		_, err = tx.Exec(
			ctx,
			`UPDATE machine SET version = version + 1, revoked = $3, reason = $4, password = NULL, replacing = ''
			WHERE site = $1 AND machine = $2`,
			string(id),
			s.table.millis(),
			reason,
		)
		if err != nil {
			return err
		}
		if r.public != "" { // a machine of hub.yaml may have no row yet
			if err := s.table.addKey(ctx, tx, id, r.public); err != nil {
				return err
			}
		}
		if err := s.table.endKeys(ctx, tx, id); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM machine_code WHERE site = $1 AND machine = $2`, string(id))
		return errors.Join(err, s.table.audit(ctx, tx, a, actor.EnrolMachines, id, "revoked: "+reason))
	})
	return s.force.afterCommit(ctx, id, err)
}

// Enrolled returns all machines that joined and all that were revoked, sorted by id.
func (s *Machines) Enrolled(ctx context.Context) ([]Enrolled, error) {
	return enrolled(ctx, s.table.site)
}

// GivenCardKeys returns the check value of the newest card key that each machine got. It leaves out a machine that has
// not received a key since the hub began to store this.
func (s *Machines) GivenCardKeys(ctx context.Context) (map[policy.MachineID]string, error) {
	return s.keys.given(ctx)
}

// Replaced stores that the machine's new journal has replaced the one in the ledger.
func (s *Machines) Replaced(ctx context.Context, id policy.MachineID) error {
	err := s.table.site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(
			ctx,
			`UPDATE machine SET replacing = '', version = version + 1 WHERE site = $1 AND machine = $2`,
			string(id),
		)
		tx.Changed(store.Machines)
		return err
	})
	if err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	return nil
}

// maxWords is the largest length of a reason that a person writes, in bytes.
const maxWords = 300

// words refuses a reason that is empty, too long, has several lines, or would be displayed differently from its stored
// text.
func words(field, text string) error {
	// Marks that change the direction of the text after them (UAX #9, 2.1 to 2.4) would make a reason display differently
	// from its stored text.
	turns := strings.ContainsFunc(
		text,
		func(r rune) bool { return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 },
	)
	if text != "" && len(text) <= maxWords && wire.OneLine(text, maxWords) == text && !turns {
		return nil
	}
	return &fault.Invalid{
		Faults: []fault.Field{{Field: field, Given: fmt.Sprintf("%.40s", text), Wrong: "a reason is needed, on one line",
			Right: fmt.Sprintf("1 to %d bytes", maxWords)}},
	}
}

// Held is the personal data that a machine has, as far as the hub knows. Every machine holds the bundle, and a bundle
// names all members.
type Held struct {
	Bundle  uint64            `json:"bundle"` // the newest that it fetched from this hub, or reported
	At      time.Time         `json:"at,omitzero"`
	Members []policy.MemberID `json:"members"`  // members in the bundle in force
	CardKey bool              `json:"card_key"` // whether it got the card key, which links card numbers to members
}

// Held returns the personal data that a machine holds. Administrators use this to decide whether to rotate the card
// key.
func (s *Machines) Held(ctx context.Context, a actor.Actor, id policy.MachineID) (Held, error) {
	if err := a.May(actor.EnrolMachines, actor.Target{Machine: id}); err != nil {
		return Held{}, err
	}
	if err := a.May(actor.ReadMembers, actor.Target{}); err != nil {
		return Held{}, err
	}
	m, err := s.one(ctx, a, id)
	if err != nil {
		return Held{}, err
	}
	h := Held{Bundle: max(m.Fetched, m.Standing.Bundle), At: m.FetchedAt, CardKey: m.Key != ""}
	if s.members != nil && h.Bundle > 0 {
		if h.Members, err = s.members(ctx); err != nil {
			return Held{}, fmt.Errorf("enrol: members of the bundle: %w", err)
		}
	}
	return h, nil
}
