package hub

import (
	"encoding/json"
	"testing"
	"time"

	"portillon/policy"
	"portillon/wire"
)

func TestNewestJournalSaysWhoIsOnAMachineAndItsTags(t *testing.T) {
	at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	record := func(kind wire.Kind, member policy.MemberID, body any) wire.Record {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		return wire.Record{Kind: kind, Member: member, Wall: at, Body: b}
	}
	var l machineLog
	l.take(record(wire.SessionStart, "m-lea", wire.StartBody{Role: policy.User, MaxSeconds: 3600}))
	if s := l.session; s == nil || s.Member != "m-lea" || s.Role != "user" || !s.Until.Equal(at.Add(time.Hour)) {
		t.Fatalf("after a start: %+v", s)
	}
	before := l.session
	l.take(record(wire.RoleChanged, "m-lea", wire.RoleBody{Role: policy.Host}))
	if l.session.Role != "host" || before.Role != "user" {
		t.Errorf("after another role: %+v, and the copy given out before %+v", l.session, before)
	}
	l.take(record(wire.SessionEnd, "m-lea", wire.EndBody{}))
	if l.session != nil {
		t.Errorf("after the end: %+v", l.session)
	}
	l.take(record(wire.Tagged, "m-ines", wire.TagBody{Tag: "t1", Reason: "belt"}))
	l.take(record(wire.Tagged, "m-ines", wire.TagBody{Tag: "t2"}))
	l.take(record(wire.Untagged, "m-ines", wire.TagBody{Tag: "t1"}))
	if len(l.tags) != 1 || l.tags[0].ID != "t2" {
		t.Errorf("tags: %+v", l.tags)
	}
	l.take(wire.Record{Kind: wire.SessionStart, Body: []byte("{")})
	if l.session != nil {
		t.Error("a body that cannot be read began a session")
	}
}
