package hub

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"portillon/hub/evidence"
	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/policy"
	"portillon/policy/file"
	"portillon/wire"
)

// progressPolicy awards a badge for five interventions in 180 days.
const progressPolicy = `portillon: 1
site: biklab
language: fr
timezone: Europe/Paris
issuers:
  biklab: { name: BIK'LAB, keys: ["did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"] }
badges:
  laser-maintainer: { name: Mainteneur, issuer: biklab, achievement: "https://example.org/laser-maintainer" }
machines:
  laser: { name: Laser, grants: [ { role: maintainer, needs: laser-maintainer } ] }
evidence:
  laser-maintainer: { interventions: 5, kinds: [lens], within: 180d, endorsed-by: laser-maintainer }
`

// The page reads only the records around the member's interventions. The judgement of these records must be the
// judgement of all records.
func TestProgressOfOneMemberEqualsTheProgressFromAllRecords(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	work := func(endorser policy.MemberID) {
		s := fmt.Sprint("s", m.Len())
		m.Append(wire.SessionStart, s, endorser, wire.StartBody{Role: policy.Maintainer,
			Badges: []policy.BadgeID{"laser-maintainer"}})
		m.Append(wire.Assisted, s, "lea", wire.AssistBody{With: endorser})
		m.Append(wire.Intervened, s, "lea", wire.InterventionBody{What: "lens", Endorser: "ines"})
		m.Append(wire.SessionEnd, s, endorser, wire.EndBody{Cause: wire.CauseTap, Seconds: 9})
	}
	work("ines") // too old when it is judged
	m.Now = m.Now.AddDate(0, 7, 0)
	m.Fill(recordsBefore + 50)
	work("ines")
	m.Fill(30)
	work("ines")
	work("yann") // the session of another member
	l, err := ledger.Open(filepath.Join(t.TempDir(), "portillon.db"), "biklab", ledger.Keys{m.ID: m.Key})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for n := uint64(1); n <= m.Len(); n += 100 {
		if _, err := l.Take("laser", m.Data(n, min(n+99, m.Len()))); err != nil {
			t.Fatal(err)
		}
	}
	now := m.Now.Add(time.Hour)
	sv := &services{core: &core{ledger: l, now: func() time.Time { return now }}}
	sv.policies.read = func(context.Context) (int64, string, error) { return 1, progressPolicy, nil }
	got, err := sv.memberProgress(t.Context(), "lea")
	if err != nil || len(got) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	p, err := file.Parse("policy.yaml", []byte(progressPolicy))
	if err != nil {
		t.Fatal(err)
	}
	want, err := ProgressOf(t.Context(), l, p, "lea", "laser-maintainer", now)
	if err != nil || len(want.Counted) != 2 {
		t.Fatalf("%+v, %v", want, err)
	}
	if got[0].Counted != 2 || got[0].Needed != 5 || got[0].Complete || len(got[0].Why) != 1 ||
		got[0].Why[0] != evidence.NoSession.Text() {
		t.Errorf("%+v", got)
	}
	if none, err := sv.memberProgress(t.Context(), "tom"); err != nil || none != nil {
		t.Errorf("a member without interventions: %+v, %v", none, err)
	}
}

func TestProgressNamesEachReasonOnce(t *testing.T) {
	p := evidence.Progress{Needed: 5, Spread: 2, Days: 1, Counted: make([]evidence.Counted, 3)}
	p.Rejected = []evidence.Rejected{
		{Why: []evidence.Why{evidence.NotAttested, evidence.TooOld}}, {Why: []evidence.Why{evidence.NotAttested}}}
	got := progressOf("laser-maintainer", p)
	want := []policy.Text{evidence.NotAttested.Text(), evidence.TooOld.Text()}
	if got.Counted != 3 || got.Needed != 5 || got.Days != 1 || got.Spread != 2 || len(got.Why) != 2 ||
		got.Why[0] != want[0] || got.Why[1] != want[1] {
		t.Errorf("%+v", got)
	}
}
