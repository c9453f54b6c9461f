package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/ledger"
	"portillon/hub/publish"
	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/policy"
	policyfile "portillon/policy/file"
	"portillon/wire"
)

// replayBenchRecords is the number of records of decisions in BenchmarkReplay.
const replayBenchRecords = 1_000_000

// BenchmarkReplay checks a draft at a hub of 20 machines with a million records of decisions (two sessions to a
// refusal), and another record after each session. It prints the time and the processor time of the replay: those of
// the check, less those of a check at a hub without records.
func BenchmarkReplay(b *testing.B) {
	db := storetest.Open(b)
	site := db.Site("biklab")
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	o := publish.Options{Site: site, Now: func() time.Time { return now }, Signer: benchKey{}, SignedBy: "k"}
	without, err1 := publish.New(o)
	records := ledger.New(site, nil)
	o.Records = decidedRecords{records.Decisions()}
	services, err2 := publish.New(o)
	if err := errors.Join(err1, err2); err != nil {
		b.Fatal(err)
	}
	owner := actor.Local("bench")
	text := benchPolicy("b0")
	if _, err := services.Policies.Publish(b.Context(), owner, text, "", 0, nil); err != nil {
		b.Fatal(err)
	}
	fillDecisions(b, site, text, now)
	start, cpu := time.Now(), cpuTime()
	if err := records.Decisions().Pack(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Logf("packing took %v, and %v of processor time", time.Since(start), cpuTime()-cpu)
	draft := benchPolicy("b1")
	var got publish.Draft
	var took, used time.Duration
	check := func(s *publish.Services, sign time.Duration) {
		start, cpu := time.Now(), cpuTime()
		d, err := s.Drafts.Check(b.Context(), owner, draft)
		if err != nil {
			b.Fatal(err)
		}
		took, used, got = took+sign*time.Since(start), used+sign*(cpuTime()-cpu), d
	}
	for b.Loop() {
		check(without, -1)
		check(services, 1)
	}
	b.ReportMetric(took.Seconds()/float64(b.N), "replay-s/op")
	b.ReportMetric(used.Seconds()/float64(b.N), "replay-cpu-s/op")
	r := got.Replay
	if r == nil || r.Sessions.Records+r.Refusals.Records+r.LeftOut != replayBenchRecords || r.Sessions.Changed == 0 ||
		r.Refusals.Changed == 0 || r.Sessions.NotReplayable+r.Refusals.NotReplayable > 0 {
		b.Errorf("%+v %v", r, got.Faults)
	}
	b.Logf("%d sessions, %d refused; %d refusals, %d allowed; %d left out", r.Sessions.Records, r.Sessions.Changed,
		r.Refusals.Records, r.Refusals.Changed, r.LeftOut)
}

// benchKey signs policies with their text.
type benchKey struct{}

// SignPolicy implements publish.Signer.
func (benchKey) SignPolicy(_ int64, text, _ []byte) ([]byte, error) { return text, nil }

// cpuTime returns the processor time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchPolicy is a policy of 20 machines whose users need a badge, or another one together with hours of practice.
func benchPolicy(badge string) string {
	out := `portillon: 1
site: biklab
language: en
timezone: Europe/Paris
issuers:
  biklab: { keys: ["did:key:z6MkeYkP3XG1tBSuGo99iPN2xT3A2kMc1h88v3iVo1qdmrTy"] }
badges:
  b0: { name: B0, issuer: biklab, achievement: "https://biklab.example/0" }
  b1: { name: B1, issuer: biklab, achievement: "https://biklab.example/1" }
  b2: { name: B2, issuer: biklab, achievement: "https://biklab.example/2" }
roles: [learner, user, host, mentor, maintainer]
machines:
`
	for m := range 20 {
		out += fmt.Sprintf("  m%02d:\n    name: M%d\n    grants:\n"+
			"      - { role: user, needs: %s, hours: \"Mo-Su 06:00-23:00\" }\n"+
			"      - { role: maintainer, needs: b2 }\n", m, m, badge)
	}
	return out
}

// fillDecisions stores the records in the ledger's tables, decided by the policy.
func fillDecisions(b *testing.B, site *store.Site, text string, now time.Time) {
	b.Helper()
	p, err := policyfile.Parse("policy.yaml", []byte(text))
	if err != nil {
		b.Fatal(err)
	}
	const machines = 20
	for m := range machines {
		machine := policy.MachineID(fmt.Sprintf("m%02d", m))
		err := site.Write(context.Background(), func(tx *store.Tx) error {
			if _, err := tx.Exec(b.Context(), `INSERT INTO ledger_journals (site, journal, machine, epoch, generation, who, why,
				at, size, root, edge, note) VALUES ($1, $2, $3, 0, '', '', '', 0, 0, $4, $4, $4)`, m+1, string(machine),
				[]byte{}); err != nil {
				return err
			}
			seq := 0
			for i := range replayBenchRecords / machines {
				kind, record, member, wall := benchDecision(b, p, machine, seq+1, i, now, wire.PolicyNumber([]byte(text)))
				seq++
				if err := insertRecord(b, tx, m+1, seq, kind, member, wall, record); err != nil {
					return err
				}
				if kind == wire.SessionStart {
					seq++
					if err := insertRecord(b, tx, m+1, seq, wire.SessionEnd, member, wall.Add(time.Second),
						[]byte(`{"body":{"cause":"tap","seconds":3600},"boot":"b"}`)); err != nil {
						return err
					}
				}
			}
			_, err := tx.Exec(b.Context(), "UPDATE ledger_journals SET size = $3 WHERE site = $1 AND journal = $2", m+1, seq)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// benchDecision returns the i-th record of a machine: of 300 members, two thirds hold the badge that is needed.
func benchDecision(b *testing.B, p *policy.Policy, m policy.MachineID, seq, i int, now time.Time,
	number string) (wire.Kind, []byte, policy.MemberID, time.Time) {
	b.Helper()
	at := now.Add(-time.Duration(i%40_000) * time.Minute / 2).Add(-time.Second * 50) // within 14 days
	if h := at.Hour(); h < 6 || h > 20 {
		at = at.Add(-8 * time.Hour)
	}
	who := policy.Member{ID: policy.MemberID(fmt.Sprintf("m-%06d", i*7%300)),
		Practice: []policy.Practice{{Machine: m, Last: at.Add(-50 * time.Hour), Logged: time.Duration(i) * time.Second}}}
	for k, badge := range []policy.BadgeID{"b0", "b1", "b2"} {
		if k == 0 && i%3 > 0 || k == 1 && i%2 == 0 {
			who.Holdings = append(who.Holdings, policy.Holding{Badge: badge, Standing: policy.Verified,
				From: now.AddDate(-1, 0, 0), Checked: at.Add(-time.Hour)})
		}
	}
	q := policy.Question{At: at, Clock: policy.Trusted, Machine: m, Member: &who, Issued: at.Add(-30 * time.Hour)}
	d := p.Decide(q)
	basis := policy.BasisOf(q, d)
	basis.Policy, basis.Bundle = number, 12
	kind, body := wire.Refused, any(wire.RefusedBody{Reasons: d.Codes(), Basis: &basis})
	if d.Verdict == policy.Allow {
		kind, body = wire.SessionStart, wire.StartBody{Role: policy.User, Badges: d.Badges, Bundle: 12, Card: "uid",
			Basis: &basis}
	}
	text, err := json.Marshal(body)
	if err != nil {
		b.Fatal(err)
	}
	r := wire.Record{Site: "biklab", Machine: m, Seq: uint64(seq), Boot: "0d7f4b8e-2c4b-4f7b-8c39-000000000001",
		Mono: int64(seq) * 1000, Wall: at, Clock: wire.ClockTrusted, Kind: kind, Session: fmt.Sprintf("s%015d", seq),
		Member: who.ID, Body: text}
	record, err := r.Canonical()
	if err != nil {
		b.Fatal(err)
	}
	return kind, record, who.ID, at
}

// insertRecord stores a record as the ledger does. Salt and leaf hash are not those of the record.
func insertRecord(b *testing.B, tx *store.Tx, journal, seq int, k wire.Kind, member policy.MemberID, wall time.Time,
	record []byte) error {
	_, err := tx.Exec(b.Context(), `INSERT INTO ledger_records (site, journal, seq, kind, member, session, wall, salt,
		leaf, record) VALUES ($1, $2, $3, $4, $5, 's', $6, $7, $8, $9)`, journal, seq, string(k), string(member),
		wall.UnixMilli(), make([]byte, 16), make([]byte, 32), record)
	return err
}
