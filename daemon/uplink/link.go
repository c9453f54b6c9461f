package uplink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"portillon/wire"
	"portillon/wire/mqtt"
)

const (
	// maxUnacked is the number of publishes without a PUBACK at which the machine stops sending new ones.
	maxUnacked = 2 * maxWindow
	keepAlive  = 30 * time.Second
	// goodbyeTime is how long a stopping daemon waits until its last message is sent. If the message is not sent within
	// this time, the broker publishes the will.
	goodbyeTime = time.Second
)

// link handles one connection, from CONNECT to its end. The methods of a link run on the goroutine of Run. Only receive
// runs on another goroutine.
type link struct {
	u      *Uplink
	conn   *mqtt.Connection
	flow   flow
	tokens []mqtt.Token // publishes without a PUBACK, oldest first
	state  statePublisher
	hub    hubProbe
	logged map[string]bool // messages that were already logged on this connection; see logOnce
}

// statePublisher publishes the machine's state, one message at a time.
type statePublisher struct {
	published *wire.State // the state that was published last
	token     mqtt.Token  // token of that publish; nil: the broker has acknowledged it
}

// hubProbe decides when the machine asks the hub for an answer.
type hubProbe struct {
	ask    bool          // signals that the machine must publish its state again, so that the hub answers
	live   bool          // true if the hub has answered since the last question
	repeat time.Duration // pause before the machine repeats an unanswered question
}

// runConnection opens a connection and uses it until the connection or ctx ends. progress reports whether the hub
// acknowledged new records on this connection.
func (u *Uplink) runConnection(ctx context.Context) (progress bool, err error) {
	l := &link{u: u, flow: newFlow(u.hub.held.Load()), logged: map[string]bool{},
		hub: hubProbe{ask: true, repeat: u.c.Stall}}
	// Discard an acknowledgement that arrived on the previous connection.
	select {
	case <-u.queues.acks:
	default:
	}
	if l.conn, err = u.connect(ctx, l.receive); err != nil {
		return false, err
	}
	defer l.conn.HangUp()
	if err := l.subscribe(ctx); err != nil {
		return false, err
	}
	if err := l.publishRetained(ctx); err != nil {
		return false, err
	}
	u.noteConnected()
	if u.h.Online != nil {
		u.h.Online(true)
		defer u.h.Online(false)
	}
	u.c.Logger.Info(
		"connected to the broker",
		"broker",
		u.broker.Redacted(),
		"hub holds",
		l.flow.held,
		"journal",
		u.j.Len(),
	)
	return l.serve(ctx)
}

// connect opens a connection to the broker, and logs in with the machine's account.
func (u *Uplink) connect(ctx context.Context, receive func(mqtt.Message)) (*mqtt.Connection, error) {
	o := mqtt.Options{
		Broker: u.broker, Resolve: u.c.Resolve, TLS: u.c.TLS,
		ClientID: u.topics.ClientID(u.c.Machine), Username: u.c.Username,
		Will: &mqtt.Message{
			Topic:    u.topics.Availability(u.c.Machine),
			Retained: true,
			Payload:  []byte(wire.Offline),
		},
		Subscriptions: u.topics.Subscriptions(wire.MachineParty, u.c.Machine), MaxPacket: wire.MaxPacket,
		Timeout: u.c.Timeout, KeepAlive: keepAlive, After: u.c.After,
		Receive: receive, Dropped: u.noteDropped,
	}
	if u.c.Username != "" {
		var err error
		if o.Password, err = readPassword(u.c.PasswordFile); err != nil {
			return nil, err
		}
	}
	return mqtt.Connect(ctx, o)
}

