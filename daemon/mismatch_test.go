package daemon

import (
	"strings"
	"testing"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/session"
)

// A machine with an older journal is out of service until a maintainer has checked the machine. The machine is tagged
// out once for each count of records that the hub reports.
func TestOlderJournalTagsTheMachineOutUntilAMaintainerRemovesTheTag(t *testing.T) {
	b := newBench(t)
	turn := func(hub uint64) {
		b.SetJournalMismatch(JournalMismatch{Hub: hub, Here: 3})
		b.periodic.tagMismatch(t.Context())
		b.e.show()
	}
	turn(92)
	b.wants(b.tap(lea), "refused [tagged]")
	if !b.m.isTagged("journal-older-92") || b.cfg.Panel.Current().Note != panel.OlderJournal() {
		t.Errorf("tags %+v, note %+v", b.m.state.Holds.Tags, b.cfg.Panel.Current().Note)
	}
	if s := b.e.views.status(); !strings.Contains(s.JournalDamage, "the hub holds 92 records") {
		t.Errorf("%q", s.JournalDamage)
	}
	if r := b.operator.order(t.Context(), control.Request{Do: "untag", Tag: "journal-older-92"}, ""); !r.OK {
		t.Fatalf("%+v", r)
	}
	if turn(92); b.m.isTagged("journal-older-92") {
		t.Error("the tag is back after a maintainer took it off")
	}
	if turn(95); !b.m.isTagged("journal-older-95") {
		t.Error("the hub holds more now, and nothing says so")
	}
}

// If a part of the journal cannot be read, the machine still works and the panel shows the damage.
func TestDamageOfTheJournalIsShownWhileTheMachineWorks(t *testing.T) {
	b := newBench(t)
	b.SetJournalDamage("page 7")
	b.e.show()
	if b.cfg.Panel.Current().Note != panel.DamagedJournal() || b.e.views.status().JournalDamage != "page 7" {
		t.Errorf("%+v, %q", b.cfg.Panel.Current().Note, b.e.views.status().JournalDamage)
	}
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
	b.e.apply(t.Context(), session.Stop{})
}
