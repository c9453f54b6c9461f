package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portillon/hub"
	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/policy"
	"portillon/wire"
)

// replacedLaser returns a hub.yaml, and creates a ledger with five records of the laser's first journal. The simulated
// hub answers that the machine laser has reported the journal generation in the argument told.
func replacedLaser(t *testing.T, told wire.Generation) (file string, l *ledger.Ledger, m *ledgertest.Machine) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode([]hub.Machine{{ID: "laser", State: &wire.State{Machine: "laser", Generation: told}}})
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	m = ledgertest.New(t, "biklab", "laser")
	m.Fill(5)
	file = filepath.Join(dir, "hub.yaml")
	text := fmt.Sprintf(
		"portillon: 1\nsite: biklab\ndata: data\nkey: hub.key\nmachines:\n  laser: { key: %q }\nmqtt: { listen: "+
			"\"127.0.0.1:0\" }\nhttp: %s\n",
		m.VKey,
		strings.TrimPrefix(s.URL, "http://"),
	)
	if err := errors.Join(
		os.WriteFile(file, []byte(text), 0o600),
		os.Mkdir(filepath.Join(dir, "data"), 0o700),
	); err != nil {
		t.Fatal(err)
	}
	c, err := hub.ReadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	if l, err = ledger.Open(c.Ledger(), c.Site, c.Keys()); err != nil { // open the ledger like the running hub
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if _, err := l.Take("laser", m.Data(1, 5)); err != nil {
		t.Fatal(err)
	}
	return file, l, m
}

func TestMachineReplaceMakesTheHubAcceptTheReportedJournal(t *testing.T) {
	file, l, m := replacedLaser(t, "1111111111111111")
	var out bytes.Buffer
	args := []string{"laser", "--hub", file, "--why", "new memory card", "--by", "ines", "--lang", "en"}
	if err := machineReplace(t.Context(), stdio{out: &out, err: &out}, args); err != nil {
		t.Fatal(err, out.String())
	}
	if want := "laser: the journal 1111111111111111 takes the place of —, of which 5 records stay"; !strings.HasPrefix(
		out.String(),
		want,
	) {
		t.Error(out.String())
	}
	all, err := l.Generations(t.Context(), "laser")
	if err != nil || len(all) != 2 || all[1].Generation != "1111111111111111" || all[1].By != "ines" ||
		all[1].Why != "new memory card" ||
		time.Since(all[1].At) > time.Hour ||
		all[0].Records != 5 ||
		all[0].Root != m.Root(5) {
		t.Errorf("%+v, %v", all, err)
	}
	err = machineReplace(t.Context(), stdio{out: &out, err: &out}, args)
	if f := (*failure)(nil); !errors.As(err, &f) || f.code != 1 || !strings.Contains(err.Error(), "already") {
		t.Errorf("the second time: %v", err)
	}
}

func TestMachineReplaceRefusesUnknownMachinesAndGenerations(t *testing.T) {
	file, l, _ := replacedLaser(t, "")
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no hub":               {[]string{"laser"}, 2, "--hub is missing"},
		"unknown machine":      {[]string{"press", "--hub", file}, 2, `knows no machine "press"`},
		"nothing told":         {[]string{"laser", "--hub", file}, 1, "has not reported the generation"},
		"malformed generation": {[]string{"laser", "--hub", file, "--generation", "xyz"}, 1, "hexadecimal"},
		"held already":         {[]string{"laser", "--hub", file, "--generation", ""}, 1, "has not reported"},
	} {
		var out bytes.Buffer
		err := machineReplace(t.Context(), stdio{out: &out, err: &out}, c.args)
		var f *failure
		if !errors.As(err, &f) || f.code != c.code || !strings.Contains(f.err.Error(), c.want) {
			t.Errorf("%s: %v, want %d %q", name, err, c.code, c.want)
		}
	}
	if all, err := l.Generations(t.Context(), "laser"); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}

// Anyone with a machine's account at the broker can write the machine's state. No text of the state may therefore
// become part of a command that an administrator copies into a shell.
func TestPrintedCommandContainsNoMalformedGeneration(t *testing.T) {
	const hostile = "x; rm -rf ~\n#"
	m := hub.Machine{
		ID:      "laser",
		State:   &wire.State{Machine: "laser", Generation: hostile},
		Trouble: "other-generation: laser signed records of another",
	}
	if lines, _ := stateAtHub(m, policy.English); strings.Contains(strings.Join(lines, "\n"), "rm -rf") {
		t.Errorf("%q", lines)
	}
	text, err := json.Marshal(m.State)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := wire.ParseState(text); err != nil || s.Generation != "" {
		t.Errorf("%q, %v", s.Generation, err)
	}
}

func TestStatusAtTheHubShowsReplacementsAndTheCommand(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.Local)
	m := hub.Machine{
		ID:           "laser",
		Held:         2,
		Online:       true,
		State:        &wire.State{Machine: "laser", Generation: "3333333333333333"},
		Trouble:      "other-generation: laser signed records of another",
		TroubleSince: at,
		TroubleAt:    at,
		Journals: []hub.Journal{
			{Records: 92, Root: strings.Repeat("ab", 32)},
			{Generation: "1111111111111111", Records: 2, By: "ines", Why: "new card\x1b", At: at},
		},
	}
	lines, ill := stateAtHub(m, policy.English)
	all := strings.Join(lines, "\n")
	for _, want := range []string{"portillon machine replace laser --hub hub.yaml --generation 3333333333333333",
		"journal replaced on 2026-11-23 10:00:00 by ines (new card",
		"—: 92 records, root abababababababab → 1111111111111111", "are not given back to the machine yet"} {
		if !strings.Contains(all, want) {
			t.Errorf("lacks %q:\n%s", want, all)
		}
	}
	if !ill {
		t.Error("no trouble")
	}
}
