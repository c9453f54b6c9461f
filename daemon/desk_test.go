package daemon

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// touch performs a touch at the screen of the machine, and returns the refusal or nil.
func (b *bench) touch(o panel.Touch) error {
	o.Here = true
	return b.actions.touch(b.t.Context(), o)
}

func (b *bench) offered() string {
	var out []string
	v := b.cfg.Panel.Current()
	for _, o := range v.Offers {
		out = append(out, strings.TrimSuffix(string(o.Do)+" "+o.Arg, " "))
	}
	if v.Visitor != nil && v.Visitor.Question != "" {
		out = append(out, "ask "+string(v.Visitor.Question))
	}
	return strings.Join(out, ", ")
}

// since returns the events after the first n, separated by spaces.
func (b *bench) since(n int) string { return strings.Join(b.notes.said[n:], " ") }

func (b *bench) fills(a panel.FormRequest, e panel.Entry) error {
	f, err := b.actions.open(a)
	if err != nil {
		return err
	}
	return b.fill(f.Token, e)
}

// fill submits a form at the screen of the machine.
func (b *bench) fill(token string, e panel.Entry) error {
	e.Here = true
	_, err := b.actions.fillIn(b.t.Context(), token, e)
	return err
}

func TestFormsOpenOnlyWithinAMinuteOfATap(t *testing.T) {
	b := newBench(t)
	for do, want := range map[string]error{"report": panel.CardToReport, "log": panel.CardFirst, "tag": panel.CardFirst} {
		if _, err := b.actions.open(panel.FormRequest{Here: true, Do: panel.Action(do)}); !errors.Is(err, want) {
			t.Errorf("%s: %v", do, err)
		}
		if _, err := b.actions.open(panel.FormRequest{Do: panel.Action(do)}); !errors.Is(err, panel.ScanCode) {
			t.Errorf("%s from elsewhere: %v", do, err)
		}
	}
	b.m.presence.askedUntil = time.Time{}
	for _, do := range []string{"untag", "vouch", "role"} {
		if err := b.touch(panel.Touch{Do: panel.Action(do)}); !errors.Is(err, panel.CardFirst) {
			t.Errorf("%s: %v", do, err)
		}
	}
	for _, do := range []string{"untag", "vouch", "role", "extend", "power-off"} {
		if err := b.actions.touch(t.Context(), panel.Touch{Do: panel.Action(do)}); !errors.Is(err, panel.OnlyHere) {
			t.Errorf("%s from elsewhere: %v", do, err)
		}
	}
	b.tap("DEADBEEF")
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"}); !errors.Is(err, panel.CardToReport) {
		t.Errorf("a stranger: %v", err)
	}
	b.tap(zoe) // Zoé is refused, but she is still a member
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"}); err != nil {
		t.Error(err)
	}
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "log"}); !errors.Is(err, panel.NotNow) {
		t.Errorf("a member logs: %v", err)
	}
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "tag"}); !errors.Is(err, panel.NotNow) {
		t.Errorf("a member tags: %v", err)
	}
	b.now = b.now.Add(session.ChooseFor)
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"}); !errors.Is(err, panel.CardToReport) {
		t.Errorf("a minute later: %v", err)
	}
}

func TestReportKeepsItsAuthorIfAnotherMemberTaps(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	f, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"})
	if err != nil || !strings.HasPrefix(f.Title.FR, "Léa,") || len(f.Items) != 4 {
		t.Fatalf("%+v %v", f, err)
	}
	b.tap(lea)
	b.tap(karim)
	var who policy.MemberID
	b.cfg.Journal = bodyRecorder{b.notes, func(r session.Record) { who = r.Member }}
	n := len(b.notes.said)
	if err := b.fill(f.Token, panel.Entry{Item: "noise", Note: "grince"}); err != nil || b.since(n) != "problem" ||
		who != "" {
		t.Errorf("%v %q by %s: another card was presented since", err, b.since(n), who)
	}
	b.tap(lea)
	if err := b.touch(panel.Touch{Do: "confirm", Arg: b.m.forms.waiting[0].id}); err != nil ||
		b.since(n) != "problem problem" ||
		who != "m-020dc2" {
		t.Errorf("%v %q by %s", err, b.since(n), who)
	}
	if err := b.fill(f.Token, panel.Entry{Item: "noise"}); !errors.Is(err, panel.FormOver) {
		t.Errorf("written twice: %v", err)
	}
	f, _ = b.actions.open(panel.FormRequest{Here: true, Do: "report"})
	b.now = b.now.Add(formLife)
	if err := b.fill(f.Token, panel.Entry{Item: "noise"}); !errors.Is(err, panel.FormOver) {
		t.Errorf("after ten minutes: %v", err)
	}
}

