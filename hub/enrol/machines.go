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

// Machines are the machines of the site that the actor may see: those that joined, those that await their enrolment,
// and those of hub.yaml. Whoever has a role at one machine alone sees that one.
func (s *Service) Machines(ctx context.Context, a actor.Actor) ([]Machine, error) {
	if err := a.May(actor.ReadMachines, actor.Target{}); err != nil {
		return nil, err
	}
	all, err := s.machines(ctx)
	if err != nil {
		return nil, err
	}
	keys, out := s.hubKeys(), all[:0]
	for _, m := range all {
		if a.May(actor.ReadMachines, actor.Target{Machine: m.ID}) == nil {
			s.stand(a, &m, keys)
			out = append(out, m)
		}
	}
	return out, nil
}

// Machine is one of them.
func (s *Service) Machine(ctx context.Context, a actor.Actor, id policy.MachineID) (Machine, error) {
	if err := a.May(actor.ReadMachines, actor.Target{Machine: id}); err != nil {
		return Machine{}, err
	}
	return s.machine(ctx, a, id)
}

func (s *Service) machine(ctx context.Context, a actor.Actor, id policy.MachineID) (Machine, error) {
	all, err := s.machines(ctx)
	if err != nil {
		return Machine{}, err
	}
	i := slices.IndexFunc(all, func(m Machine) bool { return m.ID == id })
	if i < 0 {
		return Machine{}, &fault.NotFound{What: "machine", ID: fmt.Sprintf("%.80s", id)}
	}
	s.stand(a, &all[i], s.hubKeys())
	return all[i], nil
}

// stand adds how a machine stands, as far as the actor may know it.
func (s *Service) stand(a actor.Actor, m *Machine, keys wire.StateKeys) {
	if s.o.Standing != nil {
		m.Standing = s.o.Standing(m.ID)
	}
	if s.o.Version != nil {
		m.Standing.Wanted = s.o.Version()
	}
	m.Standing.HubKeys = keys
	if a.May(actor.ReadSessions, actor.Target{Machine: m.ID}) != nil {
		m.Standing.Session = nil
		for i := range m.Standing.Tags {
			m.Standing.Tags[i].By = ""
		}
	}
}

