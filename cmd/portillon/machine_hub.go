package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/uplink"
	"portillon/hub"
	"portillon/hub/ledger"
	"portillon/policy"
)

// hubLine is the state of the connection to the hub.
func hubLine(s control.Status) string {
	switch {
	case s.Alone:
		return "none is configured"
	case s.Hub:
		return "acknowledges"
	case !s.Broker:
		return "the broker cannot be reached"
	case s.Unacked != nil && s.Unacked.Overdue:
		return "does not acknowledge"
	}
	return "the broker is reached, the hub has not answered yet"
}

// unackedLines returns lines about records that the hub has not acknowledged: the time since then, the reason, and the
// remedy. If no acknowledgement is overdue, unackedLines returns nothing.
func unackedLines(u *control.Unacked, l policy.Language) []string {
	if u == nil || !u.Overdue && u.Why == "" {
		return nil
	}
	since := u.Since.Format("2006-01-02 15:04:05")
	out := []string{say(l, "Pas d’accusé de réception depuis le ", "no acknowledgement since ") + since}
	return append(out, reasonLines(u.Why, u.Detail, l)...)
}

// reasonLines returns lines with a reason in words, its detail, and the remedy.
func reasonLines(code, detail string, l policy.Language) (out []string) {
	fact, cure := uplink.Explain(code)
	line := fact.In(l)
	if detail != "" {
		line += fmt.Sprintf(" (%s)", detail)
	}
	return append(out, line, "→ "+cure.In(l))
}

// maxMachines is the size limit of a hub's answer in bytes: 1,024 machines with states of at most 8 KB.
const maxMachines = 8 << 20

// askHub asks the hub that runs on this computer for its machines.
func askHub(ctx context.Context, file string) ([]hub.Machine, error) {
	c, err := hub.ReadConfig(file)
	if err != nil {
		return nil, err
	}
	if c.HTTP == "" {
		return nil, wrong("%s has no line http:, so the hub cannot be asked", file).hinted("http: 127.0.0.1:8038")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.HTTP+"/machines", nil)
	if err != nil {
		return nil, wrong("%s: http: %w", file, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, (&failure{code: 3, err: fmt.Errorf("hub at %s does not answer: %w", c.HTTP, err)}).
			hinted("check that portillon-hub is running on this computer")
	}
	defer resp.Body.Close()
	var out []hub.Machine
	if resp.StatusCode != http.StatusOK {
		return nil, &failure{code: 3, err: fmt.Errorf("hub at %s answers with status %s, want 200 OK", c.HTTP, resp.Status)}
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxMachines)).Decode(&out); err != nil {
		return nil, &failure{code: 3, err: fmt.Errorf("answer of the hub at %s cannot be parsed: %w", c.HTTP, err)}
	}
	return out, nil
}

// statusAtHub prints the states of the machines that the hub has stored. If a machine has a fault, the exit code is 1.
func (o *order) statusAtHub(ctx context.Context, w stdio, file string, only policy.MachineID) error {
	if o.socket != "" {
		return wrong("--hub goes without --socket").hinted("portillon machine status --hub hub.yaml --machine laser")
	}
	machines, err := askHub(ctx, file)
	if err != nil {
		return err
	}
	if only != "" {
		machines = slices.DeleteFunc(machines, func(m hub.Machine) bool { return m.ID != only })
		if len(machines) == 0 {
			return wrong("this hub knows no machine %.64q", only)
		}
	}
	if o.json {
		return printJSON(w.out, machines)
	}
	l := o.language()
	trouble := false
	for _, m := range machines {
		lines, ill := stateAtHub(m, l)
		trouble = trouble || ill
		for i, line := range lines {
			name := ""
			if i == 0 {
				name = string(m.ID)
			}
			fmt.Fprintf(w.out, "%-12s %s\n", name, plain(line))
		}
	}
	if trouble {
		return errNo
	}
	return nil
}

// stateAtHub returns a description of the machine's state that the hub has stored, and reports whether the machine has
// a fault.
func stateAtHub(m hub.Machine, l policy.Language) (lines []string, trouble bool) {
	when := func(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
	add := func(fr, en string, a ...any) { lines = append(lines, fmt.Sprintf(say(l, fr, en), a...)) }
	add("%s, %d enregistrements reçus", "%s, %d records held",
		say(l, pick(m.Online, "en ligne", "hors ligne"), pick(m.Online, "online", "offline")), m.Held)
	// Report that the hub refuses the machine's records.
	if code, detail := m.Refusal(); code != "" {
		trouble = true
		add("enregistrements refusés depuis le %s, la dernière fois le %s", "records refused since %s, last at %s",
			when(m.TroubleSince), when(m.TroubleAt))
		lines = append(lines, reasonLines(string(uplink.HubRefuses)+"/"+code, detail, l)...)
		if s := m.State; s != nil && s.Generation != "" && s.Generation.Check() == nil &&
			code == string(ledger.OtherGeneration) {
			lines = append(lines,
				"  portillon machine replace "+string(m.ID)+" --hub hub.yaml --generation "+string(s.Generation))
		}
	}
	// Report missing acknowledgements, unless a refusal was already reported, which explains them.
	if s := m.State; s != nil && !s.UnackedSince.IsZero() {
		trouble = true
		add("la machine dit : pas d’accusé de réception depuis le %s", "the machine says: no acknowledgement since %s",
			when(s.UnackedSince))
		if why, _ := uplink.ReadCode(s.UnackedWhy); why != uplink.HubRefuses || m.Trouble == "" {
			lines = append(lines, reasonLines(s.UnackedWhy, "", l)...)
		}
	}
	// Report silent screens, from the machine's state: the daemon notices a silent screen, which cannot report itself.
	if s := m.State; s != nil && s.SilentScreen != "" {
		trouble = true
		add(
			"l’écran %s ne répond plus : ce qu’il affiche est peut-être faux",
			"the screen %s is silent: what it shows may be wrong",
			s.SilentScreen,
		)
	}
	lines = append(lines, journalLines(m, l)...)
	if d := m.Dropped; d != nil {
		add("message trop grand laissé de côté sur %s (%d octets, %d fois, la dernière le %s)",
			"message dropped on %s: too large (%d bytes, %d times, last at %s)",
			d.Topic, d.Bytes, d.Count, when(d.At))
	}
	for _, a := range m.Alerts {
		lines = append(lines, a.In(l))
	}
	return lines, trouble
}
