package session

import (
	"os"
	"strings"
	"testing"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// tableEvents returns the columns of the table: every event, and the kinds of tap.
func tableEvents() []struct {
	name string
	e    Event
	wait time.Duration
} {
	return []struct {
		name string
		e    Event
		wait time.Duration
	}{
		{"tap learner", tapOf(lea), Flap},
		{"tap user", tapOf(nour), Flap},
		{"card away", Removed{Member: nour}, Flap},
		{"slot empty", Removed{}, Flap},
		{"tap mentor", tapOf(karim), Flap},
		{"tap maintainer", tapOf(ines), Flap},
		{"tap user+maintainer", tapOf(paul), Flap},
		{"tap no badge", tapOf(zoe), Flap},
		{"tap blocked", tapOf(bruno), Flap},
		{"stranger", stranger(), Flap},
		{"lost card", refusedCard(nour, policy.LostCard), Flap},
		{"replaced card", refusedCard(nour, policy.ReplacedCard), Flap},
		{"choose maintainer", ChooseRole{Decision: allow(5)}, Flap},
		{"log", Log{What: "lens-cleaning", Minutes: 5}, Flap},
		{"extend", Extend{allow(2)}, Flap},
		{"power off", PowerOff{ines}, Flap},
		{"report", Report{By: nour, Body: wire.ReportBody{What: wire.Noise}}, Flap},
		{"report danger", Report{By: nour, Body: wire.ReportBody{What: wire.Dangerous}, Tag: Tag{ID: "t2"}}, Flap},
		{"vouch", Vouch{By: karim, Skills: []string{"focus"}}, Flap},
		{"tap other mentor", tapOf(sami), Flap},
		{"tag", AddTag{Tag: Tag{ID: "t2", Reason: "belt"}}, Flap},
		{"tag now", AddTag{Tag: Tag{ID: "t2", Reason: "smoke"}, Now: true}, Flap},
		{"untag", RemoveTag{ID: "t1"}, Flap},
		{"stop", Stop{}, Flap},
		{"busy", Busy{true}, Flap},
		{"idle", Busy{false}, Flap},
		{"e-stop", FaultRaised{What: "e-stop"}, Flap},
		{"guard lost", FaultRaised{What: "guard-lost"}, Flap},
		{"e-stop closed", FaultCleared{What: "e-stop"}, Flap},
		{"reader lost", Reader{}, Flap},
		{"reader back", Reader{Alive: true}, Flap},
		{"record failed", RecordFailed{}, Flap},
		{"recorded", Recorded{}, Flap},
		{"tick", Tick{}, Flap},
		{"tick in 61 s", Tick{}, 61 * time.Second},
		{"tick in 9 min", Tick{}, 9 * time.Minute},
		{"tick in 25 h", Tick{}, 25 * time.Hour},
		{"shutdown", Shutdown{}, Flap},
	}
}

// tablePhases returns the rows of the table: the events that lead to each phase.
func tablePhases() []struct {
	name  string
	phase Phase
	reach func(*world)
} {
	return []struct {
		name  string
		phase Phase
		reach func(*world)
	}{
		{"off", Off, func(*world) {}},
		{"awaiting", Awaiting, func(w *world) { w.tap(lea) }},
		{"on", On, func(w *world) { w.tap(paul) }},
		{"on, working", On, func(w *world) { w.tap(paul).do(Busy{true}) }},
		{"on, supervised", On, func(w *world) { w.tap(lea).tap(karim) }},
		{"ending-soon", EndingSoon, func(w *world) { w.tap(nour).do(Busy{true}).wait(119 * time.Minute) }},
		{"finishing", Finishing, func(w *world) { w.tap(nour).do(Busy{true}).wait(2 * time.Hour) }},
		{"cooling", Cooling, func(w *world) { w.tap(nour).tap(nour) }},
		{"maintenance", Maintenance, func(w *world) { w.tap(ines) }},
		{"maintenance, dark", Maintenance, func(w *world) { w.tap(ines).do(PowerOff{ines}) }},
		{"off, mentor asked", Off, func(w *world) { w.settings.Cooldown = 0; w.tap(lea).tap(karim).tap(lea) }},
		{"off, mentor chooses", Off, func(w *world) { w.settings.Cooldown = 0; w.tap(lea).tap(karim).tap(karim) }},
		{"tagged-out", TaggedOut, func(w *world) { w.do(AddTag{Tag: Tag{ID: "t1"}}) }},
		{"fault", Fault, func(w *world) { w.do(FaultRaised{What: "e-stop"}) }},
	}
}

// The table is testdata/table.txt, with one line for every phase and every event. People read this table, so keep the
// file readable.
func TestEveryPhaseHandlesEveryEventAsInTheTable(t *testing.T) {
	want := readTable(t)
	var all strings.Builder
	for _, p := range tablePhases() {
		all.WriteString("\n[" + p.name + "]\n")
		for _, h := range tableEvents() {
			w := newWorld()
			p.reach(w)
			if w.Phase != p.phase {
				t.Fatalf("%s: the test reaches %s", p.name, w.Phase)
			}
			s, effects := Next(w.State, Input{Now: w.now.Add(h.wait), Settings: w.settings, Session: "new", Event: h.e})
			got := s.String() + " | " + formatEffects(effects)
			all.WriteString(line(h.name, got))
			if w, ok := want[p.name+"/"+h.name]; !ok {
				t.Errorf("%s: %s: no line in the table", p.name, h.name)
			} else if w != got {
				t.Errorf("%s: %s:\n got %s\nwant %s", p.name, h.name, got, w)
			}
			delete(want, p.name+"/"+h.name)
		}
	}
	for k := range want {
		t.Errorf("the table has a line that nothing tests: %s", k)
	}
	if f := os.Getenv("TABLE_OUT"); f != "" { // write the table to a file, to see how a change affects the whole table
		if err := os.WriteFile(f, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func line(event, got string) string {
	return event + strings.Repeat(" ", 22-len(event)) + "-> " + strings.TrimSuffix(got, " | ") + "\n"
}

func readTable(t *testing.T) map[string]string {
	data, err := os.ReadFile("testdata/table.txt")
	if err != nil {
		t.Fatal(err)
	}
	out, place := map[string]string{}, ""
	for _, l := range strings.Split(string(data), "\n") {
		event, got, row := strings.Cut(l, "->")
		switch {
		case strings.HasPrefix(l, "["):
			place = strings.Trim(l, "[]")
		case row && strings.Contains(got, "|"):
			out[place+"/"+strings.TrimSpace(event)] = strings.TrimSpace(got)
		case row:
			out[place+"/"+strings.TrimSpace(event)] = strings.TrimSpace(got) + " | "
		}
	}
	return out
}