// bodyRecorder is a journal that also stores the bodies of all records.
type bodyRecorder struct {
	*notebook
	hear func(session.Record)
}

func (h bodyRecorder) Append(r session.Record, f map[string][]byte) error {
	err := h.notebook.Append(r, f)
	if err == nil {
		h.hear(r)
	}
	return err
}

func TestFormCanBeSentAgainUntilItIsRecorded(t *testing.T) {
	b := newBench(t)
	b.tap(zoe)
	f, _ := b.actions.open(panel.FormRequest{Here: true, Do: "report"})
	if err := b.fill(f.Token, panel.Entry{Item: "fire"}); !errors.Is(err, panel.ChooseFromList) {
		t.Error(err)
	}
	b.notes.full = true
	if err := b.fill(f.Token, panel.Entry{Item: "noise"}); !errors.Is(err, panel.NotSaved) {
		t.Error(err)
	}
	b.notes.full = false
	if err := b.fill(f.Token, panel.Entry{Item: "noise"}); err != nil {
		t.Error(err)
	}
}

func TestDangerTagsTheMachineOutAndNamesTheReporter(t *testing.T) {
	b := newBench(t)
	b.tap(zoe)
	if err := b.fills(panel.FormRequest{Here: true, Do: "report"}, panel.Entry{Item: "dangerous",
		Note: "fumée\nderrière"}); err != nil {
		t.Fatal(err)
	}
	b.cfg.Panel.EndFlash()
	if v := b.cfg.Panel.Current(); v.Sign != panel.SignTagged || !strings.Contains(v.Line.FR, "danger, fumée") ||
		strings.Contains(v.Line.FR, "derrière") ||
		!strings.Contains(v.Next.EN, "Reported by a member") {
		t.Errorf("%+v", v)
	}
	b.wants(b.tap(lea), "refused [tagged]")
	b.tap(ines)
	if got := b.offered(); !strings.HasPrefix(got, "power-off, log, untag danger-m-9d017e") {
		t.Error(got)
	}
	if err := b.touch(panel.Touch{Do: "untag", Arg: "no such"}); err == nil {
		t.Error("untagged nothing")
	}
	if err := b.touch(panel.Touch{Do: "untag", Arg: b.m.state.Holds.Tags[0].ID}); err != nil ||
		len(b.m.state.Holds.Tags) != 0 {
		t.Error(err)
	}
	b.wants(b.tap(ines), "relay off session-end [cooling]")
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
}