// machines reads the list, sorted by id. A site has some dozens.
func (s *Service) machines(ctx context.Context) (out []Machine, err error) {
	rows, err := s.o.Site.Query(
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
	for _, f := range s.fixed() {
		if !slices.ContainsFunc(out, func(m Machine) bool { return m.ID == f.ID }) {
			out = append(out, Machine{ID: f.ID, Key: f.Key, KeyHash: fingerprint(f.Key)})
		}
	}
	slices.SortFunc(out, func(a, b Machine) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out, nil
}

// fingerprint is how people compare a key: the first 16 hexadecimal digits of its SHA-256.
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

// Add makes a machine that awaits its enrolment.
func (s *Service) Add(ctx context.Context, a actor.Actor, id policy.MachineID) (Machine, error) {
	if err := a.May(actor.EnrolMachines, actor.Target{Machine: id}); err != nil {
		return Machine{}, err
	}
	if err := validID(id); err != nil {
		return Machine{}, err
	}
	err := s.o.Site.Write(ctx, func(tx *store.Tx) error {
		_, err := s.rowOf(ctx, tx, id)
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
			s.millis(),
		)
		return errors.Join(err, s.audit(ctx, tx, a, actor.EnrolMachines, id, "added"))
	})
	if err != nil {
		return Machine{}, err
	}
	return s.machine(ctx, a, id)
}

// Revoke refuses a machine from now on: its records, its account at the broker and its requests. Live connections end.
// What it holds it keeps: Held lists it.
func (s *Service) Revoke(ctx context.Context, a actor.Actor, id policy.MachineID, version int64, reason string) error {
	if err := a.May(actor.EnrolMachines, actor.Target{Machine: id}); err != nil {
		return err
	}
	if err := words("reason", reason); err != nil {
		return err
	}
	err := s.o.Site.Write(ctx, func(tx *store.Tx) error {
		r, err := s.rowOf(ctx, tx, id)
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
		if err := s.put(ctx, tx, r); err != nil {
			return err
		}
		_, err = tx.Exec(
			ctx,
			`UPDATE machine SET version = version + 1, revoked = $3, reason = $4, password = NULL, replacing = ''
			WHERE site = $1 AND machine = $2`,
			string(id),
			s.millis(),
			reason,
		)
		if err != nil {
			return err
		}
		if r.public != "" { // of hub.yaml, perhaps: then no row has it yet
			if err := s.addKey(ctx, tx, id, r.public); err != nil {
				return err
			}
		}
		if err := s.endKeys(ctx, tx, id); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM machine_code WHERE site = $1 AND machine = $2`, string(id))
		return errors.Join(err, s.audit(ctx, tx, a, actor.EnrolMachines, id, "revoked: "+reason))
	})
	s.known.forget() // also after an error: it may have come after the commit
	if err != nil {
		return err
	}
	s.conns.cut(id)
	return s.enforce(ctx)
}

// maxWords bounds what a person writes as a reason, in bytes.
const maxWords = 300

func words(field, text string) error {
	// Marks that turn the direction of what follows (UAX #9, 2.1 to 2.4) would let a reason show what it is not.
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

// Held is whose data a machine has, as far as the hub knows: every machine holds the bundle, and a bundle is of all
// members.
type Held struct {
	Bundle  uint64            `json:"bundle"` // the newest that it fetched from this hub, or said that it works from
	At      time.Time         `json:"at,omitzero"`
	Members []policy.MemberID `json:"members"`  // of the bundle in force
	CardKey bool              `json:"card_key"` // it was given the card key, which tells whose card is whose
}

// Held lists whose data a machine holds, for the decision whether to rotate the card key.
func (s *Service) Held(ctx context.Context, a actor.Actor, id policy.MachineID) (Held, error) {
	if err := a.May(actor.EnrolMachines, actor.Target{Machine: id}); err != nil {
		return Held{}, err
	}
	if err := a.May(actor.ReadMembers, actor.Target{}); err != nil {
		return Held{}, err
	}
	m, err := s.machine(ctx, a, id)
	if err != nil {
		return Held{}, err
	}
	h := Held{Bundle: max(m.Fetched, m.Standing.Bundle), At: m.FetchedAt, CardKey: m.Key != ""}
	if s.o.Members != nil && h.Bundle > 0 {
		if h.Members, err = s.o.Members(ctx); err != nil {
			return Held{}, fmt.Errorf("enrol: members of the bundle: %w", err)
		}
	}
	return h, nil
}

// Tag takes a machine out of service.
func (s *Service) Tag(ctx context.Context, a actor.Actor, id policy.MachineID, reason string) error {
	if err := a.May(actor.TagMachine, actor.Target{Machine: id}); err != nil {
		return err
	}
	if err := words("reason", reason); err != nil {
		return err
	}
	return s.order(ctx, a, actor.TagMachine, id, wire.Command{Do: "tag", Reason: reason})
}

// Stop ends the session of a machine.
func (s *Service) Stop(ctx context.Context, a actor.Actor, id policy.MachineID) error {
	if err := a.May(actor.StopMachine, actor.Target{Machine: id}); err != nil {
		return err
	}
	return s.order(ctx, a, actor.StopMachine, id, wire.Command{Do: "stop"})
}

// Refused says that a machine did not carry out an order, and what it said.
type Refused struct {
	Machine policy.MachineID
	Why     string
}

func (e *Refused) Error() string {
	return fmt.Sprintf("the machine %s refuses: %s", e.Machine, e.Why)
}

// Unreachable says that no answer of a machine came to an order: it is not enrolled yet, or off, or has no network.
// Whether it obeyed is not known.
type Unreachable struct{ Machine policy.MachineID }

func (e *Unreachable) Error() string { return fmt.Sprintf("the machine %s does not answer", e.Machine) }

// order gives a command. It is noted before it is sent: what is not known to have arrived may have.
func (s *Service) order(ctx context.Context, a actor.Actor, act actor.Act, id policy.MachineID, c wire.Command) error {
	if s.o.Command == nil {
		return errors.New("enrol: this hub gives no commands")
	}
	err := s.o.Site.Write(ctx, func(tx *store.Tx) error {
		r, err := s.rowOf(ctx, tx, id)
		if err != nil {
			return err
		}
		if r.revoked > 0 {
			return &fault.NotFound{What: "machine", ID: string(id)}
		}
		return s.audit(ctx, tx, a, act, id, strings.TrimSpace(c.Do+" "+c.Reason))
	})
	if err != nil {
		return err
	}
	reply, err := s.o.Command(ctx, id, c)
	if err != nil {
		return err
	}
	if !reply.OK {
		return &Refused{id, wire.OneLine(reply.Why, maxWords)}
	}
	return nil
}
