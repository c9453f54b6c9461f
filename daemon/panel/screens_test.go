package panel

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// evaluation is one evaluation of a screen: at is its time in seconds, and alive the time of the last report; -1: no
// report since the last evaluation.
type evaluation struct {
	at, alive int
	want      string
}

func TestSilentScreenIsReportedAndRestartedThreeTimesAnHour(t *testing.T) {
	for name, c := range map[string]struct {
		local  bool
		passes []evaluation
	}{
		"a screen that never reported itself is not missed": {true, []evaluation{{0, -1, ""}, {3600, -1, ""}}},
		"14 s are no silence, 15 s are": {
			true,
			[]evaluation{{10, 0, ""}, {14, -1, ""}, {15, -1, "silent 15s fell restart"}, {16, -1, "silent 16s"}},
		},
		"a screen that comes back is said once": {
			true,
			[]evaluation{{15, 0, "silent 15s fell restart"}, {20, 20, "back"}, {21, -1, ""}},
		},
		"another computer's screen cannot be restarted": {
			false,
			[]evaluation{{15, 0, "silent 15s fell"}, {90, -1, "silent 1m30s"}},
		},
		"a restart is given a minute, then tried again": {
			true,
			[]evaluation{{15, 0, "silent 15s fell restart"}, {74, -1, "silent 1m14s"}, {75, -1, "silent 1m15s restart"}},
		},
		"three restarts, and none more within the hour": {true, []evaluation{{15, 0,
			"silent 15s fell restart"}, {75, -1, "silent 1m15s restart"}, {135, -1, "silent 2m15s restart"},
			{195, -1, "silent 3m15s"}, {15 + 61*60 - 1, -1, "silent 1h1m14s"}, {
				15 + 61*60,
				-1,
				"silent 1h1m15s restart",
			}, {15 + 61*60 + 60, -1, "silent 1h2m15s restart"}}},
		"restarts before a screen came back count too": {true, []evaluation{{15, 0,
			"silent 15s fell restart"}, {100, 100, "back"}, {115, -1, "silent 15s fell restart"}, {200, 200, "back"},
			{215, -1, "silent 15s fell restart"}, {300, 300, "back"}, {315, -1, "silent 15s fell"}}},
	} {
		s := screen{}
		for _, p := range c.passes {
			if p.alive >= 0 {
				s.alive = noon.Add(time.Duration(p.alive) * time.Second)
			}
			var got Screen
			if s, got = s.judge(noon.Add(time.Duration(p.at)*time.Second), c.local); shown(got) != p.want {
				t.Errorf("%s: after %d s %q, want %q", name, p.at, shown(got), p.want)
			}
		}
	}
}

func shown(s Screen) string {
	var out []string
	if s.Silent > 0 {
		out = append(out, fmt.Sprint("silent ", s.Silent))
	}
	for word, is := range map[string]bool{"fell": s.Fell, "back": s.Back} {
		if is {
			out = append(out, word)
		}
	}
	if s.Restart {
		out = append(out, "restart")
	}
	return strings.Join(out, " ")
}

// Only a report from one of the machine's own screens whose page shows the present view proves that the screen works.
func TestScreenIsAliveWhileItReportsThePresentView(t *testing.T) {
	now := noon
	p := New(Config{Now: func() time.Time { return now }, Screens: []netip.Addr{netip.MustParseAddr("192.168.1.40")}})
	send := func(from, body string) int {
		r := httptest.NewRequest("POST", "http://laser/alive", strings.NewReader(body))
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		p.Handler().ServeHTTP(w, r)
		return w.Code
	}
	silent := func() (out []string) {
		for _, s := range p.Screens() {
			if s.Silent > 0 {
				out = append(out, s.Addr.String())
			}
		}
		return out
	}
	for _, from := range []string{"127.0.0.1:1", "[::1]:1", "192.168.1.40:1", "192.168.1.41:1", "@"} {
		if code := send(from, `{"rev":0}`); code != http.StatusNoContent {
			t.Errorf("from %s: %d", from, code)
		}
	}
	for _, body := range []string{``, `{"rev":-1}`, `{"rev":1,"here":true}`, strings.Repeat("x", maxOrder)} {
		if code := send("127.0.0.1:1", body); code != http.StatusBadRequest {
			t.Errorf("%.40s: %d", body, code)
		}
	}
	if n := len(p.Screens()); n != 2 {
		t.Errorf("%d screens are watched, want this computer's and the named one", n)
	}
	old := p.Current().Rev
	p.Show(Ready())
	now = now.Add(silentAfter - time.Second)
	send("192.168.1.40:1", fmt.Sprintf(`{"rev":%d}`, old)) // the page may not have received the new view yet
	now = now.Add(time.Second)
	if got := fmt.Sprint(silent()); got != "[127.0.0.1]" {
		t.Errorf("silent: %s", got)
	}
	if _, stuck := p.sign(); !stuck {
		t.Error("the lamps do not hear of a silent screen")
	}
	send("127.0.0.1:1", fmt.Sprintf(`{"rev":%d}`, old))
	if got := fmt.Sprint(silent()); got != "[127.0.0.1]" {
		t.Errorf("a page that shows what was replaced 15 s ago counts as well: silent %s", got)
	}
	send("[::1]:1", fmt.Sprintf(`{"rev":%d}`, p.Current().Rev))
	if got := silent(); len(got) != 0 {
		t.Errorf("silent: %s", got)
	}
	send("127.0.0.1:1", `{"rev":0,"leaves":true}`)
	now = now.Add(time.Second)
	send("192.168.1.40:1", `{"rev":0}`)
	now = now.Add(silentAfter - time.Second)
	if got := silent(); len(got) != 0 {
		t.Errorf("a page that was closed is missed: %s", got)
	}
}

func TestLampsAndBuzzerSignalASilentScreen(t *testing.T) {
	for _, c := range []struct {
		sign  Sign
		stuck time.Duration
		amber rhythm
		sound bool
	}{{SignReady, 0, glimpse, true}, {
		SignReady, 800 * time.Millisecond, glimpse, false,
	}, {SignReady, 1100 * time.Millisecond, glimpse, true},
		{SignReady, 2 * time.Second, glimpse, false}, {
			SignMaintenance, time.Hour, steady, false,
		}, {SignFault, time.Hour, quick, false}} {
		s := c.sign.signal().withStuckScreen(time.Hour, c.stuck)
		if s.lit.amber != c.amber || s.sound.on(time.Hour) != c.sound {
			t.Errorf("%s, silent for %s: amber %d, sound %v", c.sign, c.stuck, s.lit.amber, s.sound.on(time.Hour))
		}
	}
}