func TestMaintainerLogsAnInterventionInTwoTouchesAfterTheSession(t *testing.T) {
	b := newBench(t)
	b.tap(ines)
	b.tap(lea) // Léa joins as a helper
	b.now = b.now.Add(25 * time.Minute)
	b.wants(b.tap(ines), "relay off session-end [cooling]")
	if got := b.offered(); got != "tag, ask log" {
		t.Fatal(got)
	}
	if v := b.cfg.Panel.Current(); v.Visitor.Line.FR != "Léa, qu’est-ce qui a été fait ?" ||
		v.Visitor.Items[0].ID != "lens-cleaning" ||
		len(v.Visitor.Items) != 4 {
		t.Errorf("%+v", v.Visitor)
	}
	f, err := b.actions.open(panel.FormRequest{Here: true, Do: "log", Item: "lens-cleaning"})
	if err != nil || f.Minutes != 25 || !f.Parts {
		t.Fatalf("%+v %v", f, err)
	}
	var r session.Record
	b.cfg.Journal = bodyRecorder{b.notes, func(x session.Record) { r = x }}
	b.now = b.now.Add(5 * time.Minute) // the member fills in the form slowly
	if err := b.fill(f.Token, panel.Entry{Item: "lens-cleaning", Minutes: 20,
		Photo: panel.Picture{Name: "ab"}}); err != nil {
		t.Fatal(err)
	}
	if x := r.Body.(wire.InterventionBody); r.Member != "m-020dc2" || x.Endorser == "" || x.Endorser == r.Member ||
		x.Minutes != 20 ||
		x.Photo != "ab" ||
		x.RanBy != wire.RanByRelay ||
		r.Session == "" {
		t.Errorf("%+v", r)
	}
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "log"}); err == nil {
		t.Error("a form for whoever comes later")
	}
	if d := b.m.upkeep.done["lens-cleaning"]; d.At.IsZero() || len(b.notes.facts[FactDone+"lens-cleaning"]) == 0 {
		t.Errorf("%+v", d)
	}
}

func TestPowerOffAtThePanelIsEndedOnlyByACard(t *testing.T) {
	b := newBench(t)
	b.tap(ines)
	if err := b.touch(panel.Touch{Do: "power-off"}); err != nil || b.m.relay {
		t.Fatal(err, b.m.relay)
	}
	if v := b.cfg.Panel.Current(); !strings.Contains(v.Line.FR, "Débrancher avant d’ouvrir") ||
		b.offered() != "log, tag" {
		t.Errorf("%+v %s", v.Line, b.offered())
	}
	for _, do := range []string{"power-off", "extend", "power-on", "tap", ""} {
		if err := b.touch(panel.Touch{Do: panel.Action(do)}); err == nil || b.m.relay {
			t.Errorf("%s: %v, relay %v", do, err, b.m.relay)
		}
	}
	if b.touch(panel.Touch{Do: "role", Arg: "user"}); b.m.relay {
		t.Error("a role")
	}
	b.wants(b.tap(ines), "relay off session-end [cooling]")
	b.wants(b.tap(ines), "session-start RELAY ON [maintenance]")
}

func TestTouchExtendsASessionWithinThePolicysLimit(t *testing.T) {
	b := newBench(t)
	b.now = time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC) // 18:00 in Paris; the laser closes at 21:00
	b.tap(lea)
	if err := b.touch(panel.Touch{Do: "extend"}); !errors.Is(err, panel.NotNow) {
		t.Error(err)
	}
	b.now = b.m.state.Current.Until.Add(-90 * time.Second)
	b.e.apply(t.Context(), session.Tick{})
	if v := b.cfg.Panel.Current(); v.Sign != panel.SignEnding || v.Next.FR != "Pour prolonger : touchez ci-dessous" ||
		b.offered() != "extend" {
		t.Fatalf("%+v %s", v, b.offered())
	}
	if err := b.touch(panel.Touch{Do: "extend"}); err != nil {
		t.Fatal(err)
	}
	if got := b.m.state.Current.Until.Sub(b.now); got != 30*time.Minute+90*time.Second {
		t.Errorf("%s left", got)
	}
	b.now = b.m.state.Current.Until.Add(-time.Minute) // the time is half an hour before the laser closes
	b.e.apply(t.Context(), session.Tick{})
	b.touch(panel.Touch{Do: "extend"})
	if closes := time.Date(2026, 11, 23, 20, 0, 0, 0, time.UTC); b.m.state.Current.Until.After(closes) {
		t.Errorf("past closing time: %s", b.m.state.Current.Until)
	}
}

