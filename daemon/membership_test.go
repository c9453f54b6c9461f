package daemon

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/wire"
)

// membershipRoster returns the roster of the example site with a membership rule, after edits of its members.
func membershipRoster(t *testing.T, rule string, edits ...string) *roster.Roster {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../site-example")); err != nil {
		t.Fatal(err)
	}
	change := func(name string, change func([]byte) []byte) {
		path := filepath.Join(dir, name)
		b, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, change(b), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	change("policy.yaml", func(b []byte) []byte { return append(b, rule+"\n"...) })
	change("members.yaml", func(b []byte) []byte {
		for i := 0; i < len(edits); i += 2 {
			if !bytes.Contains(b, []byte(edits[i])) {
				t.Fatalf("%q is not there", edits[i])
			}
			b = bytes.Replace(b, []byte(edits[i]), []byte(edits[i+1]), 1)
		}
		return b
	})
	return rosterOf(t, dir)
}

const (
	rule     = "membership: { grace: 2d, warn: 10d, after: [maintainer] }"
	leasLine = "email: lea@example.org,"
	inesLine = "email: ines@example.org,"
)

// The bench's clock shows Monday, 2026-11-23, 10:00 at the site.
func TestLapsedMembersAreRefusedByNameAndDate(t *testing.T) {
	b := benchOf(t, membershipRoster(t, rule, leasLine, leasLine+" until: 2026-11-20,", inesLine,
		inesLine+" until: 2026-11-20,"))
	b.wants(b.tap(lea), "refused [expired]")
	v := b.cfg.Panel.Current()
	if v.Line.FR != "Léa : l’adhésion s’est terminée le 20 novembre" ||
		v.Line.EN != "Léa: the membership ended on 20 November" ||
		v.Next.FR != "Prochaine étape : la renouveler à l’accueil" {
		t.Errorf("%+v %+v", v.Line, v.Next)
	}
	if got := string(mustJSON(b.notes.last.Body)); !strings.HasPrefix(
		got,
		`{"reasons":["membership-lapsed"],"role":"user","basis":{`,
	) ||
		b.notes.last.Kind != wire.Refused {
		t.Errorf("%s %s", b.notes.last.Kind, got)
	}
	b.wants(b.tap(ines), "session-start RELAY ON [maintenance]")
	if n := b.cfg.Panel.Current().Note; n.FR != "Adhésion terminée le 20 nov." || n.EN != "Membership ended on 20 Nov" {
		t.Errorf("%+v", n)
	}
}

func TestSessionShowsTheEndOfTheMembership(t *testing.T) {
	for until, want := range map[string]string{
		"2026-12-04": "",
		"2026-12-03": "Adhésion jusqu’au 3 déc. / Membership until 3 Dec",
		"2026-11-23": "Adhésion jusqu’au 23 nov. / Membership until 23 Nov",
		"2026-11-21": "Adhésion terminée le 21 nov. ; machines utilisables jusqu’au 23 nov. / " +
			"Membership ended on 21 Nov; machines can be used until 23 Nov",
	} {
		b := benchOf(t, membershipRoster(t, rule, leasLine, leasLine+" until: "+until+","))
		if n := b.cfg.Panel.Current().Note; n.FR != "" {
			t.Errorf("%s: before the tap: %+v", until, n)
		}
		b.wants(b.tap(lea), "session-start RELAY ON [on]")
		n := b.cfg.Panel.Current().Note
		if got := strings.TrimPrefix(n.FR+" / "+n.EN, " / "); got != want {
			t.Errorf("%s: %q, want %q", until, got, want)
		}
		b.tap(lea)
		b.cfg.Panel.EndFlash()
		if n := b.cfg.Panel.Current().Note; strings.Contains(n.FR, "dhésion") {
			t.Errorf("%s: after the session: %+v", until, n)
		}
	}
}

