package hub_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/ledger/ledgertest"
	"portillon/wire"
)

type outcome struct {
	reply wire.Reply
	err   error
}

func TestCommandIsSignedAndItsReplyIsReturned(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	o := run(t, configure(t, []*ledgertest.Machine{m}))
	c := dial(t, o.Broker())
	c.subscribe(c.topics.Command("laser"))
	orders := &wire.Commands{Site: "biklab", Machine: "laser", Keys: note.VerifierList(o.key)}
	seen := map[string]bool{}
	for _, want := range []wire.Reply{{OK: true}, {Why: "the machine is busy"}} {
		done := make(chan outcome, 1)
		go func() {
			r, err := o.Command(context.Background(), "laser", wire.Command{Do: "tag", Tag: "t-1", Reason: "smoke", Now: true})
			done <- outcome{r, err}
		}()
		msg := c.next()
		if msg.Retained() || msg.Qos() != 1 {
			t.Errorf("retained %t, QoS %d", msg.Retained(), msg.Qos())
		}
		got, err := orders.Open(msg.Payload(), time.Now(), true)
		if err != nil {
			t.Fatal(err)
		}
		if got.Do != "tag" || got.Tag != "t-1" || got.Reason != "smoke" || !got.Now || seen[got.ID] || len(got.ID) != 32 {
			t.Errorf("%+v", got)
		}
		seen[got.ID] = true
		send := func(topic string, r wire.Reply) {
			b, _ := json.Marshal(r)
			c.publish(topic, b)
		}
		send(c.topics.Reply("laser"), wire.Reply{ID: "another", OK: true})
		send(c.topics.Reply("vinyl"), wire.Reply{ID: got.ID, OK: true, Why: "forged by another machine"})
		c.publish(c.topics.Reply("laser"), []byte("words"))
		want.ID = got.ID
		send(c.topics.Reply("laser"), want)
		send(c.topics.Reply("laser"), wire.Reply{ID: got.ID, Why: "again"})
		if r := <-done; r.err != nil || r.reply != want {
			t.Errorf("%+v", r)
		}
	}
	c.subscribe("portillon/biklab/+/command")
	c.requireNoMessage() // the broker must not retain the command
}

func TestCommandWithoutAReplyIsAnError(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	o := run(t, configure(t, []*ledgertest.Machine{m}))
	c := dial(t, o.Broker())
	c.subscribe(c.topics.Command("laser"))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := o.Command(ctx, "laser", wire.Command{Do: "stop"})
		done <- err
	}()
	c.next()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := o.Command(context.Background(), "press", wire.Command{Do: "stop"}); err == nil {
		t.Error("a machine that does not exist was commanded")
	}
}

func TestHubStopsWaitingForAReplyWhenTheCommandExpires(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	c := configure(
		t,
		[]*ledgertest.Machine{m},
		func(c *hub.Config) { c.MQTT = hub.MQTTConfig{Broker: "tcp://127.0.0.1:1"} },
	)
	synctest.Test(t, func(t *testing.T) {
		h, err := hub.New(c, hub.Options{}) // the hub does not run, so the hub is not connected to the broker
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		began := time.Now()
		_, err = h.Command(context.Background(), "laser", wire.Command{Do: "stop"})
		if !errors.Is(err, hub.ErrNoReply) || time.Since(began) != wire.CommandLife {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}