// The policy's maximum duration limits a session only when the session starts. An extension at the panel can add time
// beyond the policy's maximum, until the machine closes.
func TestExtensionIsLimitedByClosingTimeAndNotByTheMaximumDuration(t *testing.T) {
	b := otherBench(t, "session: { max: 2h, idle: 10m, warn: 2m }", "session: { max: 30m, warn: 25m, extend: 30m }")
	for _, c := range []struct {
		start string
		want  time.Duration
	}{{"2026-11-23T12:00:00+01:00", 52 * time.Minute}, {"2026-11-23T20:22:00+01:00", 30 * time.Minute}} {
		b.now, _ = time.Parse(time.RFC3339, c.start)
		b.tap(lea)
		b.now = b.now.Add(8 * time.Minute)
		b.e.apply(t.Context(), session.Tick{})
		if err := b.touch(panel.Touch{Do: "extend"}); err != nil {
			t.Error(err)
		}
		if got := b.m.state.Current.Until.Sub(b.now).Round(time.Minute); got != c.want {
			t.Errorf("from %s: %s left, want %s", c.start, got, c.want)
		}
		b.tap(lea)
	}
}

// The mentor's practice at this machine counts for the extension of a supervised session, as it counted for the tap
// that started the session.
func TestExtensionOfASupervisedSessionCountsTheMentorsPractice(t *testing.T) {
	b := otherBench(
		t,
		"supervisor: laser-mentor, hours",
		"supervisor: { badge: laser-mentor, used-within: 2d, hours: 10 }, hours",
	)
	b.tap(jules)
	b.wants(b.tap(karim), "session-start RELAY ON [on]") // the mentor's own session requires no hours of practice
	mentor := b.m.state.Current.Member
	b.tap(karim)
	b.m.practice.of[mentor] = policy.Practice{Machine: "laser", Last: b.now, Logged: 10 * time.Hour}
	b.wants(b.tap(jules), "[awaiting]")
	b.wants(b.tap(karim), "session-start RELAY ON [supervised]")
	b.now = b.m.state.Current.Until.Add(-time.Minute)
	b.e.apply(t.Context(), session.Tick{})
	if err := b.touch(panel.Touch{Do: "extend"}); err != nil {
		t.Errorf("with the mentor who was good enough at the tap: %v", err)
	}
}

// A machine knows only its own session, so a mentor supervises at most one learner at this machine. When that session
// is extended, or when another mentor takes over, the limit on the number of learners does not count it twice.
func TestMentorSupervisesAtMostOneSessionOfAMachine(t *testing.T) {
	b := otherBench(
		t,
		"supervisor: laser-mentor, hours",
		"supervisor: { any: [laser-mentor, laser-maintainer] }, learners: 1, hours",
	)
	person := func(card string) *policy.Member {
		u, _ := rfid.ParseUID(card)
		p, _ := b.m.rules.lookup(u)
		return p.Member
	}
	answers := func(learner, mentor string, want int) {
		t.Helper()
		if got := b.e.decider.question(person(learner), person(mentor), policy.NoRole).Answering; got != want {
			t.Errorf("answers for %d sessions already, want %d", got, want)
		}
	}
	b.tap(jules)
	answers(jules, karim, 0)
	b.wants(b.tap(karim), "session-start RELAY ON [supervised]")
	answers(jules, karim, 0)
	answers(zoe, karim, 1)
	answers(zoe, ines, 0)
	if q := b.e.decider.question(person(zoe), nil, policy.NoRole); q.Answering != 0 {
		t.Error("nobody answers for sessions")
	}
	b.wants(b.tap(zoe), "[occupied]") // the machine is in use by another member
	b.now = b.m.state.Current.Until.Add(-time.Minute)
	b.e.apply(t.Context(), session.Tick{})
	if err := b.touch(panel.Touch{Do: "extend"}); err != nil {
		t.Errorf("their own session keeps a mentor from extending it: %v", err)
	}
	b.tap(ines)
	if b.m.state.Current.Supervisor != person(ines).ID {
		t.Error("another mentor cannot take over")
	}
	answers(zoe, karim, 0)
	answers(zoe, ines, 1)
	b.tap(ines)
	answers(zoe, ines, 0)
}

