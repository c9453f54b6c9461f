package publish_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/decided"
	"portillon/hub/publish"
	"portillon/policy"
	"portillon/policy/analysis"
	policyfile "portillon/policy/file"
	"portillon/wire"
)

// taps are records of decisions in memory, by machine.
type taps struct {
	t       testing.TB
	records map[policy.MachineID][][]byte
	asked   [2]time.Time
	err     error
}

func (x *taps) Parts(_ context.Context, sessions, refusals time.Time) (out []publish.RecordPart, err error) {
	x.asked = [2]time.Time{sessions, refusals}
	for m, all := range x.records {
		read := func(ctx context.Context, yield func(*decided.Decision) error) error {
			var reader wire.DecidedReader
			for _, record := range all {
				r, _ := wire.ParseRecord(record) // the kind of a record that cannot be read is empty
				d := decided.Parse(&reader, r.Kind, r.Wall.UnixMilli(), record)
				if err := errors.Join(ctx.Err(), x.err, yield(&d)); err != nil {
					return err
				}
			}
			return nil
		}
		out = append(out, publish.RecordPart{Machine: m, Records: len(all), Read: read})
	}
	return out, nil
}

// add adds a record of a kind with a body.
func (x *taps) add(k wire.Kind, m policy.MachineID, body string) {
	x.t.Helper()
	b, err := wire.Record{Site: "biklab", Machine: m, Seq: uint64(len(x.records[m]) + 1), Boot: "b", Wall: startTime,
		Clock: wire.ClockTrusted, Kind: k, Body: []byte(body)}.Canonical()
	if err != nil {
		x.t.Fatal(err)
	}
	x.records[m] = append(x.records[m], b)
}