// A new bundle may end a running session, but the end of a member's membership does not end a session.
func TestBlockingEndsARunningSessionAndALapseDoesNot(t *testing.T) {
	if testing.Short() {
		t.Skip("short: builds a bundle of its own")
	}
	current := membershipRoster(t, rule, leasLine, leasLine+" until: 2026-11-21,")
	for name, c := range map[string]struct {
		edit, by string
		runs     bool
	}{
		"lapsed":            {leasLine, leasLine + " until: 2026-01-01,", true},
		"blocked":           {leasLine, leasLine + " blocked: true,", false},
		"card lost":         {leasCard, `cards: [{ number: "62E3086CED", state: lost }]`, false},
		"card blocked":      {leasCard, `cards: [{ number: "62E3086CED", state: blocked }, "AA00112233"]`, false},
		"card replaced":     {leasCard, `cards: [{ number: "62E3086CED", state: replaced }, "AA00112233"]`, true},
		"another card lost": {leasCard, `cards: ["62E3086CED", { number: "AA00112233", state: lost }]`, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := benchOf(t, current)
			b.wants(b.tap(lea), "session-start RELAY ON [on]")
			b.now = b.now.Add(time.Minute)
			b.setRoster(t.Context(), membershipRoster(t, rule, c.edit, c.by))
			if b.m.relay != c.runs || b.m.state.Running() != c.runs {
				t.Fatalf("the relay is on: %v, want %v; phase %v", b.m.relay, c.runs, b.m.state.Phase)
			}
			if c.runs {
				b.wants(b.tap(lea), "relay off session-end [cooling]")
			}
		})
	}
	b := benchOf(t, membershipRoster(t, "membership: { }", inesLine, inesLine+" until: 2026-11-23,"))
	b.now = time.Date(2026, 11, 23, 22, 59, 0, 0, time.UTC) // a minute before midnight at the site
	b.wants(b.tap(ines), "session-start RELAY ON [maintenance]")
	for range 3 {
		b.now = b.now.Add(time.Minute)
		b.e.apply(t.Context(), session.Tick{})
	}
	if !b.m.relay {
		t.Error("midnight cut the session")
	}
	b.wants(b.tap(ines), "relay off session-end [cooling]")
	b.wants(b.tap(ines), "refused [expired]")
}

func TestLostCardRevealsNothingAndRaisesAnAlert(t *testing.T) {
	r := membershipRoster(
		t,
		rule,
		leasCard,
		`cards: ["AA00112233", { number: "62E3086CED", state: lost, since: 2026-11-01 }, `+
			`{ number: "77777777", state: replaced }]`,
	)
	b := benchOf(t, r)
	b.wants(b.tap("AA00112233"), "session-start RELAY ON [on]")
	b.wants(b.tap(lea), "card-alert [refused]")
	if got := string(mustJSON(b.notes.last.Body)); got != `{"state":"lost","since":"2026-11-01"}` ||
		b.notes.last.Member != "m-020dc2" {
		t.Errorf("%s of %s", got, b.notes.last.Member)
	}
	v := b.cfg.Panel.Current()
	if v.Line.FR != "Cette carte est bloquée" || v.Next.FR != "Prochaine étape : passer à l’accueil" ||
		v.Line.EN != "This card is blocked" {
		t.Errorf("%+v %+v", v.Line, v.Next)
	}
	if b.m.currentMember() != "" {
		t.Errorf("whoever found the card stands there as %s", b.m.currentMember())
	}
	if !b.m.relay || b.m.state.Current.Member != "m-020dc2" {
		t.Error("the lost card ended its member's session")
	}
	b.cfg.Panel.EndFlash()
	b.wants(b.tap("77777777"), "refused [refused]")
	if log := b.log.String(); strings.Count(log, "refused card tapped") != 1 || strings.Contains(log, "62E3086CED") ||
		strings.Contains(log, "Léa") {
		t.Errorf("the log: %s", log)
	}
	b.cfg.Panel.EndFlash()
	b.wants(b.tap("AA00112233"), "relay off session-end [cooling]")
	b.wants(b.tap(lea), "[refused]") // the alert was already recorded
}

// After a power cut without a network, the clock is not trusted.
func TestUntrustedClockUsesTheLastTrustedTimeForMemberships(t *testing.T) {
	r := membershipRoster(t, "membership: { }", inesLine, inesLine+" until: 2026-11-23,")
	for name, c := range map[string]struct {
		last time.Time
		want string
	}{
		"no record yet": {time.Time{}, "session-start RELAY ON [maintenance]"},
		"a record before the end": {time.Date(2026, 11, 23, 22, 59, 59, 0, time.UTC),
			"session-start RELAY ON [maintenance]"},
		"a record after the end": {time.Date(2026, 11, 23, 23, 0, 0, 0, time.UTC), "refused [expired]"},
		"a record older than the bundle": {time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
			"session-start RELAY ON [maintenance]"},
	} {
		b := benchOf(t, r)
		b.now = time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)
		b.cfg.Trusted = func() bool { return false }
		b.cfg.LastTrusted = func() time.Time { return c.last }
		if got := b.tap(ines); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestPanelShowsTheSignOfAnEndedMembership(t *testing.T) {
	for _, s := range panel.Gallery(time.Now()) {
		if s.Name == "membership ended" &&
			(s.View.Sign != panel.SignExpired || s.View.Line.FR != "Léa : l’adhésion s’est terminée le 30 septembre") {
			t.Errorf("%+v", s.View)
		}
	}
}
