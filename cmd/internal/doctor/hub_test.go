//go:build linux

package doctor

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"portillon/daemon/control"
)

func TestHubWithoutAcknowledgementsIsReportedEvenIfTheBrokerAnswers(t *testing.T) {
	since := time.Date(2026, 11, 23, 11, 0, 0, 0, time.Local)
	owes := func(u control.Unacked) control.Status {
		u.Since = since
		return control.Status{Reader: true, Broker: true, Unacked: &u}
	}
	for name, c := range map[string]struct {
		st    control.Status
		want  string
		words string
	}{
		"acknowledges": {control.Status{Reader: true, Hub: true, Broker: true}, "well", "The hub acknowledges"},
		"no hub":       {control.Status{Reader: true, Alone: true}, "", ""},
		"just started": {owes(control.Unacked{Seconds: 1}), "unknown", "has not answered yet"},
		"drops": {owes(control.Unacked{Seconds: 300, Overdue: true, Why: "records-dropped"}), "ill",
			"since 2026-11-23 11:00: the hub answers, but the records do not reach it"},
		"refuses": {owes(control.Unacked{Seconds: 5, Why: "hub-refuses/bad-checkpoint", Detail: "no trusted key"}),
			"ill", "the hub pins another key for this machine (no trusted key)"},
		"no reason":      {owes(control.Unacked{Seconds: 300, Overdue: true}), "ill", "the reason is not known"},
		"broker is away": {owes(control.Unacked{Seconds: 5, Why: "broker-away"}), "unknown", "not answered yet"},
	} {
		pic, s := healthyPi(t)
		s.Status = func(context.Context) (control.Status, error) { return c.st, nil }
		got, words := "", ""
		for _, f := range Examine(t.Context(), pic, s) {
			if f.Look == "hub" {
				b, _ := f.State.MarshalText()
				got, words = got+string(b), fmt.Sprint(f)
				if f.State != Well && (f.Cure.FR == "" || f.Cure.EN == "" || f.Fact.FR == "") {
					t.Errorf("%s: %+v", name, f)
				}
			}
		}
		if got != c.want || !strings.Contains(words, c.words) {
			t.Errorf("%s: %q %s, want %q with %q", name, got, words, c.want, c.words)
		}
	}
}
