package daemon

import (
	"testing"
	"time"

	"portillon/daemon/session"
)

func TestPresenceLastsAMinuteAndCountsArrivals(t *testing.T) {
	paris := time.FixedZone("CET", 3600)
	at := time.Date(2026, 11, 23, 22, 59, 0, 0, time.UTC) // 23:59 in the site's zone
	var p presence
	if p.member(at) != "" {
		t.Error("somebody stands at a machine that nobody tapped at")
	}
	p.arrive("m-1", at, paris)
	first := p.generation
	if p.member(at.Add(session.ChooseFor-1)) != "m-1" || p.member(at.Add(session.ChooseFor)) != "" {
		t.Error("presence does not last for session.ChooseFor")
	}
	if p.arrive("m-1", at.Add(time.Second), paris); p.generation != first {
		t.Error("a second tap of the same member is another arrival")
	}
	if p.arrive("m-2", at.Add(2*time.Second), paris); p.generation == first || len(p.visitorsToday) != 2 {
		t.Errorf("generation %d, visitors %v", p.generation, p.visitorsToday)
	}
	if p.arrive("m-3", at.Add(time.Minute), paris); len(p.visitorsToday) != 1 || !p.visitorsToday["m-3"] {
		t.Errorf("after midnight the visitors are %v", p.visitorsToday)
	}
	second := p.generation
	if p.leave(); p.member(at.Add(time.Minute)) != "" || p.generation == second {
		t.Error("a card of nobody leaves somebody standing there")
	}
	again := p.generation
	if p.arrive("m-3", at.Add(time.Minute), paris); p.generation == again {
		t.Error("whoever comes back is no new arrival")
	}
}

func TestRequestedCardIdentifiesOneReporterOnly(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	var p presence
	p.arrive("m-1", at, time.UTC)
	if p.acceptReporter(at) {
		t.Error("nobody asked")
	}
	p.expectReporter(at)
	if !p.acceptReporter(at.Add(identify-1)) || p.reporter != p.generation {
		t.Error("the card within identify is not the one that was asked for")
	}
	if p.acceptReporter(at.Add(identify - 1)) {
		t.Error("a second card answers the same question")
	}
	p.expectReporter(at)
	if p.acceptReporter(at.Add(identify)) {
		t.Error("a card after identify answers")
	}
}
