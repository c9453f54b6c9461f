package daemon

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/wire"
)

func (b *bench) command(c wire.Command) (control.Reply, string) {
	before := len(b.notes.said)
	rep := b.operator.obey(b.t.Context(), c)
	return rep, strings.Join(append(slices.Clone(b.notes.said[before:]), "["+string(b.cfg.Panel.Current().Sign)+"]"), " ")
}

func TestCommandCannotRestoreARemovedTag(t *testing.T) {
	b := newBench(t)
	tag := wire.Command{ID: "c1", Do: "tag", Tag: "0123456789abcdef", Reason: "courroie usée"}
	rep, did := b.command(tag)
	b.wants(did, "tagged command [tagged]")
	if !rep.OK {
		t.Fatal(rep)
	}
	// The broker may deliver the same command again, any number of times.
	rep, did = b.command(tag)
	if b.wants(did, "[tagged]"); !rep.OK {
		t.Error(rep)
	}
	b.wants(b.do(control.Request{Do: "untag"}), "untagged [ready]")
	rep, did = b.command(tag)
	if b.wants(did, "[ready]"); rep.OK || !strings.Contains(rep.Error, "0123456789abcdef was taken off") {
		t.Error(rep)
	}
	// The daemon stores the removal of a tag in the same commit as the record, so the next run of the daemon knows that
	// the tag was removed.
	if b.notes.facts[FactRemoved+"0123456789abcdef"] == nil {
		t.Error("no fact says that the tag was taken off")
	}
	tag.Tag = "fedcba9876543210"
	rep, did = b.command(tag)
	if b.wants(did, "tagged command [tagged]"); !rep.OK {
		t.Error(rep)
	}
}

func TestHubCannotRemoveATag(t *testing.T) {
	b := newBench(t)
	b.do(control.Request{Do: "tag", Reason: "courroie usée"})
	rep, did := b.command(wire.Command{ID: "c2", Do: "untag"})
	b.wants(did, "command [tagged]")
	if rep.OK || !strings.Contains(rep.Error, "at the machine") || len(b.m.state.Holds.Tags) != 1 {
		t.Errorf("%+v, %d tags", rep, len(b.m.state.Holds.Tags))
	}
}

// A broker that repeatedly delivers a refused command must not fill the disk.
func TestSameRefusalIsRecordedOncePerMinute(t *testing.T) {
	b := newBench(t)
	count := func() (n int) {
		for range 100 {
			_, did := b.command(wire.Command{ID: "c3", Do: "open"})
			n += strings.Count(did, "command")
		}
		return n
	}
	if n := count(); n != 1 {
		t.Errorf("100 refusals made %d records, want 1", n)
	}
	b.now = b.now.Add(time.Minute)
	if n := count(); n != 1 {
		t.Errorf("100 refusals a minute later made %d records, want 1", n)
	}
	b.now = b.now.Add(time.Minute)
	n := 0
	for i := range 100 {
		_, did := b.command(wire.Command{ID: "c4", Do: "open" + strings.Repeat("x", i%30)})
		n += strings.Count(did, "command")
	}
	if n != refusalsMost {
		t.Errorf("30 different refusals, each again and again, made %d records, want %d", n, refusalsMost)
	}
}

// After a person has touched "Report a problem", the panel asks the person to tap their card. A tap that would end a
// session without the touch still ends the session.
func TestTapAfterReportIsTouchedStillEndsASession(t *testing.T) {
	b := newBench(t)
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
	b.now = b.now.Add(2 * time.Minute) // a minute has passed since the last tap, so the member no longer counts as present
	if _, err := b.actions.open(panel.FormRequest{Do: "report", Here: true}); !errors.Is(err, panel.CardToReportInUse) {
		t.Fatal(err)
	}
	if got := b.tap(lea); !strings.HasPrefix(got, "relay off session-end") {
		t.Errorf("the tap of the member whose session it is: %q", got)
	}
	// If the member has no session, the tap only identifies the member as the author of the report.
	b.now = b.now.Add(2 * time.Minute)
	if _, err := b.actions.open(panel.FormRequest{Do: "report", Here: true}); !errors.Is(err, panel.CardToReport) {
		t.Fatal(err)
	}
	if got := b.tap(lea); strings.Contains(got, "session-start") {
		t.Errorf("a tap that was asked for started a session: %q", got)
	}
}
