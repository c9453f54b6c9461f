package wire

import (
	"fmt"
	"slices"
	"strings"

	"portillon/policy"
)

// MaxPacket is the largest size of every MQTT packet that machine, hub and broker send and accept. It limits the
// remaining length (MQTT 3.1.1 §2.2.3), in bytes. A packet of MaxPacket holds the largest signed text, a topic of 1,000
// bytes and a packet identifier.
const MaxPacket = MaxSigned + 1<<10

// Party is a kind of account at the broker. The zero Party has no permissions.
type Party uint8

// These are the parties at a site's broker.
const (
	NoParty      Party = iota
	HubParty           // the hub of the site
	MachineParty       // one machine
	WatcherParty       // Home Assistant
)

// Use is what a party does with a topic. The zero Use permits nothing.
type Use uint8

// These are the uses of a topic.
const (
	Unused       Use = iota
	Publishes        // the party publishes; the hub also subscribes with QoS 0, to find retained messages
	Subscribes       // the party subscribes at each connection, with the QoS of the topic
	Inspects         // the party subscribes with QoS 0, to find retained messages of removed machines
	MaySubscribe     // the party may subscribe
)

// TopicName names a topic of the protocol.
type TopicName string

// These are the topics of the protocol.
const (
	TopicAvailability TopicName = "availability"
	TopicState        TopicName = "state"
	TopicRecords      TopicName = "records"
	TopicCheckpoint   TopicName = "checkpoint"
	TopicReply        TopicName = "reply"
	TopicDiscovery    TopicName = "discovery"
	TopicCommand      TopicName = "command"
	TopicAck          TopicName = "ack"
	TopicBundle       TopicName = "bundle"
	TopicBirth        TopicName = "birth"
)

// Topic is one row of the table of topics.
type Topic struct {
	Name    TopicName
	Pattern string // topic with placeholders, such as portillon/{site}/{machine}/records
	// Retained reports whether the publisher sets the retain flag. On other topics, publisher and hub clear retained
	// messages.
	Retained              bool
	QoS                   byte // QoS of publishes and of subscriptions by Subscribes
	Hub, Machine, Watcher Use
	Content               string // content of a message, for the table of topics
}

// TopicTable lists every topic of the protocol. Three things are generated from it: the subscriptions of hub and
// machines (Topics.Subscriptions), the permissions at the broker and in mosquitto's access list (Topics.Permissions),
// and the table of topics at the head of that list. A new topic needs a row here and a handler at the receiver.
func TopicTable() []Topic { return slices.Clone(topicTable[:]) }

const own = "portillon/{site}/{machine}/"

var topicTable = [...]Topic{
	{TopicAvailability, own + "availability", true, 1, Subscribes, Publishes, MaySubscribe,
		"online, or offline (also the will)"},
	{TopicState, own + "state", true, 1, Subscribes, Publishes, MaySubscribe, "the machine's state"},
	{TopicRecords, own + "records", false, 1, Subscribes, Publishes, Unused, "records of the journal, in order"},
	{TopicCheckpoint, own + "checkpoint", true, 1, Inspects, Publishes, Unused, "the journal's signed checkpoint"},
	{TopicReply, own + "reply", false, 1, Subscribes, Publishes, Unused, "the answer to a command"},
	{TopicDiscovery, "homeassistant/device/portillon_{site}_{machine}/config", true, 1, Unused, Publishes, MaySubscribe,
		"the machine's description for Home Assistant"},
	{TopicCommand, own + "command", false, 1, Publishes, Subscribes, Unused, "a signed command, valid for seconds"},
	{TopicAck, "portillon/{site}/ack/{machine}", true, 1, Publishes, Subscribes, Unused,
		"which records the hub holds, signed"},
	{TopicBundle, "portillon/{site}/bundle", true, 1, Publishes, Subscribes, Unused,
		"the signed manifest of the current bundle"},
	{TopicBirth, "homeassistant/status", false, 1, Unused, MaySubscribe, Publishes, "Home Assistant has started"},
}

// wideGrants returns filters that a party may use in addition to its topics.
func wideGrants() []Permission {
	return []Permission{
		{
			Party:     HubParty,
			Filter:    "portillon/{site}/#",
			Publish:   true,
			Subscribe: true,
		}, // the hub clears topics of removed machines
		{Party: WatcherParty, Filter: "homeassistant/#", Subscribe: true},
	}
}

