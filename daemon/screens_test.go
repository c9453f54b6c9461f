package daemon

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"portillon/daemon/control"
)

// screenReports makes the page at this computer's own screen send a report.
func (b *bench) screenReports() {
	b.t.Helper()
	r := httptest.NewRequest("POST", "http://laser/alive", strings.NewReader(`{"rev":0}`))
	r.RemoteAddr = "127.0.0.1:4711"
	w := httptest.NewRecorder()
	if b.cfg.Panel.Handler().ServeHTTP(w, r); w.Code != http.StatusNoContent {
		b.t.Fatal(w.Code, w.Body)
	}
	b.periodic.watchScreens()
}

// When a screen stops sending reports, the daemon logs this, shows it in the status, and requests a restart of the
// screen.
func TestSilentScreenIsLoggedShownAndItsRestartRequested(t *testing.T) {
	b := newBench(t)
	restarts, fails := 0, error(nil)
	b.cfg.RestartScreen = func() error { restarts++; return fails }
	status := func() []control.Screen {
		return b.operator.order(t.Context(), control.Request{Do: "status"}, "").Status.Screens
	}
	b.periodic.watchScreens()
	if got := status(); len(got) != 0 {
		t.Errorf("a machine without a screen has %+v", got)
	}
	b.screenReports()
	if got := status(); len(got) != 1 || got[0] != (control.Screen{Address: "127.0.0.1"}) {
		t.Errorf("%+v", got)
	}
	for range 20 { // watchScreens runs once a second
		b.now = b.now.Add(time.Second)
		b.periodic.watchScreens()
	}
	if got := status(); len(got) != 1 || got[0].SilentSeconds != 20 || restarts != 1 ||
		strings.Count(b.log.String(), `msg="screen silent" screen=127.0.0.1 for=15s`) != 1 {
		t.Errorf("%+v, %d restarts, log:\n%s", got, restarts, b.log.String())
	}
	b.screenReports()
	if got := status(); got[0].SilentSeconds != 0 || strings.Count(b.log.String(), `msg="screen reports again"`) != 1 {
		t.Errorf("%+v, log:\n%s", got, b.log.String())
	}
	fails = errors.New("no such folder")
	b.now = b.now.Add(time.Minute)
	b.periodic.watchScreens()
	b.cfg.RestartScreen = nil
	b.now = b.now.Add(time.Minute)
	b.periodic.watchScreens()
	if !strings.Contains(b.log.String(), "no such folder") ||
		strings.Count(b.log.String(), "screen restart requested") != 1 {
		t.Errorf("log:\n%s", b.log.String())
	}
}
