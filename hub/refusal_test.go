package hub_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"portillon/hub"
	"portillon/hub/ledger/ledgertest"
	"portillon/wire"
)

// manualClock is a clock that only the test advances.
type manualClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *manualClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *manualClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// logText stores the hub's log.
type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// publishState publishes a machine's state, and waits until the hub has received the state.
func (c *client) publishState(o *runningHub, s wire.State) {
	c.t.Helper()
	s.Machine, s.Phase = "laser", "off"
	b, err := json.Marshal(s)
	if err != nil {
		c.t.Fatal(err)
	}
	c.publish(c.topics.State("laser"), b)
	o.awaitMachine("laser", "heard", func(m hub.Machine) bool { return m.State != nil && *m.State == s })
}

// publishRefused publishes a batch, and waits until the hub has refused the batch with the code.
func (c *client) publishRefused(o *runningHub, data []byte, code string) {
	c.t.Helper()
	before := time.Time{}
	for _, m := range o.Machines() {
		before = m.TroubleAt
	}
	o.clock.pass(time.Second)
	c.publish(c.topics.Records("laser"), data)
	o.awaitMachine(
		"laser",
		code,
		func(m hub.Machine) bool { return strings.HasPrefix(m.Trouble, code) && m.TroubleAt.After(before) },
	)
}

func refusing(t *testing.T) (*runningHub, *client, *ledgertest.Machine) {
	t.Helper()
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(10)
	clock := &manualClock{t: ledgertest.Start()}
	o := runAt(t, configure(t, []*ledgertest.Machine{m}), clock.now)
	o.clock = clock
	c := dial(t, o.Broker())
	c.subscribe(c.topics.Ack("laser"))
	c.awaitAck(o, m, 0)
	clock.pass(time.Hour)
	return o, c, m
}

func TestRefusalReasonIsSentAtMostOnceAMinute(t *testing.T) {
	o, c, m := refusing(t)
	other := ledgertest.New(t, "biklab", "laser") // this machine has the same id and a different key
	other.Fill(3)
	c.publishState(o, wire.State{Format: 2})
	if a := c.nextAck(o); a.Refused != nil {
		t.Errorf("refused before anything was sent: %+v", a.Refused)
	}
	c.publishRefused(o, other.Data(1, 3), "bad-checkpoint")
	if a := c.nextAck(o); a.Refused == nil || a.Refused.Code != "bad-checkpoint" ||
		!strings.Contains(a.Refused.Detail, "no trusted key") {
		t.Errorf("%+v", a.Refused)
	}
	c.publishRefused(o, other.Data(1, 3), "bad-checkpoint")
	c.requireNoMessage()
	c.publishRefused(o, []byte("no batch"), "malformed") // the hub sends a different reason at once
	if a := c.nextAck(o); a.Refused == nil || a.Refused.Code != "malformed" {
		t.Errorf("%+v", a.Refused)
	}
	o.clock.pass(time.Minute)
	c.publishRefused(o, other.Data(1, 3), "bad-checkpoint")
	if a := c.nextAck(o); a.Refused == nil || a.Refused.Code != "bad-checkpoint" {
		t.Errorf("%+v", a.Refused)
	}
	c.publish(c.topics.Records("laser"), m.Data(1, 10))
	if a := c.nextAck(o); a.Refused != nil || a.Seq != 10 {
		t.Errorf("after records that were taken: %+v, %+v", a, a.Refused)
	}
	o.awaitMachine("laser", "well", func(m hub.Machine) bool { return m.Trouble == "" && m.TroubleSince.IsZero() })
}

// A machine with the previous release rejects an acknowledgement that contains a reason, because that release does
// not know the field.
func TestMachineOfFormat1GetsNoRefusalReason(t *testing.T) {
	o, c, _ := refusing(t)
	c.publishState(o, wire.State{})
	c.publishRefused(o, []byte("no batch"), "malformed")
	c.requireNoMessage()
	c.publishState(o, wire.State{Format: 2}) // after an upgrade, the machine receives the reason after its next state
	if a := c.nextAck(o); a.Refused == nil || a.Refused.Code != "malformed" {
		t.Errorf("%+v", a.Refused)
	}
	// After a downgrade, the machine must be able to read the retained acknowledgement.
	c.publishState(o, wire.State{Phase: "off", Journal: 1})
	if a := c.nextAck(o); a.Refused != nil {
		t.Errorf("%+v", a.Refused)
	}
}

func TestHubReportsSinceWhenItRefusesRecords(t *testing.T) {
	o, c, _ := refusing(t)
	since := o.clock.now().Add(time.Second)
	for range 3 {
		c.publishRefused(o, []byte("no batch"), "malformed")
	}
	other := ledgertest.New(t, "biklab", "laser")
	other.Fill(1)
	for _, m := range o.Machines() {
		if !m.TroubleSince.Equal(since) || !m.TroubleAt.Equal(since.Add(2*time.Second)) {
			t.Errorf("since %s, last at %s; want %s", m.TroubleSince, m.TroubleAt, since)
		}
	}
	c.publishRefused(o, other.Data(1, 1), "bad-checkpoint")
	for _, m := range o.Machines() {
		if !m.TroubleSince.Equal(m.TroubleAt) {
			t.Errorf("another reason since %s, at %s", m.TroubleSince, m.TroubleAt)
		}
	}
}

// An idle machine publishes its state to find out whether the hub is running.
func TestStateOfFormat2IsAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		format int
		after  time.Duration // time since the last acknowledgement
		want   bool
	}{
		"format 2":             {2, time.Minute, true},
		"format 2, just acked": {2, time.Second, false},
		"format 1":             {0, time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			o, x, m := refusing(t)
			x.publish(x.topics.Records("laser"), m.Data(1, 10))
			x.awaitAck(o, m, 10)
			if c.format >= wire.SealFormat { // the hub answers the first state at once, with its seal key
				x.publishState(o, wire.State{Format: c.format, Journal: 10})
				x.nextAck(o)
			}
			o.clock.pass(c.after)
			x.publishState(o, wire.State{Format: c.format, Journal: 10, Hours: 1})
			if !c.want {
				x.requireNoMessage()
			} else if a := x.nextAck(o); a.Seq != 10 {
				t.Errorf("%+v", a)
			}
		})
	}
}

func TestSilentScreenIsLoggedOncePerChange(t *testing.T) {
	o, c, _ := refusing(t)
	n := uint64(0)
	count := func(what string) int { return strings.Count(o.log.String(), what) }
	say := func(screen string, after time.Duration) {
		n++
		o.clock.pass(after)
		c.publishState(o, wire.State{Journal: n, SilentScreen: screen})
	}
	say("", 0)
	for range 3 {
		say("127.0.0.1", time.Minute)
	}
	if got := count("screen silent"); got != 1 {
		t.Errorf("logged %d times that it is silent", got)
	}
	for range 3 {
		say("", time.Minute)
	}
	if got := count("screen reports again"); got != 1 {
		t.Errorf("logged %d times that it reports again", got)
	}
	for i := range 100 { // the machine reports a different screen state each time
		say([]string{"", "127.0.0.1"}[i%2], 10*time.Millisecond)
	}
	if got := count("screen silent"); got > 2 {
		t.Errorf("logged %d times", got)
	}
}
