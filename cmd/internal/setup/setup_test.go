package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/acceptance"
	"portillon/cmd/internal/daemoncmd"
	"portillon/daemon/control"
	"portillon/policy"
)

const siteKey = "portillon-biklab+c260dc51+ARYiNm5YZQpt7c5qwRIEmnUAwwGd0tERIG7mdzSA5fIO"

func complete1() Answers {
	return Answers{Machine: "laser", Site: "biklab", BundleKey: siteKey, Broker: "none", Reader: "usb",
		Port: "/dev/input/by-id/usb-X-event-kbd", Format: "hex", Relay: "high", Inputs: "e-stop"}
}

// Each combination of answers produces a machine.yaml that passes the daemon's own check and contains the answers.
func TestEveryCombinationOfAnswersProducesAValidMachineYaml(t *testing.T) {
	files := 0
	for _, reader := range readerNames() {
		for _, relay := range relays {
			for mask := range 1 << len(inputs) {
				a := complete1()
				a.Reader, a.Relay, a.Port = reader, relay, "/dev/input/by-id/usb-X-event-kbd"
				if p := a.offer().Values["port"]; p != "" {
					a.Port = p
				}
				var in []string
				for i, x := range inputs {
					if mask>>i&1 == 1 {
						in = append(in, x.name)
					}
				}
				if a.Inputs = strings.Join(in, ","); in == nil {
					a.Inputs = "none"
				}
				// Skip most combinations of inputs, because the check of each file takes a millisecond.
				if mask != 0 && mask != 1<<len(inputs)-1 && (mask+files)%31 != 0 {
					continue
				}
				path := filepath.Join(t.TempDir(), "laser.yaml")
				if err := os.WriteFile(path, []byte(a.Render()), 0o600); err != nil {
					t.Fatal(err)
				}
				c, err := readWires(path)
				if err != nil {
					t.Fatalf("%+v: %v\n%s", a, err, a.Render())
				}
				files++
				got := WiringOf(c)
				for name, is := range map[string]bool{"e-stop": got.EStop, "door": got.Door,
					"feedback": got.Feedback, "busy": got.Busy, "exhaust": got.Exhaust, "lamps": c.Lights.Red != "",
					"buzzer": c.Lights.Buzzer != ""} {
					if is != slices.Contains(in, name) {
						t.Errorf("%+v: %s is wired: %t", a, name, is)
					}
				}
				if c.Reader.Kind != a.offer().Spec.Kind || c.Relay.Heartbeat != (relay == "pump") || c.Relay.ActiveLow {
					t.Errorf("%+v: %+v %+v", a, c.Reader, c.Relay)
				}
			}
		}
	}
	if files < 50 {
		t.Errorf("only %d files were made", files)
	}
}

