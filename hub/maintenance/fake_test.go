package maintenance

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/policy"
	"portillon/wire"
)

// story is a journal that a test writes. The first readable records are in the ledger, the others have not arrived.
type story struct {
	Position
	all []wire.Record
}

// write adds a record.
func (s *story) write(at time.Time, kind wire.Kind, session string, member policy.MemberID, body any) wire.Record {
	b, _ := json.Marshal(body)
	r := wire.Record{Site: "biklab", Machine: s.Machine, Seq: uint64(len(s.all) + 1), Wall: at, Clock: wire.ClockTrusted,
		Kind: kind, Session: session, Member: member, Body: b, Generation: s.Generation, Epoch: s.Epoch}
	s.all = append(s.all, r)
	return r
}

// use adds a session of a whole number of seconds.
func (s *story) use(at time.Time, seconds int64, role policy.Role) {
	id := fmt.Sprint("u", len(s.all))
	s.write(at, wire.SessionStart, id, "lea", wire.StartBody{Role: role})
	s.write(at.Add(time.Duration(seconds)*time.Second), wire.SessionEnd, id, "lea",
		wire.EndBody{Cause: wire.CauseTap, Seconds: seconds})
}

// fakeRecords is a ledger in memory.
type fakeRecords struct {
	stories []*story
	during  func() // runs once during the next Read; nil: nothing
}

// add adds a journal of a machine, which replaces the machine's earlier journals.
func (f *fakeRecords) add(m policy.MachineID) *story {
	epoch := 0
	for _, x := range f.stories {
		if x.Machine == m {
			epoch++
		}
	}
	s := &story{Position: Position{Machine: m, Epoch: epoch}}
	if epoch > 0 {
		s.Generation = wire.Generation(fmt.Sprintf("%016x", epoch))
	}
	f.stories = append(f.stories, s)
	return s
}

// Journals implements Records.
func (f *fakeRecords) Journals(context.Context) (out []Position, _ error) {
	for _, s := range f.stories {
		if s.Records > 0 {
			out = append(out, s.Position)
		}
	}
	return out, nil
}

// Read implements Records. Further records may have arrived since Journals, as in a ledger.
func (f *fakeRecords) Read(_ context.Context, j Position, after uint64, limit int,
	yield func(wire.Record) error) error {
	if during := f.during; during != nil {
		f.during = nil
		during()
	}
	for _, s := range f.stories {
		if s.Machine != j.Machine || s.Generation != j.Generation {
			continue
		}
		for _, r := range s.all[after:min(int(after)+limit, len(s.all))] {
			if err := yield(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// bench is a service with a ledger in memory.
type bench struct {
	t      testing.TB
	ledger *fakeRecords
	policy *policy.Policy
	o      Options
	s      *Service
	now    time.Time
	audit  []string
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{t: t, ledger: &fakeRecords{}, now: date(2026, 12, 1).Add(12 * time.Hour)}
	b.setPolicy(policy.Machine{ID: "laser"}, policy.Machine{ID: "vinyl"})
	b.o = Options{Site: storetest.Open(t).Site("biklab"), Records: b.ledger,
		Policy: func(context.Context) (*policy.Policy, error) { return b.policy, nil },
		Now:    func() time.Time { return b.now },
		Audit: func(_ context.Context, _ *store.Tx, a actor.Actor, act actor.Act, on, detail string) error {
			b.audit = append(b.audit, fmt.Sprintf("%s %s %s: %s", a.Name, act, on, detail))
			return nil
		},
		Names: func(_ context.Context, of []policy.MemberID) (map[policy.MemberID]string, error) {
			out := map[policy.MemberID]string{}
			for _, id := range of {
				out[id] = "Name of " + string(id)
			}
			return out, nil
		}}
	b.open()
	return b
}

// setPolicy replaces the policy.
func (b *bench) setPolicy(machines ...policy.Machine) {
	b.t.Helper()
	for i := range machines {
		machines[i].Name = policy.Text{FR: string(machines[i].ID), EN: string(machines[i].ID)}
		machines[i].Grants = []policy.Grant{{Role: policy.User, Needs: policy.Need{Badge: "user"}}}
	}
	p, err := policy.New(policy.Model{Site: "biklab", Zone: time.UTC, Machines: machines,
		Issuers: []policy.Issuer{{ID: "i", Name: "i", Profile: "did:key:x", Keys: []string{"k"}}},
		Badges:  []policy.Badge{{ID: "user", Name: policy.Text{FR: "b", EN: "b"}, Issuer: "i", Achievement: "urn:user"}}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.policy = p
}

// open creates a new service on the same database, as a restart of the hub does.
func (b *bench) open() {
	b.t.Helper()
	s, err := New(b.o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.s = s
}

// update makes all records readable and reads them.
func (b *bench) update() {
	b.t.Helper()
	for _, s := range b.ledger.stories {
		s.Records = uint64(len(s.all))
	}
	if err := b.s.Update(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) machine(a actor.Actor, id policy.MachineID) Machine {
	b.t.Helper()
	m, err := b.s.Machine(b.t.Context(), a, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

func date(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

var (
	owner = actor.Actor{Account: "1", Name: "Rosa", Site: actor.Owner}
	ines  = actor.Actor{Account: "2", Name: "Ines", Member: "ines", Site: actor.Member,
		Machines: map[policy.MachineID]actor.Role{"laser": actor.Maintainer}}
	karim = actor.Actor{Account: "3", Name: "Karim", Member: "karim", Site: actor.Member,
		Machines: map[policy.MachineID]actor.Role{"laser": actor.Mentor}}
	lea = actor.Actor{Account: "4", Name: "Lea", Member: "lea", Site: actor.Member}
)
