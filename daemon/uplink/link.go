package uplink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"portillon/wire"
)

const (
	// maxUnacked is how many publishes the broker may owe a PUBACK for before no more are sent.
	maxUnacked = 2 * maxWindow
	keepAlive  = 30 * time.Second
	// farewell is how long an ending daemon waits for its goodbye to be sent; without it the broker publishes the will.
	farewell = time.Second
)

// link is one connection, from CONNECT to its end.
type link struct {
	*Uplink
	client  mqtt.Client
	cut     context.CancelFunc // closes the socket, even one that is still being opened
	lost    chan error
	flow    flow
	tokens  []mqtt.Token // of records, oldest first
	shown   *wire.State  // the state that was last published
	showing mqtt.Token   // and what the broker said to it
	told    map[string]bool

	ask    bool          // the state is to be published anew, for the hub to answer
	live   bool          // the hub has answered since it was last asked
	repeat time.Duration // after how long an unanswered question is repeated
}

// session is the life of one connection. It reports whether the hub acknowledged anything new.
func (u *Uplink) session(ctx context.Context) (progress bool, err error) {
	l := &link{Uplink: u, lost: make(chan error, 1), flow: newFlow(u.held.Load()), told: map[string]bool{},
		ask: true, repeat: u.c.Stall}
	select {
	case <-u.acks: // of the connection before
	default:
	}
	socket, cut := context.WithCancel(context.WithoutCancel(ctx)) // it outlives ctx by the goodbye
	l.cut = cut
	defer cut()
	if err := l.connect(ctx, socket); err != nil {
		return false, err
	}
	defer l.hangUp()
	if err := l.greet(ctx); err != nil {
		return false, err
	}
	u.online()
	if u.h.Online != nil {
		u.h.Online(true)
		defer u.h.Online(false)
	}
	u.log.Info("connected to the broker", "broker", u.broker.Redacted(), "hub holds", l.flow.held, "journal", u.j.Len())
	return l.serve(ctx)
}

func (l *link) connect(ctx, socket context.Context) error {
	o := mqtt.NewClientOptions().AddBroker(l.broker.String()).
		SetClientID(l.topics.ClientID(l.c.Machine)).
		SetProtocolVersion(4). // MQTT 3.1.1, and no second try with 3.1
		SetAutoReconnect(false).SetConnectRetry(false).SetCleanSession(true).
		SetWriteTimeout(l.c.Timeout).SetConnectTimeout(l.c.Timeout).SetKeepAlive(keepAlive).SetPingTimeout(l.c.Timeout).
		SetWill(l.topics.Availability(l.c.Machine), wire.Offline, 1, true).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { l.receive(m.Topic(), m.Retained(), m.Payload()) }).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { put(l.lost, err) }).
		SetCustomOpenConnectionFn(l.open(socket))
	if l.c.Username != "" {
		pw, err := password(l.c.PasswordFile)
		if err != nil {
			return err
		}
		o.SetUsername(l.c.Username).SetPassword(pw)
	}
	l.client = mqtt.NewClient(o)
	return l.await(ctx, l.client.Connect(), "connect")
}

