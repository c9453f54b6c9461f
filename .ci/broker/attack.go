package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"portillon/policy"
	"portillon/wire"
)

// attacker attacks a broker and counts its attempts. It uses the account of the machine laser and the read-only
// account of the watcher.
type attacker struct {
	site                                                *site
	sizes, retained, flooded, connected, refused, taken atomic.Int64
}

// String returns the counters of attempts so far.
func (a *attacker) String() string {
	return fmt.Sprintf("attack: %d packets around the limit, %d messages of 10 MB or of the limit on every topic, "+
		"%.0f MB flooded, %d connects let in and %d refused, %d tries with client ids of others",
		a.sizes.Load(), a.retained.Load(), float64(a.flooded.Load())/1e6,
		a.connected.Load(), a.refused.Load(), a.taken.Load())
}

// attack is one kind of attack, which is repeated during a run.
type attack struct {
	name string                // name that messages print and that the flag -only selects
	once func(context.Context) // performs the attack once
}

// attacks returns all kinds of attack. The attacks that use up the account's connections are at the end of the list.
func (a *attacker) attacks() []attack {
	return []attack{
		{"flood", a.flood},
		{"packets around the limit", a.packets},
		{"10 MB retained on every topic", a.everyTopic},
		{"1,000 connections, 200 idle ones", func(ctx context.Context) {
			var work sync.WaitGroup
			work.Go(func() { a.idle(ctx) })
			a.connections(ctx)
			work.Wait()
		}},
		{"client ids of others", a.clientIDs},
	}
}

// start repeats an attack until ctx ends. The returned function waits until the attack has ended.
func (a *attacker) start(ctx context.Context, x attack) (wait func()) {
	var work sync.WaitGroup
	work.Go(func() {
		for ctx.Err() == nil {
			x.once(ctx)
			select { // pause, so that the loop does not use the whole processor if the broker refuses at once
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return work.Wait
}

// watcher returns the user name of the watcher, which depends on the kind of broker.
func (a *attacker) watcher() string {
	if a.site.kind == "inside" {
		return "+watcher"
	}
	return "watcher"
}

// password returns the broker password of a user.
func (a *attacker) password(user string) string {
	if user == "+watcher" {
		return password("watcher")
	}
	return password(user)
}

// dial connects to the broker with an account and a client id, and discards all data that the broker sends. dial
// closes the connection when ctx ends.
func (a *attacker) dial(ctx context.Context, user, id string) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", a.site.addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	p := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion, p.CleanSession, p.ClientIdentifier, p.Keepalive = "MQTT", 4, true, id, 60
	p.UsernameFlag, p.Username, p.PasswordFlag, p.Password = true, user, true, []byte(a.password(user))
	if err := p.Write(c); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	// The packet CONNACK has four bytes; the last byte is the return code.
	answer := make([]byte, 4)
	if _, err := io.ReadFull(c, answer); err != nil || answer[3] != 0 {
		a.refused.Add(1)
		stop()
		return nil, errors.Join(fmt.Errorf("broker refused the connection with packet % x: %w", answer, err), c.Close())
	}
	a.connected.Add(1)
	go io.Copy(io.Discard, c)
	return c, nil
}

// publish sends one message with QoS 1, and does not wait until the broker acknowledges it.
func publish(c net.Conn, topic string, retained bool, payload []byte) error {
	p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	p.TopicName, p.Qos, p.MessageID, p.Retain, p.Payload = topic, 1, 7, retained, payload
	var b bytes.Buffer
	p.Write(&b)
	c.SetDeadline(time.Now().Add(20 * time.Second))
	_, err := c.Write(b.Bytes())
	return err
}

// clientID returns the client id of the machine laser.
func (a *attacker) clientID() string { return wire.Topics{Site: "biklab"}.ClientID(laser) }

// packets sends packets of four sizes: the limit less one byte, the limit, the limit plus one byte, and ten times the
// limit.
func (a *attacker) packets(ctx context.Context) {
	topics := wire.Topics{Site: "biklab"}
	for _, topic := range []string{topics.Records(laser), topics.State(laser)} {
		for _, size := range []int{wire.MaxPacket - 1, wire.MaxPacket, wire.MaxPacket + 1, 10 * wire.MaxPacket} {
			c, err := a.dial(ctx, string(laser), a.clientID())
			if err != nil {
				return
			}
			publish(c, topic, true, make([]byte, size-2-len(topic)-2)) // MQTT 3.1.1 §3.3
			a.sizes.Add(1)
			c.Close()
		}
	}
}

// everyTopic publishes, on every topic of every machine, a retained message of 10 MB and then a retained message of
// the largest allowed size, as laser and as the watcher.
func (a *attacker) everyTopic(ctx context.Context) {
	for _, user := range []string{string(laser), a.watcher()} {
		for _, x := range wire.TopicTable() {
			for _, size := range []int{10 << 20, wire.MaxSigned} {
				c, err := a.dial(ctx, user, map[bool]string{true: a.clientID(), false: "home"}[user == string(laser)])
				if err != nil {
					return
				}
				for _, m := range append([]policy.MachineID{laser}, victims...) {
					if publish(c, x.Of("biklab", m), true, make([]byte, size)) != nil {
						break
					}
					a.retained.Add(1)
				}
				c.Close()
			}
		}
	}
}

// flood publishes messages as fast as the broker accepts them.
func (a *attacker) flood(ctx context.Context) {
	c, err := a.dial(ctx, string(laser), a.clientID())
	if err != nil {
		return
	}
	defer c.Close()
	payload := make([]byte, 64<<10)
	for ctx.Err() == nil && publish(c, wire.Topics{Site: "biklab"}.Records(laser), false, payload) == nil {
		a.flooded.Add(int64(len(payload)))
	}
}

// connections opens 1,000 connections with laser's account, and keeps those open that the broker accepts.
func (a *attacker) connections(ctx context.Context) {
	for range 1000 {
		c, err := a.dial(ctx, string(laser), a.clientID())
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			defer c.Close()
		}
	}
}

// idle opens 200 connections that send nothing, and closes them after one second.
func (a *attacker) idle(ctx context.Context) {
	for range 200 {
		c, err := net.DialTimeout("tcp", a.site.addr, time.Second)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			defer c.Close()
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
}

// clientIDs connects with the accounts of laser and of the watcher, using the client ids of the victims and of the
// hub.
func (a *attacker) clientIDs(ctx context.Context) {
	topics := wire.Topics{Site: "biklab"}
	ids := []string{topics.HubClientID(), "hub"}
	for _, v := range victims {
		ids = append(ids, topics.ClientID(v), string(v))
	}
	for _, user := range []string{string(laser), a.watcher()} {
		for _, id := range ids {
			a.taken.Add(1)
			if c, err := a.dial(ctx, user, id); err == nil {
				c.Close()
			}
		}
	}
}
