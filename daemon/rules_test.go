package daemon

import (
	"strings"
	"testing"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

func TestStatusNamesTheReasonWhyABundleIsRefused(t *testing.T) {
	b := newBench(t)
	b.SetBundleState(BundleState{Refused: "signed with the key of another site"})
	rep := b.operator.order(t.Context(), control.Request{Do: "status"}, "")
	if rep.Status == nil || rep.Status.BundleRefused != "signed with the key of another site" {
		t.Errorf("%+v", rep.Status)
	}
}

func TestRemovingATagThatDoesNotExistIsAnError(t *testing.T) {
	b := newBench(t)
	if rep := b.operator.order(t.Context(), control.Request{Do: "untag"}, ""); rep.OK ||
		rep.Error != "no tag hangs on this machine" {
		t.Errorf("%+v", rep)
	}
}

// The list of removed tags contains a tag after its removal, and not before.
func TestOnlyARemovedTagIsListedAsRemoved(t *testing.T) {
	b := newBench(t)
	removed := func() (n int) {
		for k := range b.notes.facts {
			if strings.HasPrefix(k, FactRemoved) {
				n++
			}
		}
		return n
	}
	b.do(control.Request{Do: "tag", Reason: "courroie usée"})
	if n := removed(); n != 0 {
		t.Errorf("%d tags are listed while the one tag hangs", n)
	}
	if b.do(control.Request{Do: "untag"}); removed() != 1 {
		t.Errorf("%d tags are listed after the one was taken off", removed())
	}
}

func TestInterventionLeavesTheRunningHoursUnchanged(t *testing.T) {
	b := newBench(t)
	b.tap(ines)
	b.tap(lea)
	delete(b.notes.facts, FactHours)
	b.wants(b.do(control.Request{Do: "log", Kind: "lens-cleaning", Minute: 10}), "intervention [thanks]")
	if b.notes.facts[FactHours] == nil {
		t.Error("the hours are not kept with the record")
	}
}

func TestPanelNamesAWorkshop(t *testing.T) {
	b := newBench(t)
	b.m.state.Phase, b.m.state.Current = session.On, session.Current{
		Session: "s", Role: policy.Host, Since: b.now, Until: b.now.Add(time.Hour),
	}
	workshop := b.e.views.phaseView()
	b.m.state.Current.Role = policy.User
	if own := b.e.views.phaseView(); workshop.Line == own.Line {
		t.Errorf("%+v", workshop.Line)
	}
}

func TestRestoredFactNamesEachEarlierGeneration(t *testing.T) {
	fact := mustJSON(generationsOf([]wire.ReplacedJournal{{Generation: "a"}, {Generation: "b"}}))
	if !IsFormer(fact, "a") || !IsFormer(fact, "b") || IsFormer(fact, "c") {
		t.Errorf("%s", fact)
	}
}