func TestMentorVouchesInTwoTouches(t *testing.T) {
	b := newBench(t)
	b.tap(jules)
	b.tap(karim)
	b.tap(jules)
	if v := b.cfg.Panel.Current(); v.Next.FR != "Karim : présentez votre carte pour dire ce que Jules a réussi" {
		t.Errorf("%+v", v.Next)
	}
	b.wants(b.tap(karim), "[cooling]")
	if b.offered() != "ask vouch" || b.cfg.Panel.Current().Visitor.Items[0].ID != "focus" {
		t.Fatal(b.offered())
	}
	for _, items := range [][]string{nil, {"juggling"}, {"focus", "juggling"}} {
		if err := b.touch(panel.Touch{Do: "vouch", Items: items}); !errors.Is(err, panel.ChooseFromList) {
			t.Errorf("%v: %v", items, err)
		}
	}
	n := len(b.notes.said)
	if err := b.touch(panel.Touch{Do: "vouch", Items: []string{"settings", "focus", "focus"}}); err != nil ||
		b.since(n) != "vouched" {
		t.Error(err, b.since(n))
	}
	if v := b.cfg.Panel.Current(); v.Sign != panel.SignThanks || !strings.Contains(v.Line.FR, "Jules") {
		t.Errorf("%+v", v)
	}
}

// If no learner waits for a mentor, the mentor's card starts a session of the mentor.
func TestMentorsCardStartsASessionIfNoVouchIsPossible(t *testing.T) {
	b := benchOf(t, rosterOf(t, "../site-example"))
	for i := range b.m.rules.roster.Policy.Machines {
		b.m.rules.roster.Policy.Machines[i].Vouch = nil
	}
	b.tap(jules)
	b.tap(karim)
	b.tap(jules)
	b.wants(b.tap(karim), "session-start RELAY ON [on]")
}

func TestRefusalNamesMentorsWhoTappedToday(t *testing.T) {
	b := newBench(t)
	b.tap(zoe)
	if v := b.cfg.Panel.Current(); strings.Contains(v.Next.FR, "aujourd’hui") {
		t.Errorf("nobody was here: %q", v.Next.FR)
	}
	b.tap(karim)
	b.tap(karim)
	b.tap(lea) // Léa is not a mentor
	b.tap(lea)
	b.tap(zoe)
	if v := b.cfg.Panel.Current(); !strings.Contains(v.Next.FR, "(aujourd’hui : Karim)") ||
		!strings.Contains(v.Next.EN, "(today: Karim)") {
		t.Errorf("%+v", v.Next)
	}
	b.tap(jules)
	b.cfg.Panel.EndFlash()
	if v := b.cfg.Panel.Current(); !strings.Contains(v.Next.FR, "Karim") {
		t.Errorf("%+v", v.Next)
	}
	b.tap(jules)
	b.now = b.now.Add(24 * time.Hour)
	b.tap(zoe)
	if v := b.cfg.Panel.Current(); strings.Contains(v.Next.FR, "Karim") {
		t.Errorf("of yesterday: %q", v.Next.FR)
	}
}