func TestSetupAddsSiteMachineAndBundleKeyToASampleWiring(t *testing.T) {
	samples, err := filepath.Glob("../../../firmware-config/*.yaml")
	if err != nil || len(samples) < 5 {
		t.Fatal(samples, err)
	}
	for _, path := range samples {
		was, err := daemoncmd.ReadConfig(path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		a := Answers{Machine: "lathe", Site: "elsewhere", BundleKey: "portillon-x+c260dc51+ARYi"}
		to := filepath.Join(t.TempDir(), "lathe.yaml")
		if err := os.WriteFile(to, []byte(a.FromWiring(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
		is, err := daemoncmd.ReadConfig(to)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if is.Machine != "lathe" || is.Site != "elsewhere" || is.Bundle.Key != a.BundleKey ||
			is.Data != "/var/lib/portillon/lathe" || is.Reader.Kind != was.Reader.Kind ||
			is.Relay.Heartbeat != was.Relay.Heartbeat || is.Relay.EStop != was.Relay.EStop {
			t.Errorf("%s: %+v", path, is)
		}
	}
}

func TestDiffShowsOnlyChangedLines(t *testing.T) {
	for _, c := range []struct{ was, is, want string }{
		{"a\nb\nc\n", "a\nb\nc\n", ""},
		{"a\nb\nc\n", "a\nx\nc\n", "- b\n+ x\n"},
		{"", "a\n", "+ a\n"},
		{"a\n", "", "- a\n"},
		{"a\nb\n", "b\nc\n", "- a\n+ c\n"},
	} {
		if got := Diff(c.was, c.is); got != c.want {
			t.Errorf("%q to %q: %q, want %q", c.was, c.is, got, c.want)
		}
	}
	if long := strings.Repeat("x\n", maxDiff+1); Diff("a\n", long) != strings.Repeat("+ x\n", maxDiff+1) {
		t.Error("a text that is too long is not shown whole")
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add("laser\nbiklab\n" + siteKey + "\n\n1\n/dev/x\n1\n1\n0\n")
	f.Add("../\n\x00\n")
	f.Fuzz(func(t *testing.T, typed string) {
		term := NewTerminal(t.Context(), strings.NewReader(typed), io.Discard, policy.English)
		ask := func(x policy.Text) (string, error) { return term.Ask(t.Context(), x) }
		a, err := complete(Answers{}, []string{"/dev/input/by-id/a-event-kbd"}, ask, term.Say)
		if err != nil {
			return
		}
		if err := parse(a.Machine+".yaml", a.Render()); err != nil {
			t.Errorf("%+v: %v\n%s", a, err, a.Render())
		}
	})
}

// lab simulates a Raspberry Pi that is wired to a machine. Of all parts of the Pi, only the files are real. The
// daemon's status depends on the actions of the person.
type lab struct {
	now    time.Time
	boot   int
	relay  bool
	lost   bool // true: the reader is unplugged
	faults []string
	dead   bool // true: the next request fails, later requests succeed
	mute   bool
	deeds  []string
	calls  []string
	owned  []string
	wrong  string // id of the step at which the lamp does the opposite of what the step requires
}

func (l *lab) Now() time.Time { l.now = l.now.Add(100 * time.Millisecond); return l.now }

func (l *lab) BootID() string { return fmt.Sprint("boot ", l.boot) }

func (l *lab) Systemctl(_ context.Context, args ...string) error {
	l.calls = append(l.calls, strings.Join(args, " "))
	return nil
}

func (l *lab) Status(context.Context, string) (control.Status, error) {
	if l.mute {
		return control.Status{}, errors.New("no daemon answers")
	}
	if l.dead {
		l.dead = false // systemd restarts the stopped daemon
		return control.Status{}, errors.New("no daemon answers")
	}
	phase := map[bool]string{true: "on", false: "off"}[l.relay]
	if len(l.faults) > 0 {
		phase = "fault"
	}
	return control.Status{Relay: l.relay, Phase: phase, Faults: l.faults, Reader: !l.lost, Clock: "trusted"}, nil
}

func (l *lab) Do(_ context.Context, _ daemoncmd.Config, d acceptance.Deed) error {
	l.deeds = append(l.deeds, string(d))
	l.relay, l.dead = false, d == acceptance.KillDaemon || d == acceptance.StopDaemon
	return nil
}

func (l *lab) Own(paths ...string) error { l.owned = append(l.owned, paths...); return nil }

func (l *lab) Pause(context.Context, time.Duration) {}

// person answers the prompts of a setup on this lab. When the person cuts the power, the input ends, as on a real Pi.
type person struct {
	*lab
	out    bytes.Buffer
	seen   int
	onward *io.PipeWriter
	latch  bool
}

func (p *person) Write(b []byte) (int, error) {
	p.out.Write(b)
	text := p.out.String()[p.seen:]
	if strings.HasSuffix(text, " > ") {
		p.seen = p.out.Len()
		if i := strings.LastIndex(text, "["); i >= 0 && strings.Contains(text[i:], "] ") {
			text = text[i:]
		}
		line, more := p.answer(text)
		go func() {
			if !more {
				p.onward.Close()
				return
			}
			io.WriteString(p.onward, line+"\n")
		}()
	}
	return len(b), nil
}

func (p *person) answer(text string) (line string, more bool) {
	step, ask, _ := strings.Cut(strings.TrimPrefix(text, "["), "] ")
	has := func(words string) bool { return strings.Contains(ask, words) }
	if !p.relay {
		p.latch = false
	}
	switch {
	case has("cut it now"):
		p.boot, p.relay = p.boot+1, false
		return "", false
	case has("NOT AS IT MUST BE"):
		return "", true
	case has("Is the lamp lit?"):
		return map[bool]string{true: "y", false: "n"}[p.latch != (step == p.wrong)], true
	case has("(y/n)"):
		return "y", true
	case has("Do not touch the start button"):
		p.relay = true
	case has("then press the machine’s start button"):
		p.relay, p.latch = true, true
	case has("Press the machine’s start button"):
		p.latch = p.relay
	case has("Tap the same card again"):
		p.relay = false
	case has("Press the emergency stop"), has("second contact off"):
		p.relay, p.faults = false, []string{"e-stop"}
	case has("Unplug the reader"):
		p.lost = true
	case has("Plug the reader in again"):
		p.lost = false
	case has("Release the emergency stop"), has("Put the wire back"):
		p.faults = nil
	}
	return "", true
}

// runSetup runs setup on this lab, with a simulated person who answers the prompts.
func (l *lab) runSetup(t *testing.T, root string, o Options) (string, error) {
	t.Helper()
	in, onward := io.Pipe()
	p := &person{lab: l, onward: onward}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	defer in.Close()
	o.Root, o.By, o.Version = root, "Karim", "0.1"
	s := &Setup{Options: o, Host: l, Term: NewTerminal(ctx, in, p, policy.English)}
	s.Term.Yes, s.LampInPlace = true, true
	path := filepath.Join(root, "laser.yaml")
	c, err := readWires(path)
	if err != nil {
		t.Fatal(err)
	}
	c.Data = filepath.Join(root, "data")
	if err := s.machineKey(c); err != nil {
		t.Fatal(err)
	}
	err = s.trial(ctx, c, path)
	return p.out.String(), err
}

func wiredRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "laser.yaml"), []byte(complete1().Render()), 0o600); err != nil {
		t.Fatal(err)
	}
	return root
}

func TestAcceptanceTestContinuesAfterEachPowerCut(t *testing.T) {
	l, root := &lab{now: time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)}, wiredRoot(t)
	said, err := l.runSetup(t, root, Options{})
	if !errors.Is(err, ErrEnded) || !strings.Contains(said, "cut it now") {
		t.Fatalf("to the power cut: %v\n%s", err, said)
	}
	if said, err = l.runSetup(t, root, Options{}); !errors.Is(err, ErrReboot) || l.calls[len(l.calls)-1] != "poweroff" {
		t.Fatalf("to the halt: %v\n%s", err, said)
	}
	l.boot, l.relay = l.boot+1, false
	if said, err = l.runSetup(t, root, Options{}); err != nil {
		t.Fatalf("to the end: %v\n%s", err, said)
	}
	for _, want := range []string{"kill-daemon", "stop-daemon", "kill-guard"} {
		if !slices.Contains(l.deeds, want) {
			t.Errorf("the program did not %s", want)
		}
	}
	found, _ := filepath.Glob(filepath.Join(root, "data/acceptance/*"))
	if len(found) != 1 {
		t.Fatalf("kept: %q", found)
	}
	c, _ := readWires(filepath.Join(root, "laser.yaml"))
	_, public, err := c.Signer(filepath.Join(root, "etc/credstore"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	p, err := acceptance.Read(found[0], note.VerifierList(v))
	sum, _ := Fingerprint(filepath.Join(root, "laser.yaml"))
	if err != nil || !p.Passed() || p.Wiring != sum || p.By != "Karim" || p.Clock != "trusted" ||
		p.Count(acceptance.Passed) != len(acceptance.Plan(WiringOf(c))) {
		t.Errorf("%+v %v", p, err)
	}
	if fi, err := os.Stat(found[0]); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the protocol names a person and may be read by others: %v %v", fi.Mode(), err)
	}
	deeds := len(l.deeds)
	if said, err = l.runSetup(t, root, Options{}); err != nil ||
		!strings.Contains(said, "was passed on 2026-11-29 by Karim") || len(l.deeds) != deeds {
		t.Errorf("a passed test is done again: %v\n%s", err, said)
	}
	path := filepath.Join(root, "laser.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(text, "# rewired\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err = l.runSetup(t, root, Options{}); !errors.Is(err, ErrEnded) || len(l.deeds) == deeds {
		t.Errorf("another wiring is not tested: %v\n%s", err, said)
	}
}

func TestAFailedStepMakesTheAcceptanceTestFail(t *testing.T) {
	l, root := &lab{now: time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC), wrong: "e-stop"}, wiredRoot(t)
	var said string
	var err error
	for range 3 {
		if said, err = l.runSetup(t, root, Options{}); errors.Is(err, ErrReboot) {
			l.boot, l.relay = l.boot+1, false
		}
	}
	if !errors.Is(err, ErrNotPassed) || !strings.Contains(said, "NOT PASSED: 1 steps failed") ||
		!strings.Contains(said, "FAILED   e-stop: Is the lamp lit? no") {
		t.Errorf("%v\n%s", err, said)
	}
	if said, err = l.runSetup(t, root, Options{}); !errors.Is(err, ErrEnded) || strings.Contains(said, "was passed") {
		t.Errorf("after a failed test: %v\n%s", err, said)
	}
}

func TestAnUnfinishedAcceptanceTestStartsAgainIfTheWiringChanged(t *testing.T) {
	l, root := &lab{now: time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)}, wiredRoot(t)
	if _, err := l.runSetup(t, root, Options{}); !errors.Is(err, ErrEnded) {
		t.Fatal(err)
	}
	path := filepath.Join(root, "laser.yaml")
	text, _ := os.ReadFile(path)
	os.WriteFile(path, append(text, "# moved\n"...), 0o600)
	said, err := l.runSetup(t, root, Options{})
	if !errors.Is(err, ErrEnded) || !strings.Contains(said, "has changed since: the test begins anew") ||
		!strings.Contains(said, "1/14  Tap (tap)") {
		t.Errorf("%v\n%s", err, said)
	}
	os.WriteFile(filepath.Join(root, "data/acceptance/unfinished.json"), []byte("{"), 0o600)
	if said, err = l.runSetup(t, root, Options{}); !errors.Is(err, ErrEnded) ||
		!strings.Contains(said, "cannot be read: the test begins anew") {
		t.Errorf("%v\n%s", err, said)
	}
}