func password(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("the broker's password: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}

// await waits for the broker's answer, within Timeout. Without one the connection is cut, which ends the token too.
func (l *link) await(ctx context.Context, t mqtt.Token, what string) error {
	select {
	case <-t.Done():
		if err := t.Error(); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	case err := <-l.lost:
		return fmt.Errorf("%s: %w", what, err)
	case <-l.c.After(2 * l.c.Timeout): // the dial has one, the handshake another
		l.hangUp()
		return fmt.Errorf("%s: the broker did not answer", what)
	case <-ctx.Done():
		l.hangUp()
		return ctx.Err()
	}
}

// hangUp ends the connection at once: the socket first, so that nothing in the library waits for it.
func (l *link) hangUp() {
	l.cut()
	l.client.Disconnect(0)
}

// greet subscribes, and publishes what is retained: after a broker's restart none of it may be there any more.
func (l *link) greet(ctx context.Context) error {
	m := l.c.Machine
	want := map[string]byte{l.topics.Ack(m): 1, l.topics.Command(m): 1, l.topics.Bundle(): 1}
	t := l.client.SubscribeMultiple(want, nil)
	if err := l.await(ctx, t, "subscribe"); err != nil {
		return err
	}
	if s, ok := t.(*mqtt.SubscribeToken); ok {
		for topic, qos := range s.Result() {
			if qos > 2 { // MQTT 3.1.1 §3.9.3: 0x80 is failure
				return fmt.Errorf("subscribe: the broker refuses the topic %s: its access list must allow it", topic)
			}
		}
	}
	if err := l.await(ctx, l.client.Publish(l.topics.Availability(m), 1, true, wire.Online), "availability"); err != nil {
		return err
	}
	if d := l.c.Discovery; d.Topic != "" {
		if err := l.await(ctx, l.client.Publish(d.Topic, 1, true, d.Payload), "discovery"); err != nil {
			return err
		}
	}
	cp, err := l.j.Checkpoint()
	if err != nil {
		return err
	}
	// Nothing is ever retained on these two by a machine: an empty message clears what somebody else left there.
	for _, topic := range []string{l.topics.Records(m), l.topics.Reply(m)} {
		l.tokens = append(l.tokens, l.client.Publish(topic, 1, true, []byte{}))
	}
	return l.await(ctx, l.client.Publish(l.topics.Checkpoint(m), 1, true, cp), "checkpoint")
}

// serve sends and listens until the connection or ctx ends.
func (l *link) serve(ctx context.Context) (progress bool, err error) {
	patience := l.c.Stall
	var stall <-chan time.Time
	probe := l.c.After(l.c.Stall)
	for {
		// Records go first: a hub that has them does not answer the state that names them by asking for them.
		if err := errors.Join(l.send(), l.show()); err != nil {
			return progress, err
		}
		if !l.flow.waiting() && len(l.tokens) == 0 {
			stall = nil
		} else if stall == nil {
			stall = l.c.After(patience)
		}
		select {
		case <-ctx.Done():
			l.leave()
			return progress, ctx.Err()
		case err := <-l.lost:
			return progress, fmt.Errorf("lost: %w", err)
		case a := <-l.acks:
			if l.believe(a) {
				progress, patience, stall = true, l.c.Stall, nil
			}
		case <-probe:
			probe = l.c.After(l.probe())
		case <-l.kick:
		case <-done(l.showing):
		case <-l.owed():
		case reply := <-l.replies:
			l.tokens = append(l.tokens, l.client.Publish(l.topics.Reply(l.c.Machine), 1, false, reply))
		case <-stall:
			if err := l.stalled(patience); err != nil {
				return progress, err
			}
			stall, patience = nil, min(2*patience, l.c.StallMax)
		}
	}
}

func done(t mqtt.Token) <-chan struct{} {
	if t == nil {
		return nil
	}
	return t.Done()
}

// stalled is called when the hub, or the broker, has not answered in time.
func (l *link) stalled(after time.Duration) error {
	if err := l.settle(); err != nil {
		return err
	}
	if len(l.tokens) > 0 {
		return fmt.Errorf("the broker did not acknowledge %d messages within %s", len(l.tokens), after)
	}
	if !l.flow.waiting() {
		return nil
	}
	l.log.Warn("the hub does not acknowledge; sending again", "from", l.flow.held+1, "after", after)
	l.flow.rewind()
	l.ask = true // whether the hub answers a state tells a hub that is away from a broker that drops records
	return nil
}

// probe asks the hub whether it is there, unless it has answered of late. It returns when to look again.
func (l *link) probe() time.Duration {
	if l.live {
		l.live, l.repeat = false, l.c.Stall
		return l.c.Probe
	}
	l.ask = true
	wait := l.repeat
	l.repeat = min(2*l.repeat, l.c.ProbeMax)
	return wait
}

// show publishes the newest state, one at a time.
func (l *link) show() error {
	if l.showing != nil {
		select {
		case <-l.showing.Done():
			if err := l.showing.Error(); err != nil {
				return fmt.Errorf("state: %w", err)
			}
			l.showing = nil
		default:
			return nil // its Done will call again
		}
	}
	s := l.state.Load()
	if s == nil || !l.ask && (s == l.shown || l.shown != nil && *s == *l.shown) {
		return nil
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if l.ask {
		l.ask = false
		l.asks()
	}
	l.shown = s
	l.showing = l.client.Publish(l.topics.State(l.c.Machine), 1, true, data)
	return nil
}

// owed is the oldest PUBACK that is missing, where so many are that nothing more is sent before it.
func (l *link) owed() <-chan struct{} {
	if len(l.tokens) < maxUnacked {
		return nil
	}
	return l.tokens[0].Done()
}

// settle forgets the publishes that the broker has acknowledged.
func (l *link) settle() error {
	keep := l.tokens[:0]
	for _, t := range l.tokens {
		select {
		case <-t.Done():
			if err := t.Error(); err != nil {
				return fmt.Errorf("publish: %w", err)
			}
		default:
			keep = append(keep, t)
		}
	}
	clear(l.tokens[len(keep):])
	l.tokens = keep
	return nil
}

// send hands batches to the broker while the window is open.
func (l *link) send() error {
	if err := l.settle(); err != nil {
		return err
	}
	for len(l.tokens) < maxUnacked {
		from, ok := l.flow.next(l.j.Len())
		if !ok {
			return nil
		}
		b, data, err := l.batch(from)
		if err != nil {
			l.found(JournalUnread, err.Error())
			return err
		}
		if data == nil {
			return nil
		}
		l.sends()
		l.tokens = append(l.tokens, l.client.Publish(l.topics.Records(l.c.Machine), 1, false, data))
		last := from + uint64(len(b.Records)) - 1
		l.flow.published(last)
		if last == l.j.Len() {
			l.tokens = append(l.tokens, l.client.Publish(l.topics.Checkpoint(l.c.Machine), 1, true, b.Checkpoint))
		}
	}
	return nil
}

// batch is what is sent from a record on: as many records as a message may hold. Without a message there is nothing to
// send, or the one record is larger than a message may be.
func (l *link) batch(from uint64) (b wire.Batch, data []byte, err error) {
	for n := l.c.Batch; ; n = len(b.Records) / 2 {
		if b, err = l.j.Batch(from, n); err != nil || len(b.Records) == 0 {
			return b, nil, err
		}
		if data, err = json.Marshal(b); err != nil || len(data) <= l.c.BatchBytes {
			return b, data, err
		}
		if len(b.Records) == 1 {
			l.found(TooLarge, fmt.Sprintf("record %d makes a message of %d bytes, at most %d", from, len(data), l.c.BatchBytes))
			return b, nil, nil
		}
	}
}

// leave says goodbye: after a DISCONNECT the broker does not publish the will.
func (l *link) leave() {
	t := l.client.Publish(l.topics.Availability(l.c.Machine), 1, true, wire.Offline)
	select {
	case <-t.Done():
	case <-l.lost:
	case <-l.c.After(farewell):
	}
	l.client.Disconnect(uint(farewell / time.Millisecond))
}
