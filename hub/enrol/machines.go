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
	table machineTable
	force *enforcer
	keys  cardKeys
	// returns the last reported state of each machine; nil: the hub knows no states
	standing func(policy.MachineID) Standing
	version  func() uint64                                        // version of the bundle in force; nil: unknown
	members  func(ctx context.Context) ([]policy.MemberID, error) // members in the bundle in force; nil: unknown
}

// List returns the machines of the site that the actor may read, sorted by id: joined machines, machines that wait for
// their enrolment, and machines of hub.yaml. If the actor has a role at a single machine, the list contains only this
// machine.
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
			s.addStanding(a, &m, keys)
			out = append(out, m)
		}
	}
	return out, nil
}

// Get returns the machine with this id. The error is *fault.NotFound if the id is unknown.
func (s *Machines) Get(ctx context.Context, a actor.Actor, id policy.MachineID) (Machine, error) {
	if err := a.May(actor.ReadMachines, actor.Target{Machine: id}); err != nil {
		return Machine{}, err
	}
	return s.get(ctx, a, id)
}

// get does the work of Get after the caller has checked the actor's right.
func (s *Machines) get(ctx context.Context, a actor.Actor, id policy.MachineID) (Machine, error) {
	all, err := s.all(ctx)
	if err != nil {
		return Machine{}, err
	}
	i := slices.IndexFunc(all, func(m Machine) bool { return m.ID == id })
	if i < 0 {
		return Machine{}, &fault.NotFound{What: "machine", ID: fmt.Sprintf("%.80s", id)}
	}
	s.addStanding(a, &all[i], s.keys.expected())
	return all[i], nil
}

// addStanding sets a machine's Standing. For an actor without actor.ReadSessions, addStanding omits the session and the
// authors of tags.
func (s *Machines) addStanding(a actor.Actor, m *Machine, keys wire.StateKeys) {
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

// all reads every machine of the site, sorted by id, without the Standing. The result needs no pages, because a site
// has at most some dozens of machines.
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

// fingerprint returns the first 16 hexadecimal digits of the SHA-256 of a key, by which people compare keys.
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
	if err := checkID(id); err != nil {
		return Machine{}, err
	}
	err := s.table.site.Write(ctx, func(tx *store.Tx) error {
		_, err := s.table.readRow(ctx, tx, id)
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
	return s.get(ctx, a, id)
}

// Revoke excludes a machine: the hub refuses the machine's records, broker account and requests, and closes its
// connections. Revoke does not delete the data on the machine, which Held lists.
func (s *Machines) Revoke(ctx context.Context, a actor.Actor, id policy.MachineID, version int64, reason string) error {
	if err := a.May(actor.EnrolMachines, actor.Target{Machine: id}); err != nil {
		return err
	}
	if err := checkReason("reason", reason); err != nil {
		return err
	}
	err := s.table.site.Write(ctx, func(tx *store.Tx) error {
		r, err := s.table.readRow(ctx, tx, id)
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
		if err := s.table.insertIfMissing(ctx, tx, r); err != nil {
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
		if r.public != "" { // a machine of hub.yaml may have no database row yet
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

// Enrolled returns all machines that joined or were revoked, sorted by id.
func (s *Machines) Enrolled(ctx context.Context) ([]Enrolled, error) {
	return readEnrolled(ctx, s.table.site)
}

// GivenCardKeys returns the check value of the newest card key that the hub sent to each machine. The map omits
// machines whose last key was sent before the hub stored check values.
func (s *Machines) GivenCardKeys(ctx context.Context) (map[policy.MachineID]string, error) {
	return s.keys.sentKeys(ctx)
}

// The hub calls Replaced when the ledger has replaced the machine's old journal by the new one. Replaced then withdraws
// the permission for a replacement.
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

// maxReason is the maximum length of a reason that a person writes, in bytes.
const maxReason = 300

// checkReason refuses a reason that is empty, too long, has several lines, or contains invisible formatting characters.
func checkReason(field, text string) error {
	// Characters that change the writing direction (UAX #9, sections 2.1 to 2.4) would make the displayed reason differ
	// from the stored reason.
	turns := strings.ContainsFunc(
		text,
		func(r rune) bool { return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 },
	)
	if text != "" && len(text) <= maxReason && wire.OneLine(text, maxReason) == text && !turns {
		return nil
	}
	return &fault.Invalid{
		Faults: []fault.Field{{Field: field, Given: fmt.Sprintf("%.40s", text), Wrong: "a reason is needed, on one line",
			Right: fmt.Sprintf("1 to %d bytes", maxReason)}},
	}
}

// Held describes the personal data that is stored on a machine, as far as the hub knows. Every machine stores a bundle,
// and each bundle contains the names of all members.
type Held struct {
	Bundle  uint64            `json:"bundle"` // the newest bundle that the machine fetched from this hub or reported
	At      time.Time         `json:"at,omitzero"`
	Members []policy.MemberID `json:"members"` // members in the bundle in force
	// CardKey is true if the hub sent the card key to the machine. With the key, a thief can find the member of a card
	// number.
	CardKey bool `json:"card_key"`
}

// Held returns the personal data that is stored on a machine. Administrators need the list to decide whether to change
// the card key after a theft.
func (s *Machines) Held(ctx context.Context, a actor.Actor, id policy.MachineID) (Held, error) {
	if err := a.May(actor.EnrolMachines, actor.Target{Machine: id}); err != nil {
		return Held{}, err
	}
	if err := a.May(actor.ReadMembers, actor.Target{}); err != nil {
		return Held{}, err
	}
	m, err := s.get(ctx, a, id)
	if err != nil {
		return Held{}, err
	}
	h := Held{Bundle: max(m.Fetched, m.Standing.Bundle), At: m.FetchedAt, CardKey: m.Key != ""}
	if s.members != nil && h.Bundle > 0 {
		if h.Members, err = s.members(ctx); err != nil {
			return Held{}, fmt.Errorf("enrol: cannot read the members of the bundle: %w", err)
		}
	}
	return h, nil
}