// decide adds the record of what a policy decides about a member with badges at the laser.
func (x *taps) decide(p *policy.Policy, number string, member policy.MemberID, badges ...policy.BadgeID) {
	x.t.Helper()
	q := policy.Question{At: startTime, Clock: policy.Trusted, Machine: "laser", Member: &policy.Member{ID: member}}
	for _, b := range badges {
		q.Member.Holdings = append(q.Member.Holdings, policy.Holding{Badge: b, Standing: policy.Verified,
			From: startTime.AddDate(0, -1, 0), Checked: startTime})
	}
	d := p.Decide(q)
	basis := policy.BasisOf(q, d)
	basis.Policy = number
	if d.Verdict == policy.Allow {
		x.add(wire.SessionStart, "laser", jsonOf(x.t, wire.StartBody{Basis: &basis}))
	} else {
		x.add(wire.Refused, "laser", jsonOf(x.t, wire.RefusedBody{Reasons: d.Codes(), Basis: &basis}))
	}
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// replayBench is a bench in whose policy in force users of the laser need laser-user, with a draft that asks for
// another badge instead.
func replayBench(t *testing.T, with ...func(*bench)) (b *bench, x *taps, p *policy.Policy, number, draft string) {
	t.Helper()
	x = &taps{t: t, records: map[policy.MachineID][][]byte{}}
	b = newBench(t, append([]func(*bench){useEnglish, func(b *bench) {
		b.o.Records = x
		b.o.Names = func(_ context.Context, of []policy.MemberID) (map[policy.MemberID]string, error) {
			return map[policy.MemberID]string{"m-1": "Léa"}, nil
		}
	}}, with...)...)
	b.text = replayText("laser-user")
	b.publish(b.text, 0)
	p, err := policyfile.Parse("policy.yaml", []byte(b.text))
	if err != nil {
		t.Fatal(err)
	}
	return b, x, p, wire.PolicyNumber([]byte(b.text)), replayText("vinyl-user")
}

// replayText is a policy whose laser needs a badge.
func replayText(badge string) string {
	return `portillon: 1
site: biklab
language: en
timezone: Europe/Paris
issuers:
  biklab: { keys: ["did:key:z6MkeYkP3XG1tBSuGo99iPN2xT3A2kMc1h88v3iVo1qdmrTy"] }
badges:
  laser-user: { name: Laser, issuer: biklab, achievement: "https://biklab.example/laser" }
  vinyl-user: { name: Vinyl, issuer: biklab, achievement: "https://biklab.example/vinyl" }
roles: [learner, user, host, mentor, maintainer]
machines:
  laser:
    name: Laser
    grants:
      - { role: user, needs: ` + badge + ` }
`
}

func TestADraftIsReplayedOverRecordedTaps(t *testing.T) {
	b, x, p, number, draft := replayBench(t)
	for range 3 {
		x.decide(p, number, "m-1", "laser-user")
	}
	x.decide(p, number, "m-2", "laser-user")
	x.decide(p, number, "m-3", "laser-user", "vinyl-user")
	x.decide(p, number, "m-2", "vinyl-user")
	x.decide(p, number, "m-4")
	d := b.draft(owner, draft)
	if d.Replay == nil {
		t.Fatalf("no replay: %+v", d)
	}
	s, r := d.Replay.Sessions, d.Replay.Refusals
	if s.Days != 90 || s.Records != 5 || s.Changed != 4 || s.Members != 2 || s.NotReplayable != 0 ||
		!slices.Equal(s.Causes, []publish.ReplayCause{{Machine: "laser", Reason: policy.NoBadge, Times: 4, Members: 2}}) ||
		!slices.Equal(s.People, []publish.ReplayPerson{{Member: "m-1", Name: "Léa", Times: 3}, {Member: "m-2", Times: 1}}) {
		t.Errorf("sessions: %+v", s)
	}
	if r.Days != 30 || r.Records != 2 || r.Changed != 1 || r.Members != 1 ||
		!slices.Equal(r.Causes, []publish.ReplayCause{{Machine: "laser", Reason: policy.NoBadge, Times: 1, Members: 1}}) {
		t.Errorf("refusals: %+v", r)
	}
	if want := [2]time.Time{startTime.AddDate(0, 0, -90), startTime.AddDate(0, 0, -30)}; x.asked != want {
		t.Errorf("records since %v, want %v", x.asked, want)
	}
	// The policy in force, with another comment, changes nothing.
	same := b.draft(owner, b.text+"# same\n").Replay
	if same == nil || same.Sessions.Changed+same.Refusals.Changed > 0 || same.Sessions.Records != 5 {
		t.Errorf("the same policy: %+v", same)
	}
}

// Names and members are for those who may read the list of members; causes are for those who may read the machine's
// reports.
func TestAReplayNamesMembersOnlyForThoseWhoMayReadThem(t *testing.T) {
	b, x, p, number, draft := replayBench(t)
	x.decide(p, number, "m-1", "laser-user")
	for name, c := range map[string]struct {
		who            actor.Actor
		causes, people int
	}{
		"owner": {owner, 1, 1},
		"mentor of the machine": {actor.Actor{Account: "2", Site: actor.Member,
			Machines: map[policy.MachineID]actor.Role{"laser": actor.Mentor}}, 1, 0},
		"mentor of another machine": {actor.Actor{Account: "3", Site: actor.Member,
			Machines: map[policy.MachineID]actor.Role{"vinyl": actor.Mentor}}, 0, 0},
		"token for policies": {actor.Actor{Account: "1", Site: actor.Owner, Token: "t",
			Scopes: []actor.Act{actor.ReadPolicy}}, 0, 0},
	} {
		d := b.draft(c.who, draft)
		if d.Replay == nil || d.Replay.Sessions.Changed != 1 || len(d.Replay.Sessions.Causes) != c.causes ||
			len(d.Replay.Sessions.People) != c.people || strings.Contains(jsonOf(t, d.Replay), "Léa") != (c.people > 0) {
			t.Errorf("%s: %+v", name, d.Replay)
		}
	}
}

func TestRecordsThatCannotBeReplayedAreCountedWithTheReason(t *testing.T) {
	b, x, p, number, draft := replayBench(t)
	x.decide(p, "b60b4843f45e", "m-1", "laser-user")
	x.decide(p, number, "m-1", "laser-user")
	x.add(wire.SessionStart, "laser", `{"role":"user","grant":0,"badges":["laser-user"],"bundle":1,"card":"uid"}`)
	x.add(wire.HandedOver, "laser", `{"from":"a","to":"b"}`)
	x.add(wire.Refused, "laser", `{"basis":7}`)
	x.add(wire.Refused, "laser", `{"basis":{"policy":"`+number+`","truncated":true,"verdict":"deny"}}`)
	x.add(wire.Refused, "laser", `{"basis":{"policy":"`+number+`","card":"gold","verdict":"deny"}}`)
	x.records["laser"] = append(x.records["laser"], []byte("no JSON"))
	got := b.draft(owner, strings.Replace(draft, "achievement: \"https://biklab.example/vinyl\"",
		"achievement: \"https://biklab.example/other\"", 1)).Replay
	count := func(r publish.Replayed) string {
		out := fmt.Sprint(r.Records, r.Changed, r.NotReplayable)
		for _, o := range r.Obstacles {
			out += fmt.Sprintf(" %s:%d", o.Obstacle, o.Times)
			if o.Text == "" {
				t.Errorf("%s has no sentence", o.Obstacle)
			}
		}
		return out
	}
	for _, c := range []struct {
		of   publish.Replayed
		want string
	}{
		{got.Sessions, "4 0 4 no-basis:1 policy-missing:1 unreadable:1 badges-unknown:1"},
		{got.Changes, "1 0 1 no-basis:1"},
		{got.Refusals, "3 0 3 unreadable:2 truncated:1"},
	} {
		if is := count(c.of); is != c.want {
			t.Errorf("%s, want %s", is, c.want)
		}
	}
	if len(analysis.Obstacles()) != 5 {
		t.Error("an obstacle has no test")
	}
}

func TestAReplayStopsWhenItsCallerLeaves(t *testing.T) {
	b, x, p, number, draft := replayBench(t)
	x.decide(p, number, "m-1", "laser-user")
	ctx, cancel := context.WithCancel(t.Context())
	b.o.Names = nil
	x.records["vinyl"] = x.records["laser"]
	cancel()
	if _, err := b.s.Drafts.Check(ctx, owner, draft); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	// An unreadable database does not prevent the rest of the check.
	x.err = errors.New("disk I/O error")
	if d := b.draft(owner, draft); d.Effect == nil || d.Replay != nil ||
		!strings.Contains(strings.Join(d.Effect.Faults, " "), "disk I/O error") {
		t.Errorf("%+v", d)
	}
}