// Use returns what a party does with the topic.
func (t Topic) Use(p Party) Use {
	switch p {
	case HubParty:
		return t.Hub
	case MachineParty:
		return t.Machine
	case WatcherParty:
		return t.Watcher
	}
	return Unused
}

// Publishes reports whether p may publish on the topic.
func (t Topic) Publishes(p Party) bool { return t.Use(p) == Publishes }

// MaySubscribe reports whether p may subscribe to the topic.
func (t Topic) MaySubscribe(p Party) bool {
	u := t.Use(p)
	return u == Subscribes || u == Inspects || u == MaySubscribe
}

// OfMachine reports whether each machine has a topic of this name.
func (t Topic) OfMachine() bool { return strings.Contains(t.Pattern, "{machine}") }

// Of returns the topic for a site and a machine. The machine "+" means all machines.
func (t Topic) Of(site policy.SiteID, machine policy.MachineID) string {
	return fill(t.Pattern, site, machine)
}

func fill(pattern string, site policy.SiteID, machine policy.MachineID) string {
	return strings.NewReplacer("{site}", string(site), "{machine}", string(machine)).Replace(pattern)
}

// Topics names the topics of one site.
type Topics struct{ Site policy.SiteID }

// Of returns the topic with this name. m is needed if every machine has a topic of this name. For an unknown name Of
// returns the empty topic, on which no broker accepts messages.
func (t Topics) Of(name TopicName, m policy.MachineID) string {
	for _, x := range topicTable {
		if x.Name == name {
			return x.Of(t.Site, m)
		}
	}
	return ""
}

// Machines publish on the following topics.
func (t Topics) Availability(m policy.MachineID) string { return t.Of(TopicAvailability, m) }
func (t Topics) State(m policy.MachineID) string        { return t.Of(TopicState, m) }
func (t Topics) Records(m policy.MachineID) string      { return t.Of(TopicRecords, m) }
func (t Topics) Checkpoint(m policy.MachineID) string   { return t.Of(TopicCheckpoint, m) }
func (t Topics) Reply(m policy.MachineID) string        { return t.Of(TopicReply, m) }

// The hub publishes on the following topics.
func (t Topics) Command(m policy.MachineID) string { return t.Of(TopicCommand, m) }
func (t Topics) Bundle() string                    { return t.Of(TopicBundle, "") }
func (t Topics) Ack(m policy.MachineID) string     { return t.Of(TopicAck, m) }

// Subscriptions returns the topic filters, with QoS, to which a party subscribes at each connection. m is the machine,
// or "+" for the hub.
func (t Topics) Subscriptions(p Party, m policy.MachineID) map[string]byte {
	out := map[string]byte{}
	for _, x := range topicTable {
		switch u := x.Use(p); {
		case u == Subscribes:
			out[x.Of(t.Site, m)] = x.QoS
		case u == Inspects, u == Publishes && p == HubParty:
			out[x.Of(t.Site, m)] = 0
		}
	}
	return out
}

// NeverRetained returns the topics on which a machine publishes without the retain flag. At each connection the machine
// clears messages that another client retained there.
func (t Topics) NeverRetained(m policy.MachineID) (out []string) {
	for _, x := range topicTable {
		if x.Machine == Publishes && !x.Retained {
			out = append(out, x.Of(t.Site, m))
		}
	}
	return out
}

// Permission is a topic filter that an account may use, and the allowed use.
type Permission struct {
	Party              Party
	Filter             string
	Publish, Subscribe bool
}

// Permissions returns the permissions of an account. Everything else is denied. m is the machine, or "+" for the
// watcher. A topic covered by a wider filter of the account is not listed.
func (t Topics) Permissions(p Party, m policy.MachineID) (out []Permission) {
	var wide []Permission
	for _, g := range wideGrants() {
		if g.Party == p {
			g.Filter = fill(g.Filter, t.Site, m)
			wide = append(wide, g)
		}
	}
	for _, x := range topicTable {
		g := Permission{p, x.Of(t.Site, m), x.Publishes(p), x.MaySubscribe(p)}
		for _, w := range wide {
			if Covers(w.Filter, g.Filter) {
				g.Publish, g.Subscribe = g.Publish && !w.Publish, g.Subscribe && !w.Subscribe
			}
		}
		if g.Publish || g.Subscribe {
			out = append(out, g)
		}
	}
	return append(out, wide...)
}

