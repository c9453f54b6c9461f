package daemon

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/relay"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
)

// The tests in this file check rules that the other tests of this package miss. Each test was written after a change to
// the code went undetected by all tests (mutants_test.go).

func TestInputsThatHoldTheRelayClearTheirFault(t *testing.T) {
	members := exampleRoster(t)
	for _, input := range []string{"e-stop", "door"} {
		b := benchOf(t, members)
		b.tap(lea)
		b.signal(t.Context(), Signal{What: relay.EventKind(input), On: true})
		if b.m.state.Phase != session.Fault || b.m.relay ||
			!slices.Equal(faultNames(b.m.state.Holds.Faults), []string{input}) {
			t.Errorf("%s: phase %v, relay %v, faults %v", input, b.m.state.Phase, b.m.relay, b.m.state.Holds.Faults)
		}
		b.signal(t.Context(), Signal{What: relay.EventKind(input)})
		if len(b.m.state.Holds.Faults) != 0 || b.m.relay || b.m.state.Running() {
			t.Errorf("%s released: faults %v, relay %v", input, b.m.state.Holds.Faults, b.m.relay)
		}
	}
}

// The fault ends when the contactor follows its orders again. The tag of the contactor remains until a maintainer has
// checked the machine.
func TestTagOfAContactorRemainsAfterItFollowsAgain(t *testing.T) {
	b := newBench(t)
	b.tap(lea)
	b.signal(t.Context(), Signal{What: "contactor", On: true})
	b.signal(t.Context(), Signal{What: "contactor"})
	if len(b.m.state.Holds.Faults) != 0 || len(b.m.state.Holds.Tags) != 1 || b.m.state.Holds.Tags[0].ID != "contactor" ||
		b.m.relay {
		t.Errorf("faults %v, tags %+v, relay %v", b.m.state.Holds.Faults, b.m.state.Holds.Tags, b.m.relay)
	}
}

// A number can be copied. If the machine requires more proof, a number alone opens no form and does not count as the
// presence of its owner.
func TestCardWithInsufficientProofLeavesNobodyPresent(t *testing.T) {
	b := strongBench(t)
	b.m.state.Holds.ReaderDown = false
	b.tapWithProof(karim, rfid.NumberOnly)
	if d := b.cfg.Panel.Current().Visitor; d != nil {
		t.Errorf("the panel greets %q after a number alone", d.Name)
	}
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"}); !errors.Is(err, panel.CardToReport) {
		t.Errorf("report after a number alone: %v", err)
	}
	if got := b.e.decider.mentors(""); len(got) != 0 {
		t.Errorf("mentors here today after a number alone: %v", got)
	}
	b.m.noteArrival("m-be879f", policy.NumberOnly, policy.Decision{}) // a decision without a reason does not change that
	if who := b.m.currentMember(); who != "" {
		t.Errorf("%s stands at the machine after a number alone", who)
	}
	b.tapWithProof(karim, rfid.AES)
	if d := b.cfg.Panel.Current().Visitor; d == nil || d.Name != "Karim" {
		t.Errorf("after a proven card: %+v", d)
	}
}

func TestNumberOfOpenFormsIsLimited(t *testing.T) {
	b := newBench(t)
	b.tap(zoe)
	for i := range formsMost {
		f := form{opener: policy.MemberID(fmt.Sprint("m-", i)), Form: panel.Form{Ends: b.now.Add(formLife)}}
		if !b.m.forms.add(f) {
			t.Fatalf("form %d of %d was refused", i+1, formsMost)
		}
	}
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"}); !errors.Is(err, panel.TooManyForms) {
		t.Errorf("form %d: %v", formsMost+1, err)
	}
	if len(b.m.forms.open) != formsMost {
		t.Errorf("%d forms are open, want %d", len(b.m.forms.open), formsMost)
	}
	b.now = b.now.Add(formLife - time.Second)
	b.tap(zoe)
	b.now = b.now.Add(time.Second)
	if _, err := b.actions.open(panel.FormRequest{Here: true, Do: "report"}); err != nil {
		t.Errorf("once the others' time is over: %v", err)
	}
}

func TestNumberOfFormsThatWaitForTheirMembersIsLimited(t *testing.T) {
	b := newBench(t)
	b.tap(ines)
	for i := range formsMost {
		b.m.forms.waiting = append(b.m.forms.waiting, unsignedForm{
			form: form{opener: policy.MemberID(fmt.Sprint("m-", i))}, id: fmt.Sprint(i), ends: b.now.Add(formLife),
		})
	}
	if _, err := b.fillByPhone(panel.FormRequest{Do: "log"}, panel.Entry{Item: "lens-cleaning", Minutes: 1}); !errors.Is(
		err,
		panel.TooManyWait,
	) {
		t.Errorf("form %d that waits: %v", formsMost+1, err)
	}
	if len(b.m.forms.waiting) != formsMost {
		t.Errorf("%d forms wait, want %d", len(b.m.forms.waiting), formsMost)
	}
}

// A mentor can help a member whose badge has expired, as well as a member without the badge.
func TestRefusalOfAnExpiredBadgeNamesMentorsOfToday(t *testing.T) {
	b := newBench(t)
	b.tap(karim)
	b.tap(karim)
	b.now = b.now.Add(5 * time.Minute)
	for card, sign := range map[string]string{malik: "refused [expired]", zoe: "refused [refused]"} {
		b.wants(b.tap(card), sign)
		if v := b.cfg.Panel.Current(); !strings.Contains(v.Next.FR, "Karim") {
			t.Errorf("%s is told %q", card, v.Next.FR)
		}
		b.cfg.Panel.EndFlash()
	}
}

func TestMentorsHereTodayExcludeTheMemberWhoAsks(t *testing.T) {
	b := newBench(t)
	b.tap(karim)
	if got := b.e.decider.mentors(""); !slices.Equal(got, []string{"Karim"}) {
		t.Errorf("mentors here today: %v", got)
	}
	if got := b.e.decider.mentors("m-be879f"); len(got) != 0 {
		t.Errorf("Karim is offered %v as his mentor", got)
	}
}

func TestNoteOfAnOrderIsAtMost500Bytes(t *testing.T) {
	b := newBench(t)
	b.tap(ines)
	for _, x := range []struct {
		bytes, minutes int
		want           bool
	}{{501, 10, false}, {500, 10, true}, {0, 1441, false}, {0, -1, false}, {0, 1440, true}} {
		r := control.Request{Do: "log", Kind: "lens-cleaning", Minute: x.minutes, Note: strings.Repeat("x", x.bytes)}
		if rep := b.operator.order(t.Context(), r, ""); rep.OK != x.want || rep.Wrong == x.want {
			t.Errorf("note of %d bytes, %d minutes: %+v", x.bytes, x.minutes, rep)
		}
	}
}

// An order for a relay that is already closed is not a late start, however old the session is.
func TestOrderToAClosedRelayIsNeverTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.tap(lea)
		time.Sleep(2 * staleTap)
		b.e.execute(t.Context(), []session.Effect{session.Relay{On: true}}, time.Now().Add(-2*staleTap))
		if !b.m.relay || !b.m.state.Running() {
			t.Errorf("relay %v, phase %v", b.m.relay, b.m.state.Phase)
		}
	})
}