func readPassword(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("cannot read the broker's password: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}

// subscribe returns an error if the broker denies a topic, because the machine would otherwise wait forever for
// messages on that topic.
func (l *link) subscribe(ctx context.Context) error {
	denied, err := l.conn.Subscribe(ctx)
	if err != nil {
		return err
	}
	if len(denied) > 0 {
		return fmt.Errorf("subscribe: the broker refuses the topic %s: its access list must allow it",
			strings.Join(denied, ", "))
	}
	return nil
}

// publish sends a message on one of this machine's topics.
func (l *link) publish(name wire.TopicName, retained bool, payload []byte) mqtt.Token {
	return l.conn.Publish(mqtt.Message{Topic: l.u.topics.Of(name, l.u.c.Machine), Retained: retained, Payload: payload})
}

// publishRetained publishes all retained messages of the machine, because a broker may lose them when it restarts.
func (l *link) publishRetained(ctx context.Context) error {
	online := l.publish(wire.TopicAvailability, true, []byte(wire.Online))
	if err := l.conn.Await(ctx, online, "availability"); err != nil {
		return err
	}
	if d := l.u.c.Discovery; d.Topic != "" {
		t := l.conn.Publish(mqtt.Message{Topic: d.Topic, Retained: true, Payload: d.Payload})
		if err := l.conn.Await(ctx, t, "discovery"); err != nil {
			return err
		}
	}
	checkpoint, err := l.u.j.Checkpoint()
	if err != nil {
		return err
	}
	// On the topics where the machine retains no message, publish an empty message, which clears a message that another
	// client has retained.
	for _, topic := range l.u.topics.NeverRetained(l.u.c.Machine) {
		l.tokens = append(l.tokens, l.conn.Publish(mqtt.Message{Topic: topic, Retained: true, Payload: []byte{}}))
	}
	return l.conn.Await(ctx, l.publish(wire.TopicCheckpoint, true, []byte(checkpoint)), "checkpoint")
}

// stallTimer fires when the hub or the broker has not answered for too long.
type stallTimer struct {
	after             func(time.Duration) <-chan time.Time
	c                 <-chan time.Time // fires when an answer is overdue; nil: no answer is due
	wait              time.Duration    // how long to wait for an answer
	shortest, longest time.Duration
}

// update starts the timer when an answer is due, and stops the timer when no answer is due.
func (t *stallTimer) update(owed bool) {
	if !owed {
		t.c = nil
	} else if t.c == nil {
		t.c = t.after(t.wait)
	}
}

func (t *stallTimer) reset()   { t.c, t.wait = nil, t.shortest }
func (t *stallTimer) elapsed() { t.c, t.wait = nil, min(2*t.wait, t.longest) }

// serve sends and receives messages until the connection or ctx ends.
func (l *link) serve(ctx context.Context) (progress bool, err error) {
	u := l.u
	stall := &stallTimer{after: u.c.After, wait: u.c.Stall, shortest: u.c.Stall, longest: u.c.StallMax}
	probe := u.c.After(u.c.Stall)
	for {
		// Send records before the state: if the state arrived first, the hub would request the records that it lacks.
		if err := errors.Join(l.sendBatches(), l.publishState()); err != nil {
			return progress, err
		}
		stall.update(l.flow.isWaiting() || len(l.tokens) > 0)
		select {
		case <-ctx.Done():
			l.disconnect()
			return progress, ctx.Err()
		case err := <-l.conn.Lost():
			return progress, fmt.Errorf("connection lost: %w", err)
		case a := <-u.queues.acks:
			if l.handleAck(a) {
				progress = true
				stall.reset()
			}
		case <-probe:
			probe = u.c.After(l.nextProbe())
		case <-u.news:
		case <-done(l.state.token):
		case <-l.oldestUnacked():
		case reply := <-u.queues.replies:
			l.tokens = append(l.tokens, l.publish(wire.TopicReply, false, reply))
		case <-stall.c:
			if err := l.handleStall(stall.wait); err != nil {
				return progress, err
			}
			stall.elapsed()
		}
	}
}

func done(t mqtt.Token) <-chan struct{} {
	if t == nil {
		return nil
	}
	return t.Done()
}

// handleStall sends the records again, or returns an error, after the hub or the broker has not answered in time.
func (l *link) handleStall(after time.Duration) error {
	if err := l.removeAcknowledged(); err != nil {
		return err
	}
	if len(l.tokens) > 0 {
		return fmt.Errorf("broker did not acknowledge %d messages within %s", len(l.tokens), after)
	}
	if !l.flow.isWaiting() {
		return nil
	}
	l.u.c.Logger.Warn("hub does not acknowledge records; sending them again", "from", l.flow.held+1, "after", after)
	l.flow.rewind()
	l.hub.ask = true // the hub's answer to a state shows whether the hub is missing or the broker drops records
	return nil
}

// nextProbe asks the hub for an answer, unless the hub has answered recently. nextProbe returns the time to wait before
// the next call.
func (l *link) nextProbe() time.Duration {
	if l.hub.live {
		l.hub.live, l.hub.repeat = false, l.u.c.Stall
		return l.u.c.Probe
	}
	l.hub.ask = true
	wait := l.hub.repeat
	l.hub.repeat = min(2*l.hub.repeat, l.u.c.ProbeMax)
	return wait
}

// publishState publishes the newest state, once the broker has acknowledged the previous state.
func (l *link) publishState() error {
	if t := l.state.token; t != nil {
		select {
		case <-t.Done():
			if err := t.Error(); err != nil {
				return fmt.Errorf("encode the state: %w", err)
			}
			l.state.token = nil
		default:
			return nil // serve calls publishState again when the broker has acknowledged the publish
		}
	}
	s, last := l.u.state.Load(), l.state.published
	if s == nil || !l.hub.ask && (s == last || last != nil && *s == *last) {
		return nil
	}
	data, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("publish the state: %w", err)
	}
	if l.hub.ask {
		l.hub.ask = false
		l.u.noteAsked()
	}
	l.state.published = s
	l.state.token = l.publish(wire.TopicState, true, data)
	return nil
}

// oldestUnacked returns the channel of the oldest publish without a PUBACK if at least maxUnacked publishes have none,
// and nil otherwise.
func (l *link) oldestUnacked() <-chan struct{} {
	if len(l.tokens) < maxUnacked {
		return nil
	}
	return l.tokens[0].Done()
}

// removeAcknowledged removes the tokens of publishes that the broker has acknowledged.
func (l *link) removeAcknowledged() error {
	pending := l.tokens[:0]
	for _, t := range l.tokens {
		select {
		case <-t.Done():
			if err := t.Error(); err != nil {
				return fmt.Errorf("broker did not accept a publish: %w", err)
			}
		default:
			pending = append(pending, t)
		}
	}
	clear(l.tokens[len(pending):])
	l.tokens = pending
	return nil
}

// sendBatches hands batches to the broker while the window is open.
func (l *link) sendBatches() error {
	if err := l.removeAcknowledged(); err != nil {
		return err
	}
	for len(l.tokens) < maxUnacked {
		from, ok := l.flow.next(l.u.j.Len())
		if !ok {
			return nil
		}
		b, data, err := l.batch(from)
		if err != nil {
			l.u.noteFault(JournalUnread, err.Error())
			return err
		}
		if data == nil {
			return nil
		}
		l.u.noteSent()
		l.tokens = append(l.tokens, l.publish(wire.TopicRecords, false, data))
		last := from + uint64(len(b.Records)) - 1
		l.flow.addBatch(last)
		if last == l.u.j.Len() {
			l.tokens = append(l.tokens, l.publish(wire.TopicCheckpoint, true, []byte(b.Checkpoint)))
		}
	}
	return nil
}

// batch returns as many records as fit into a message, beginning with the given one. data is nil if there is nothing to
// send, or if the first record alone is larger than the limit of a message.
func (l *link) batch(from uint64) (b wire.Batch, data []byte, err error) {
	limit := l.u.c.BatchBytes
	for n := l.u.c.Batch; ; n = len(b.Records) / 2 {
		if b, err = l.u.j.Batch(from, n); err != nil || len(b.Records) == 0 {
			return b, nil, err
		}
		if data, err = json.Marshal(b); err != nil || len(data) <= limit {
			return b, data, err
		}
		if len(b.Records) == 1 {
			l.u.noteFault(TooLarge, fmt.Sprintf("record %d makes a message of %d bytes, at most %d", from, len(data), limit))
			return b, nil, nil
		}
	}
}

// disconnect publishes that the machine is offline, and sends a DISCONNECT, so that the broker does not publish the
// will.
func (l *link) disconnect() {
	t := l.publish(wire.TopicAvailability, true, []byte(wire.Offline))
	select {
	case <-t.Done():
	case <-l.conn.Lost():
	case <-l.u.c.After(goodbyeTime):
	}
	l.conn.Close(goodbyeTime)
}
