package wire

import (
	"slices"
	"strings"
	"testing"

	"portillon/policy"
)

func TestTopicTableContainsEveryTopicOnce(t *testing.T) {
	topics := Topics{"biklab"}
	discovery, _ := topics.Discovery("laser", "Laser", "1")
	want := []string{topics.Availability("laser"), topics.State("laser"), topics.Records("laser"),
		topics.Checkpoint("laser"), topics.Reply("laser"),
		discovery, topics.Command("laser"), topics.Ack("laser"), topics.Bundle(), "homeassistant/status"}
	var got []string
	names := map[TopicName]bool{}
	for _, x := range TopicTable() {
		got = append(got, x.Of("biklab", "laser"))
		if names[x.Name] || x.Content == "" {
			t.Errorf("%s: twice, or without a content", x.Name)
		}
		names[x.Name] = true
	}
	for _, topic := range want {
		if !slices.Contains(got, topic) {
			t.Errorf("%s is not in the table: %q", topic, got)
		}
	}
}

func TestEveryTopicHasOnePublisherAndAtLeastOneSubscriber(t *testing.T) {
	for _, x := range TopicTable() {
		publishers, subscribers := 0, 0
		for _, p := range []Party{HubParty, MachineParty, WatcherParty} {
			if x.Publishes(p) {
				publishers++
			}
			if x.MaySubscribe(p) {
				subscribers++
			}
		}
		if publishers != 1 || subscribers == 0 {
			t.Errorf("%s has %d publishers and %d subscribers", x.Name, publishers, subscribers)
		}
		if x.Publishes(NoParty) || x.MaySubscribe(NoParty) {
			t.Errorf("%s may be used by nobody's account", x.Name)
		}
	}
}

func TestMachinePublishesOnlyUnderItsOwnID(t *testing.T) {
	for _, x := range TopicTable() {
		if x.Publishes(MachineParty) && x.Of("biklab", "laser") == x.Of("biklab", "vinyl") {
			t.Errorf("all machines publish on %s", x.Pattern)
		}
	}
}

func TestPartiesSubscribeOnlyWherePermitted(t *testing.T) {
	topics := Topics{"biklab"}
	for p, m := range map[Party]policy.MachineID{HubParty: "+", MachineParty: "laser", WatcherParty: "+"} {
		granted := topics.Permissions(p, m)
		for filter := range topics.Subscriptions(p, m) {
			if !slices.ContainsFunc(granted, func(g Permission) bool { return g.Subscribe && Covers(g.Filter, filter) }) {
				t.Errorf("party %d subscribes to %s, which %v does not allow", p, filter, granted)
			}
		}
	}
	if got := topics.Permissions(NoParty, "laser"); len(got) != 0 {
		t.Errorf("nobody may %v", got)
	}
}

func TestSubscriptionsFollowTheTopicTable(t *testing.T) {
	topics := Topics{"biklab"}
	for p, want := range map[Party][]string{
		MachineParty: {"portillon/biklab/ack/laser 1", "portillon/biklab/bundle 1", "portillon/biklab/laser/command 1"},
		HubParty: {"portillon/biklab/+/availability 1", "portillon/biklab/+/checkpoint 0", "portillon/biklab/+/command 0",
			"portillon/biklab/+/records 1", "portillon/biklab/+/reply 1", "portillon/biklab/+/state 1",
			"portillon/biklab/ack/+ 0", "portillon/biklab/bundle 0"},
	} {
		m := policy.MachineID("laser")
		if p == HubParty {
			m = "+"
		}
		var got []string
		for filter, qos := range topics.Subscriptions(p, m) {
			got = append(got, filter+" "+string('0'+rune(qos)))
		}
		for _, x := range want {
			if !slices.Contains(got, x) {
				t.Errorf("party %d subscribes to %q, without %q", p, got, x)
			}
		}
	}
}