// Covers reports whether a topic filter matches every topic that another filter, or a topic, matches (MQTT 3.1.1 §4.7).
func Covers(filter, other string) bool {
	for {
		level, rest, more := strings.Cut(filter, "/")
		if level == "#" {
			return true
		}
		otherLevel, otherRest, otherMore := strings.Cut(other, "/")
		if otherLevel == "#" || level != "+" && level != otherLevel {
			return false
		}
		if !otherMore {
			return !more || rest == "#" // filter "a/#" also matches topic "a" (§4.7.1.2)
		}
		if !more {
			return false
		}
		filter, other = rest, otherRest
	}
}

// Parse returns the matching topic of the table, and the machine that the topic names; empty: the topic is for the
// whole site. The machine is not validated.
func (t Topics) Parse(topic string) (found Topic, machine policy.MachineID, ok bool) {
	for _, x := range topicTable {
		m, matches := match(x.Pattern, string(t.Site), topic)
		if !matches || ok && Reserved(policy.MachineID(m)) {
			continue
		}
		found, machine, ok = x, policy.MachineID(m), true
		if !Reserved(machine) {
			break // portillon/SITE/ack/records is an acknowledgement for «records», not a record of «ack»
		}
	}
	return found, machine, ok
}

// match compares a topic with a pattern, level by level, and returns the level at {machine}. A pattern with {machine}
// inside a level matches nothing, because Portillon does not subscribe to such a topic.
func match(pattern, site, topic string) (machine string, ok bool) {
	if strings.ContainsAny(topic, "+#") {
		return "", false
	}
	for {
		want, restPattern, morePattern := strings.Cut(pattern, "/")
		got, restTopic, moreTopic := strings.Cut(topic, "/")
		switch {
		case morePattern != moreTopic:
			return "", false
		case want == "{machine}":
			if machine = got; got == "" {
				return "", false
			}
		case want == "{site}":
			if got != site {
				return "", false
			}
		case want != got:
			return "", false
		}
		if !morePattern {
			return machine, true
		}
		pattern, topic = restPattern, restTopic
	}
}

// Reserved reports whether an id is not allowed for machines, because a topic of the site uses it in the machine's
// place.
func Reserved(m policy.MachineID) bool { return m == "ack" || m == "bundle" }

// All returns the topic filter for this topic of all machines.
func (t Topics) All(name TopicName) string { return t.Of(name, "+") }

// Machine returns the machine to which a topic with this name belongs. ok is false for an invalid machine id.
func (t Topics) Machine(topic string, name TopicName) (policy.MachineID, bool) {
	x, m, ok := t.Parse(topic)
	if !ok || x.Name != name || m == "" || Reserved(m) || strings.ContainsAny(string(m), ". *") {
		return "", false
	}
	return m, true
}

// Document returns the topics of the site as a Markdown table with publishers and subscribers, for administrators of a
// broker.
func (t Topics) Document() string {
	var b strings.Builder
	b.WriteString("| topic | retained | QoS | publisher | subscribers | content |\n|---|---|---|---|---|---|\n")
	for _, x := range topicTable {
		var from, to []string
		for _, p := range []struct {
			name  string
			party Party
		}{{"hub", HubParty}, {"machine", MachineParty}, {"watcher", WatcherParty}} {
			if x.Publishes(p.party) {
				from = append(from, p.name)
			} else if x.MaySubscribe(p.party) {
				to = append(to, p.name)
			}
		}
		retained := "no"
		if x.Retained {
			retained = "yes"
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s | %s |\n", fill(x.Pattern, t.Site, "<machine>"), retained, x.QoS,
			strings.Join(from, ", "), strings.Join(to, ", "), x.Content)
	}
	return b.String()
}

// ClientID returns a machine's MQTT client id. The id never changes, so that a new connection replaces a hanging one.
func (t Topics) ClientID(m policy.MachineID) string {
	return "portillon-" + string(t.Site) + "-" + string(m)
}

// HubClientID returns the hub's client id. Machine ids contain no underscore, so no machine has this id.
func (t Topics) HubClientID() string { return "portillon-" + string(t.Site) + "_hub" }

// Online and Offline are the payloads of the availability topic. Offline is the payload of the will.
const (
	Online  = "online"
	Offline = "offline"
)
