package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portillon/daemon/control"
	"portillon/hub"
	"portillon/hub/ledger/ledgertest"
	"portillon/policy"
	"portillon/wire"
)

func TestStatusShowsSinceWhenAndWhyAcknowledgementsAreMissing(t *testing.T) {
	since := time.Date(2026, 11, 23, 10, 0, 0, 0, time.Local)
	for name, c := range map[string]struct {
		s        control.Status
		want     []string
		unwanted string
	}{
		"no hub": {control.Status{Alone: true}, []string{"none is configured"}, "acknowledge"},
		"well": {
			control.Status{Hub: true, Broker: true, Unacked: &control.Unacked{Since: since, Seconds: 1}},
			[]string{"hub          acknowledges"},
			"no acknowledgement",
		},
		"not yet": {control.Status{Broker: true}, []string{"has not answered yet"}, "no acknowledgement"},
		"broker away": {
			control.Status{Unacked: &control.Unacked{Since: since, Why: "broker-away", Detail: "connection refused"}},
			[]string{
				"the broker cannot be reached",
				"no acknowledgement since 2026-11-23 10:00:00",
				"(connection refused)",
				"→ Check the network",
			},
			"",
		},
		"refused": {
			control.Status{
				Broker:  true,
				Unacked: &control.Unacked{Since: since, Overdue: true, Why: "hub-refuses/bad-checkpoint", Detail: "no trusted key"},
			},
			[]string{
				"does not acknowledge",
				"the hub pins another key for this machine (no trusted key)",
				"→ Compare the machine’s key",
			},
			"",
		},
		"no reason": {
			control.Status{Broker: true, Unacked: &control.Unacked{Since: since, Overdue: true}},
			[]string{"the reason is not known"},
			"",
		},
		"a newer daemon": {
			control.Status{Broker: true, Unacked: &control.Unacked{Since: since, Overdue: true, Why: "moon-phase"}},
			[]string{"“moon-phase”"},
			"",
		},
		"terminal codes": {
			control.Status{
				Broker:  true,
				Unacked: &control.Unacked{Since: since, Overdue: true, Why: "no-answer", Detail: "\x1b[2J"},
			},
			[]string{"the hub does not answer"},
			"\x1b",
		},
	} {
		var out bytes.Buffer
		printStatus(&out, c.s)
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: lacks %q:\n%s", name, want, out.String())
			}
		}
		if c.unwanted != "" && strings.Contains(out.String(), c.unwanted) {
			t.Errorf("%s: has %q:\n%s", name, c.unwanted, out.String())
		}
	}
}

// writeHubFile writes a hub.yaml with the given HTTP address, and returns the file's path.
func writeHubFile(t *testing.T, http string) string {
	t.Helper()
	dir := t.TempDir()
	m := ledgertest.New(t, "biklab", "laser")
	text := "portillon: 1\nsite: biklab\ndata: data\nkey: hub.key\nmachines:\n" +
		"  laser: { key: \"" + m.VKey + "\" }\nmqtt: { listen: \"127.0.0.1:0\" }\n"
	if http != "" {
		text += "http: " + http + "\n"
	}
	path := filepath.Join(dir, "hub.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStatusAtTheHubNamesTheReasonWhyTheHubRefusesRecords(t *testing.T) {
	t.Setenv("LC_ALL", "fr_FR.UTF-8")
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.Local)
	machines := []hub.Machine{
		{
			ID:           "laser",
			Held:         7,
			Online:       true,
			State:        &wire.State{Machine: "laser", SilentScreen: "127.0.0.1"},
			Trouble:      "bad-checkpoint: no trusted key has signed this",
			TroubleSince: at,
			TroubleAt:    at.Add(time.Hour),
		},
		{ID: "vinyl", Held: 12, State: &wire.State{Machine: "vinyl", UnackedSince: at, UnackedWhy: "records-dropped"}},
		{ID: "fdm", Held: 3, Online: true, Alerts: []hub.CardAlert{{Seq: 2, At: at, Member: "m-9d017e", State: "lost"},
			{Seq: 3, At: at.Add(time.Minute), Member: "m-020dc2", State: "blocked"}}},
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/machines" {
			t.Error(r.URL.Path)
		}
		json.NewEncoder(w).Encode(machines)
	}))
	defer s.Close()
	file := writeHubFile(t, strings.TrimPrefix(s.URL, "http://"))
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"--lang", "en"}, 1, []string{"laser        online, 7 records held", "refused since 2026-11-23 " +
			"10:00:00, last at 2026-11-23 11:00:00",
			"the hub pins another key for this machine (no trusted key has signed this)",
			"the screen 127.0.0.1 is silent", "vinyl        offline, 12 records held", "the machine says: no " +
				"acknowledgement since 2026-11-23 10:00:00", "the records do not reach it", "fdm          online, 3 records held"}},
		{
			nil,
			1,
			[]string{
				"enregistrements refusés depuis le",
				"le hub attend une autre clé pour cette machine",
				"l’écran 127.0.0.1 ne répond plus",
			},
		},
		{
			[]string{"--machine", "fdm", "--lang", "en"},
			0,
			[]string{
				"fdm          online",
				"lost card tapped on 2026-11-23 10:00 (member m-9d017e)",
				"blocked card tapped on 2026-11-23 10:01 (member m-020dc2)",
			},
		},
		{[]string{"--machine", "fdm"}, 0, []string{"carte perdue présentée le 2026-11-23 10:00 (membre m-9d017e)"}},
		{[]string{"--machine", "lathe"}, 2, nil},
		{[]string{"--socket", "x"}, 2, nil},
		{[]string{"--json", "--machine", "laser"}, 0, []string{`"trouble_since": "2026-11-23T10:00:00`}},
	} {
		var out, errs bytes.Buffer
		code := run(
			append([]string{"machine", "status", "--hub", file}, c.args...),
			stdio{strings.NewReader(""), &out, &errs, nil},
		)
		if code != c.code {
			t.Errorf("%v: exit %d, want %d: %s", c.args, code, c.code, errs.String())
		}
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%v: lacks %q:\n%s", c.args, want, out.String())
			}
		}
	}
}

func TestMachineStatusExitsWith3IfTheHubDoesNotRun(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	for file, code := range map[string]int{
		writeHubFile(t, strings.TrimPrefix(gone.URL, "http://")): 3,
		writeHubFile(t, ""): 2,
	} {
		var out, errs bytes.Buffer
		if got := run(
			[]string{"machine", "status", "--hub", file},
			stdio{strings.NewReader(""), &out, &errs, nil},
		); got != code ||
			!strings.Contains(errs.String(), "hint:") {
			t.Errorf("exit %d, want %d: %s", got, code, errs.String())
		}
	}
}

func TestControlCharactersOfAMachineAreNotPrinted(t *testing.T) {
	m := hub.Machine{
		ID:      "laser",
		State:   &wire.State{SilentScreen: "\x1b[2J"},
		Trouble: "malformed: \x1b[2J",
		Dropped: &hub.Dropped{Topic: "\x1b[2J"},
	}
	lines, ill := stateAtHub(m, policy.English)
	if !ill || strings.Contains(plain(strings.Join(lines, "")), "\x1b") {
		t.Errorf("%q", lines)
	}
}