func TestParseFindsTopicAndMachine(t *testing.T) {
	topics := Topics{"biklab"}
	for topic, want := range map[string]struct {
		name    TopicName
		machine policy.MachineID
	}{
		"portillon/biklab/laser/records":     {TopicRecords, "laser"},
		"portillon/biklab/ack/laser":         {TopicAck, "laser"},
		"portillon/biklab/ack/records":       {TopicAck, "records"}, // an acknowledgement for the machine whose id is records
		"portillon/biklab/bundle":            {TopicBundle, ""},
		"portillon/biklab/bundle/state":      {TopicState, "bundle"}, // an id that is reserved, so no machine has it
		"portillon/biklab/not an id/state":   {TopicState, "not an id"},
		"homeassistant/status":               {TopicBirth, ""},
		"portillon/other/laser/records":      {},
		"portillon/biklab/laser/records/too": {},
		"portillon/biklab//records":          {},
		"portillon/biklab/+/records":         {},
		"portillon/biklab/laser/#":           {},
		"portillon/biklab/laser":             {},
		"portillon":                          {},
		"":                                   {},
	} {
		got, m, ok := topics.Parse(topic)
		if got.Name != want.name || m != want.machine || ok != (want.name != "") {
			t.Errorf("%q: %s of %q, %v", topic, got.Name, m, ok)
		}
	}
}

func TestCoversFollowsTheMatchingRulesOfMQTT(t *testing.T) {
	for _, c := range []struct {
		filter, other string
		want          bool
	}{
		{"a/b", "a/b", true}, {"a/b", "a/c", false}, {"a/b", "a", false}, {"a", "a/b", false},
		{"a/+", "a/b", true}, {"a/+", "a/+", true}, {"a/b", "a/+", false}, {"a/+", "a/b/c", false}, {"+/b", "a/b", true},
		{"a/#", "a/b/c", true}, {"a/#", "a", true}, {"a/#", "a/#", true}, {"a/+", "a/#", false}, {"a/#", "b", false},
		{"#", "a/+", true}, {"a/b/#", "a/+/c", false}, {"a/+/#", "a/+/c", true}, {"a/b", "#", false},
	} {
		if got := Covers(c.filter, c.other); got != c.want {
			t.Errorf("%s covers %s: %v", c.filter, c.other, got)
		}
	}
}

func TestDocumentHasARowForEachTopic(t *testing.T) {
	doc := Topics{"biklab"}.Document()
	for _, want := range []string{
		"| portillon/biklab/<machine>/records | no | 1 | machine | hub | records of the journal, in order |\n",
		"| portillon/biklab/ack/<machine> | yes | 1 | hub | machine | which records the hub holds, signed |\n",
		"| homeassistant/status | no | 1 | watcher | machine | Home Assistant has started |\n",
	} {
		if !strings.Contains(doc, want) {
			t.Errorf("%q is not in\n%s", want, doc)
		}
	}
	if n := strings.Count(doc, "\n"); n != len(TopicTable())+2 {
		t.Errorf("%d lines", n)
	}
}

func TestClientIDsOfMachinesAndHubDiffer(t *testing.T) {
	topics := Topics{"biklab"}
	seen := map[string]bool{topics.HubClientID(): true}
	for _, m := range []policy.MachineID{"hub", "laser", "vinyl"} {
		if id := topics.ClientID(m); seen[id] {
			t.Errorf("%s has a client id of another: %s", m, id)
		} else {
			seen[id] = true
		}
	}
}

func FuzzParseNamesATopicOfTheSite(f *testing.F) {
	f.Add("portillon/biklab/laser/records")
	f.Add("portillon/biklab/ack/records")
	f.Fuzz(func(t *testing.T, topic string) {
		topics := Topics{"biklab"}
		if x, m, ok := topics.Parse(topic); ok && x.Of("biklab", m) != topic {
			t.Errorf("%q is read as %s of %q", topic, x.Name, m)
		}
	})
}
