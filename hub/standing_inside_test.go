package hub

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/policy"
	"portillon/wire"
)

func TestSessionAndTagsComeFromTheNewestJournal(t *testing.T) {
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	record := func(kind wire.Kind, member policy.MemberID, body any) wire.Record {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return wire.Record{Kind: kind, Member: member, Wall: at, Body: b}
	}
	var l machineLog
	l.apply(record(wire.SessionStart, "m-lea", wire.StartBody{Role: policy.User, MaxSeconds: 3600}))
	if s := l.session; s == nil || s.Member != "m-lea" || s.Role != "user" || !s.Until.Equal(at.Add(time.Hour)) {
		t.Fatalf("after a start: %+v", s)
	}
	before := l.session
	l.apply(record(wire.RoleChanged, "m-lea", wire.RoleBody{Role: policy.Host}))
	if l.session.Role != "host" || before.Role != "user" {
		t.Errorf("after another role: %+v, and the copy given out before %+v", l.session, before)
	}
	l.apply(record(wire.SessionEnd, "m-lea", wire.EndBody{}))
	if l.session != nil {
		t.Errorf("after the end: %+v", l.session)
	}
	l.apply(record(wire.Tagged, "m-ines", wire.TagBody{Tag: "t1", Reason: "belt"}))
	l.apply(record(wire.Tagged, "m-ines", wire.TagBody{Tag: "t2"}))
	l.apply(record(wire.Untagged, "m-ines", wire.TagBody{Tag: "t1"}))
	if len(l.tags) != 1 || l.tags[0].ID != "t2" {
		t.Errorf("tags: %+v", l.tags)
	}
	l.apply(wire.Record{Kind: wire.SessionStart, Body: []byte("{")})
	if l.session != nil {
		t.Error("a body that cannot be read began a session")
	}
}

// Whether the hub reads a journal in one step or record by record, from any record on, the state is the same.
func TestMachineStateDoesNotDependOnTheStepsInWhichAJournalIsRead(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	m.Append(wire.Refused, "", "m-lea", wire.RefusedBody{})
	m.Append(wire.Tagged, "", "m-ines", wire.TagBody{Tag: "t1", Reason: "belt"})
	m.Append(wire.SessionStart, "s1", "m-lea", wire.StartBody{Role: policy.User})
	m.Append(wire.SessionEnd, "s1", "m-lea", wire.EndBody{})
	m.Append(wire.SessionStart, "s2", "m-ines", wire.StartBody{Role: policy.User})
	m.Append(wire.Tagged, "", "m-ines", wire.TagBody{Tag: "t2"})
	m.Append(wire.RoleChanged, "s2", "m-ines", wire.RoleBody{Role: policy.Host})
	m.Append(wire.Untagged, "", "m-ines", wire.TagBody{Tag: "t1"})
	m.Append(wire.RoleChanged, "s2", "m-ines", wire.RoleBody{Role: policy.Maintainer})
	m.Append(wire.SessionEnd, "s2", "m-ines", wire.EndBody{})
	m.Append(wire.Refused, "", "m-lea", wire.RefusedBody{})
	l, err := ledger.Open(filepath.Join(t.TempDir(), "portillon.db"), "biklab", ledger.Keys{m.ID: m.Key})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	along := &fleet{core: &core{ledger: l}}
	for n := uint64(1); n <= m.Len(); n++ {
		if _, err := l.Take(m.ID, m.Data(n, n)); err != nil {
			t.Fatal(err)
		}
		got, want := (&fleet{core: &core{ledger: l}}).logOf(m.ID), along.logOf(m.ID)
		if !reflect.DeepEqual(got.session, want.session) ||
			len(got.tags) != len(want.tags) || len(got.tags) > 0 && !reflect.DeepEqual(got.tags, want.tags) || got.held != n {
			t.Errorf(
				"after %d records: %+v %+v up to %d, want %+v %+v",
				n,
				got.session,
				got.tags,
				got.held,
				want.session,
				want.tags,
			)
		}
	}
	if s := along.logOf(m.ID); s.session != nil || len(s.tags) != 1 {
		t.Errorf("at the end: %+v", s)
	}
}
