package hub_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/ledger/ledgertest"
	"portillon/policy"
	"portillon/wire"
)

// fakeMachine is a machine that publishes its state and answers commands.
type fakeMachine struct {
	*client
	orders *wire.Commands
	answer wire.Reply // reply to every command, except that told sets the reply's ID to that of the command
}

func present(t *testing.T, o *runningHub) *fakeMachine {
	t.Helper()
	c := dial(t, o.Broker())
	c.subscribe(c.topics.Command("laser"))
	return &fakeMachine{
		client: c,
		orders: &wire.Commands{Site: "biklab", Machine: "laser", Keys: note.VerifierList(o.key)},
		answer: wire.Reply{OK: true},
	}
}

func (p *fakeMachine) is(tagged bool, journal uint64) {
	b, _ := json.Marshal(wire.State{Machine: "laser", Phase: "off", Tagged: tagged, Journal: journal})
	p.must(p.c.Publish(p.topics.State("laser"), 1, true, b))
	p.must(p.c.Publish(p.topics.Availability("laser"), 1, true, wire.Online))
}

// answerNext publishes the machine's state repeatedly until a command arrives, and answers the command. answerNext
// repeats the state because the broker inside this program may lose a retained message while the hub subscribes.
func (p *fakeMachine) answerNext(tagged bool, journal uint64) wire.Command {
	p.t.Helper()
	var order []byte
	for end := time.Now().Add(patience); order == nil; {
		p.is(tagged, journal)
		select {
		case m := <-p.in:
			order = m.Payload()
		case <-time.After(time.Second / 2):
			if time.Now().After(end) {
				p.t.Fatal("the machine was told nothing")
			}
		}
	}
	c, err := p.orders.Open(order, time.Now(), true)
	if err != nil {
		p.t.Fatal(err)
	}
	p.answer.ID = c.ID
	b, _ := json.Marshal(p.answer)
	p.publish(p.topics.Reply("laser"), b)
	return c
}

func gone(t *testing.T, what string, holds func() bool) {
	t.Helper()
	poll := time.Tick(20 * time.Millisecond)
	for end := time.Now().Add(patience); !holds(); <-poll {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// An administrator puts a tag on a machine that is offline. The hub sends the tag once the machine is online, and again
// after a restart if the machine has lost the tag. After a person has taken the tag off at the machine, the hub never
// sends that tag again.
func TestHubSendsAnAdministratorsTagOnceItsMachineIsOnline(t *testing.T) {
	t.Parallel() // most of the test's time is waiting
	m := ledgertest.New(t, "biklab", "laser")
	c := configure(t, []*ledgertest.Machine{m})
	tag, err := c.TagOut("laser", "courroie usée", true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	o := run(t, c)
	p := present(t, o)
	if got := p.answerNext(false, 0); got.Do != "tag" || got.Tag != tag.ID || got.Reason != "courroie usée" || !got.Now {
		t.Errorf("%+v", got)
	}
	m.Append(wire.Tagged, "", "", wire.TagBody{Tag: tag.ID, Reason: "courroie usée", Now: true})
	p.publish(p.topics.Records("laser"), m.Data(1, 1))
	p.is(true, 1)
	gone(t, "the record did not arrive", func() bool { return o.Machines()[0].Held == 1 })
	if left, err := c.Tags(); err != nil || len(left) != 1 {
		t.Errorf("%v %v: the tag hangs, and the office has forgotten it", left, err)
	}
	o.stop()

	o = run(t, c) // simulate a machine that has another tag and whose journal has lost the record of this tag
	p = present(t, o)
	if got := p.answerNext(true, 0); got.Tag != tag.ID || !got.Now {
		t.Errorf("%+v", got)
	}
	p.is(true, 1)
	o.stop()

	o = run(t, c) // simulate a new SD card, so that the machine has lost its tags
	p = present(t, o)
	if got := p.answerNext(false, 1); got.Tag != tag.ID {
		t.Errorf("%+v", got)
	}
	m.Append(wire.Untagged, "", "m-1", wire.TagBody{Tag: tag.ID})
	p.publish(p.topics.Records("laser"), m.Data(2, 2))
	gone(t, "a tag that was taken off is kept", func() bool { left, _ := c.Tags(); return len(left) == 0 })
	o.stop()

	o = run(t, c)
	p = present(t, o)
	p.is(false, 2)
	gone(t, "the machine is not seen", func() bool { return o.Machines()[0].Online })
	p.requireNoMessage()
}

// The hub stores why a machine refuses a tag, for the administrator who put the tag on.
func TestReasonWhyAMachineRefusesATagIsStored(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	c := configure(t, []*ledgertest.Machine{m})
	tag, err := c.TagOut("laser", "courroie usée", false, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	status := func() hub.TagStatus {
		t.Helper()
		all, err := c.TagStatuses(t.Context())
		if err != nil || len(all) != 1 || all[0].ID != tag.ID {
			t.Fatalf("%+v, %v", all, err)
		}
		return all[0]
	}
	if s := status(); s.OnMachine || s.Why != "" {
		t.Errorf("before the hub runs: %+v", s)
	}
	o := run(t, c)
	p := present(t, o)
	p.answer = wire.Reply{Why: "too many tags are on this machine: 32"}
	p.answerNext(false, 0)
	gone(
		t,
		"the reason is not kept",
		func() bool {
			return status().Why == "machine laser refuses the tag: too many tags are on this machine: 32"
		},
	)
	m.Append(wire.Tagged, "", "", wire.TagBody{Tag: tag.ID, Reason: "courroie usée"})
	p.publish(p.topics.Records("laser"), m.Data(1, 1))
	gone(t, "the tag is not seen on its machine", func() bool { s := status(); return s.OnMachine && s.Why == "" })
}

func TestInvalidTagIsRefusedWithAnExplanation(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	c := configure(t, []*ledgertest.Machine{m})
	for _, x := range []struct{ machine, reason, want string }{
		{"press", "smoke", `no machine "press"`}, {"laser", " ", "1 to 200 bytes"},
		{"laser", strings.Repeat("é", 101), "1 to 200 bytes"},
	} {
		_, err := c.TagOut(policy.MachineID(x.machine), x.reason, false, time.Now())
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s %q: %v", x.machine, x.reason, err)
		}
	}
	if _, err := c.TagOut("laser", "smoke", false, time.Now()); err != nil {
		t.Fatal(err)
	}
	torn := filepath.Join(c.Data, "tags", "0123456789abcdef.json")
	if err := os.WriteFile(torn, []byte(`{"machine":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if tags, err := c.Tags(); len(tags) != 1 || err == nil || !strings.Contains(err.Error(), "0123456789abcdef") {
		t.Errorf("%v %v", tags, err)
	}
}
