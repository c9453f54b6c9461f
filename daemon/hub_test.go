package daemon

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/wire"
)

// lastState is an uplink that stores the last state.
type lastState struct{ state wire.State }

func (p *lastState) SetState(s wire.State) { p.state = s }
func (p *lastState) Notify()               {}

func TestOverdueAcknowledgementIsShownOnPanelStatusAndMQTT(t *testing.T) {
	b := newBench(t)
	var h HubHealth
	p := &lastState{}
	b.cfg.HubHealth, b.cfg.Uplink = func() HubHealth { return h }, p
	since := b.now.Add(-time.Minute)
	for _, c := range []struct {
		name  string
		h     HubHealth
		note  string
		why   string
		since time.Time
		owed  bool
	}{
		{"well", HubHealth{Acknowledges: true, Broker: true}, "", "", time.Time{}, false},
		{"acknowledgement missing for a minute",
			HubHealth{Acknowledges: true, Broker: true, Since: since, Owed: time.Minute, Why: "no-answer"},
			"", "", time.Time{}, true},
		{"overdue", HubHealth{Broker: true, Since: since, Owed: 3 * time.Minute, Overdue: true,
			Why: "hub-refuses/bad-checkpoint", Detail: "no trusted key"},
			panel.RecordsKept().EN, "hub-refuses/bad-checkpoint", since, true},
		{"acknowledged again", HubHealth{Acknowledges: true, Broker: true}, "", "", time.Time{}, false},
	} {
		h = c.h
		b.e.show()
		v := b.cfg.Panel.Current()
		if v.Hub != c.h.Acknowledges || v.Note.EN != c.note {
			t.Errorf("%s: panel says hub %t, note %q", c.name, v.Hub, v.Note.EN)
		}
		if p.state.UnackedWhy != c.why || !p.state.UnackedSince.Equal(c.since) || p.state.Format != 2 {
			t.Errorf("%s: state %+v", c.name, p.state)
		}
		s := b.operator.order(t.Context(), control.Request{Do: "status"}, "").Status
		if s.Hub != c.h.Acknowledges || s.Broker != c.h.Broker || (s.Unacked != nil) != c.owed ||
			c.owed && (s.Unacked.Why != c.h.Why || s.Unacked.Detail != c.h.Detail || s.Unacked.Overdue != c.h.Overdue) {
			t.Errorf("%s: status %+v, %+v", c.name, s, s.Unacked)
		}
	}
	for what, n := range map[string]int{"hub does not acknowledge records": 1, "hub acknowledges records again": 1} {
		if got := strings.Count(b.log.String(), what); got != n {
			t.Errorf("logged %q %d times, want %d", what, got, n)
		}
	}
}

func TestStateNamesTheScreenThatIsSilent(t *testing.T) {
	b := newBench(t)
	p := &lastState{}
	b.cfg.Uplink = p
	near, far := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.168.1.40")
	for _, c := range []struct {
		screens []panel.Screen
		want    string
	}{
		{nil, ""}, {[]panel.Screen{{Addr: near}}, ""},
		{[]panel.Screen{{Addr: near}, {Addr: far, Silent: time.Minute}}, "192.168.1.40"}, {[]panel.Screen{{Addr: near},
			{Addr: far}}, ""},
	} {
		b.m.links.screens = c.screens
		b.e.show()
		if p.state.SilentScreen != c.want {
			t.Errorf("%+v: %q, want %q", c.screens, p.state.SilentScreen, c.want)
		}
	}
}
