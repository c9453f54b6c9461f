package broker_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"portillon/hub/broker"
	"portillon/policy"
	"portillon/wire"
)

// permittedActions reports whether the table of topics allows an account to publish on a topic, and to subscribe to the
// topic.
func permittedActions(a broker.Account, topic string) (publishes, hears bool) {
	party := map[broker.Part]wire.Party{broker.AsMachine: wire.MachineParty, broker.AsWatcher: wire.WatcherParty}[a.As]
	if a.As == broker.AsHub {
		return len(topic) > 17 && topic[:17] == "portillon/biklab/", len(topic) > 17 && topic[:17] == "portillon/biklab/"
	}
	for _, x := range wire.TopicTable() {
		for _, m := range []policy.MachineID{"laser", "vinyl"} {
			if x.Of("biklab", m) == topic && (a.As == broker.AsWatcher || m == a.Machine || x.Of("biklab", "") == topic) {
				publishes = publishes || x.Publishes(party)
				hears = hears || x.MaySubscribe(party)
			}
		}
	}
	return publishes, hears || a.As == broker.AsWatcher && len(topic) > 14 && topic[:14] == "homeassistant/"
}

// checkTopicTable subscribes and publishes with every account on every topic, and compares the received messages with
// the table of topics.
func checkTopicTable(t *testing.T, start startFunc) {
	all := withVinyl()
	addr, _ := start(t, t.TempDir(), all)
	topics := map[string]bool{"portillon/other/laser/state": true, "portillon/biklab/laser/more": true,
		"homeassistant/other": true, "else": true}
	for _, x := range wire.TopicTable() {
		topics[x.Of("biklab", "laser")], topics[x.Of("biklab", "vinyl")] = true, true
	}
	names := slices.Sorted(maps.Keys(topics))
	clients := map[string]*client{}
	for _, a := range all {
		clients[a.User] = login(t, addr, a.User)
		clients[a.User].trySubscribe(names...)
	}
	for _, topic := range names {
		for _, a := range all {
			clients[a.User].publish(topic, false, a.User) // a broker acknowledges even the messages that it drops
		}
	}
	for _, a := range all {
		want := map[string]bool{}
		for _, topic := range names {
			for _, from := range all {
				publishes, _ := permittedActions(from, topic)
				if _, hears := permittedActions(a, topic); publishes && hears {
					want[topic+" from "+from.User] = true
				}
			}
		}
		got := map[string]bool{}
		for len(got) < len(want) {
			m := clients[a.User].next()
			if got[m.Topic()+" from "+string(m.Payload())] = true; !want[m.Topic()+" from "+string(m.Payload())] {
				t.Fatalf("%s hears %s from %s", a.User, m.Topic(), m.Payload())
			}
		}
		// Check one further message, because a message that the table forbids may arrive last.
		select {
		case m := <-clients[a.User].in:
			if !want[m.Topic()+" from "+string(m.Payload())] {
				t.Errorf("%s hears %s from %s", a.User, m.Topic(), m.Payload())
			}
		default:
		}
	}
}

// checkClientIDs checks that the account vinyl cannot take over laser's connection by using laser's client id. The
// broker may refuse vinyl's connection or assign another client id.
func checkClientIDs(t *testing.T, start startFunc) {
	addr, _ := start(t, t.TempDir(), withVinyl())
	hub, laser := login(t, addr, "hub"), login(t, addr, "laser")
	hub.subscribe("portillon/biklab/+/records")
	for _, user := range []string{"vinyl", "watcher"} {
		for _, a := range withVinyl() {
			if a.User == user {
				canConnect(t, options(addr).SetUsername(user).SetPassword(a.Password).SetClientID("portillon-biklab-laser"))
				canConnect(t, options(addr).SetUsername(user).SetPassword(a.Password).SetClientID("laser"))
			}
		}
	}
	laser.publish("portillon/biklab/laser/records", false, "a record")
	if m := hub.next(); string(m.Payload()) != "a record" || !laser.isOpen() {
		t.Errorf("%q; laser's connection is open: %v", m.Payload(), laser.isOpen())
	}
}

func border(t *testing.T, start startFunc) {
	addr, _ := start(t, t.TempDir(), withVinyl())
	hub := login(t, addr, "hub")
	hub.subscribe("portillon/biklab/+/records")
	const topic = "portillon/biklab/laser/records"
	// Besides its payload, a packet contains the topic with its length and a packet identifier (MQTT 3.1.1, section 3.3).
	fits := wire.MaxPacket - 2 - len(topic) - 2
	for _, size := range []int{fits - 1, fits, fits + 1, 10 * fits} {
		laser := login(t, addr, "laser")
		tok := laser.c.Publish(topic, 1, false, make([]byte, size))
		if size <= fits {
			laser.must(tok)
			laser.c.Disconnect(0)
			if m := hub.next(); len(m.Payload()) != size {
				t.Errorf("%d bytes came of %d", len(m.Payload()), size)
			}
			continue
		}
		poll := time.Tick(5 * time.Millisecond)
		for end := time.Now().Add(patience); laser.isOpen() && time.Now().Before(end); <-poll {
		}
		if laser.isOpen() {
			t.Errorf("a message of %d bytes did not end its connection", size)
		}
	}
	login(t, addr, "vinyl").publish("portillon/biklab/vinyl/records", false, "small")
	if m := hub.next(); string(m.Payload()) != "small" {
		t.Errorf("%d bytes came", len(m.Payload()))
	}
}
