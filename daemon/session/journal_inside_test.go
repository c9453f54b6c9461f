package session

import (
	"testing"

	"portillon/wire"
)

// A record of an earlier step may have the same place in its step as a record of the last step. It counts as a record
// of the last step only if kind and session are also equal.
func TestRecordOfAnEarlierStepIsNotARecordOfTheLastStep(t *testing.T) {
	l := &Ledger{sent: []Effect{Record{Kind: wire.SessionEnd, Session: "s1"}}}
	for _, c := range []struct {
		r    Record
		ours bool
	}{
		{Record{Kind: wire.SessionEnd, Session: "s1", place: 1}, true},
		{Record{Kind: wire.SessionStart, Session: "s1", place: 1}, false},
		{Record{Kind: wire.SessionEnd, Session: "s0", place: 1}, false},
		{Record{Kind: wire.SessionEnd, Session: "s1", place: 2}, false},
		{Record{Kind: wire.SessionEnd, Session: "s1"}, false},
	} {
		if _, ours := l.recordsFrom(c.r); ours != c.ours {
			t.Errorf("%+v is a record of the last step: %v, want %v", c.r, ours, c.ours)
		}
	}
}
