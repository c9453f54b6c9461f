package hub_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/ledger/ledgertest"
	"portillon/wire"
)

// Messages of 3 MB are retained on every topic. The hub drops these messages, logs which machine sent them, and
// continues to work. The hub clears its own topics and the topics of unknown machines. The hub leaves the topics of
// an enrolled machine unchanged, because the machine clears them.
func TestHubDropsTooLargeMessagesAndClearsTheirTopics(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills a ledger, or waits for a process")
	}
	url := mosquitto(t)
	topics := wire.Topics{Site: "biklab"}
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(3)
	attacker := dial(t, url)
	big := make([]byte, 3<<20)
	own := []string{topics.Bundle(), topics.Command("laser"), topics.Command("ghost"), topics.Ack("ghost")}
	ghosts := []string{topics.State("ghost"), topics.Records("ghost"), topics.Checkpoint("ghost"),
		topics.Availability("ghost")}
	for _, topic := range append(append([]string{topics.State("laser"), topics.Ack("laser")}, own...), ghosts...) {
		attacker.must(attacker.c.Publish(topic, 1, true, big))
	}
	small := []string{topics.State("gone"), topics.Ack("gone")} // topics of a machine that the site has removed
	for _, topic := range small {
		attacker.must(attacker.c.Publish(topic, 1, true, []byte("{}")))
	}
	o := run(t, configure(t, []*ledgertest.Machine{m}, func(c *hub.Config) { c.MQTT = hub.MQTTConfig{Broker: url} }))
	o.awaitMachine("laser", "dropped", func(m hub.Machine) bool {
		return m.Dropped != nil && m.Dropped.Topic == topics.State("laser") || m.Dropped != nil &&
			m.Dropped.Topic == topics.Command("laser")
	})
	attacker.publish(topics.Records("laser"), m.Data(1, 3))
	o.awaitMachine("laser", "at 3 records", func(m hub.Machine) bool { return m.Held == 3 })
	poll := time.Tick(20 * time.Millisecond) // poll, because a broker sends nothing when a retained message is removed
	for end := time.Now().Add(patience); ; <-poll {
		left := retainedOn(t, url)
		if got := strings.Join(left, " "); got == topics.Ack("laser")+" "+topics.State("laser") {
			break
		} else if time.Now().After(end) {
			t.Fatal("still retained: ", got)
		}
	}
	c := dial(t, url)
	c.subscribe(topics.Ack("laser"))
	if a, err := wire.OpenAck(c.next().Payload(), note.VerifierList(o.key), "biklab", "laser"); err != nil || a.Seq != 3 {
		t.Errorf("the acknowledgement is of %d, %v", a.Seq, err)
	}
}

// retainedOn returns the topics of a site that have a retained message, sorted.
func retainedOn(t *testing.T, url string) []string {
	t.Helper()
	c := dial(t, url)
	defer c.c.Disconnect(0)
	c.subscribe("portillon/biklab/#")
	c.publish("portillon/biklab/end", []byte("end"))
	var left []string
	for m := c.next(); m.Topic() != "portillon/biklab/end"; m = c.next() {
		if m.Retained() {
			left = append(left, m.Topic())
		}
	}
	slices.Sort(left)
	return left
}