func TestMaintenanceIsAnnouncedAndBlocksTheMachineOnceDue(t *testing.T) {
	b := newBench(t)
	b.periodic.upkeep(t.Context())
	b.tap(lea)
	b.tap(lea)
	if len(b.notes.facts[FactDone+"extraction"]) == 0 {
		t.Error("when it began to count is not kept")
	}
	b.m.state.Runtime.Ran.Relay = 18*time.Hour + time.Minute
	b.e.apply(t.Context(), session.Tick{})
	if v := b.cfg.Panel.Current(); v.Note.FR != "Entretien bientôt : nettoyage de la lentille (2 h de marche)" {
		t.Errorf("%q", v.Note.FR)
	}
	b.m.upkeep.done["extraction"] = policy.Done{At: b.now.Add(-91 * 24 * time.Hour), Ran: b.m.ran()}
	b.tap(ines)
	b.periodic.upkeep(t.Context())
	if len(b.m.state.Holds.Tags) != 0 {
		t.Error("somebody at work is sent away")
	}
	b.tap(ines)
	b.periodic.upkeep(t.Context())
	b.periodic.upkeep(t.Context())
	if v := b.cfg.Panel.Current(); len(b.m.state.Holds.Tags) != 1 ||
		!strings.Contains(v.Line.FR, "entretien à faire (extraction et filtres)") ||
		!strings.Contains(v.Line.EN, "extraction and filters") {
		t.Fatalf("%+v %+v", b.m.state.Holds.Tags, v.Line)
	}
	b.wants(b.tap(lea), "refused [tagged]")
	b.tap(ines)
	if got := b.offered(); strings.Contains(got, "untag") {
		t.Errorf("what is due is taken off by doing it: %s", got)
	}
	if err := b.fills(panel.FormRequest{Here: true, Do: "log"}, panel.Entry{Item: "extraction", Minutes: 1}); err != nil ||
		len(b.m.state.Holds.Tags) != 0 {
		t.Errorf("%v %+v", err, b.m.state.Holds.Tags)
	}
	b.tap(ines)
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
}

func TestRunningHoursSurviveARestart(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	b.now = b.now.Add(90 * time.Minute)
	b.tap(lea)
	var kept session.Hours
	if err := json.Unmarshal(b.notes.facts[FactHours], &kept); err != nil || kept.Relay < 90*time.Minute ||
		b.m.hours() != 1.5 {
		t.Errorf("%v %+v %v", err, kept, b.m.hours())
	}
	p := *b.cfg
	p.Ran = kept
	if m := New(p); m.engine.model.ran() != kept.Relay {
		t.Error(m.engine.model.ran())
	}
}

func TestCardWithInsufficientProofEndsThePresenceOfAnEarlierMember(t *testing.T) {
	b := strongBench(t)
	b.m.state.Holds.ReaderDown = false
	b.tapWithProof(ines, 0)
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"}); !errors.Is(err, panel.CardToReport) {
		t.Error(err)
	}
	b.tapWithProof(lea, rfid.AES)
	b.tapWithProof(ines, 0)
	if d := b.cfg.Panel.Current().Visitor; d != nil {
		t.Errorf("and leaves %s standing there, who has gone", d.Name)
	}
}

func TestOperatorCannotUseTheIDOfAMachinesOwnTag(t *testing.T) {
	b := newBench(t)
	if rep := b.operator.order(t.Context(), control.Request{Do: "tag", Tag: "due:lens", Reason: "x"}, ""); !rep.Wrong {
		t.Errorf("%+v", rep)
	}
}

// Home Assistant receives the state of the machine without personal data.
func TestStateOnMQTTNamesNobody(t *testing.T) {
	b := newBench(t)
	if s := b.e.views.wireState(); s.Format != 2 || s.Generation != "0123456789abcdef" {
		t.Errorf("format %d, generation %q", s.Format, s.Generation)
	}
	if s := b.e.views.wireState(); s.Left != 0 || s.Hours != 0 || s.Due != "" || s.Tagged {
		t.Errorf("%+v", s)
	}
	b.tap(lea)
	b.now = b.m.state.Current.Until.Add(-61 * time.Second)
	b.e.apply(t.Context(), session.Tick{})
	if s := b.e.views.wireState(); s.Left != 2 || s.Hours != 1.9 || !s.Relay {
		t.Errorf("%+v", s)
	}
	b.m.state.Runtime.Ran.Relay = 20 * time.Hour
	b.operator.order(t.Context(), control.Request{Do: "tag", Reason: "Léa Martin l’a dit"}, "")
	s := b.e.views.wireState()
	if s.Due != "lens-cleaning" {
		t.Errorf("%+v", s)
	}
	for _, person := range []string{"Léa", "Martin", "m-020dc2", lea} {
		if text := string(mustJSON(s)); strings.Contains(text, person) {
			t.Errorf("%s is in %s", person, text)
		}
	}
}
