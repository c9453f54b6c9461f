package wire

import (
	"fmt"
	"slices"
	"strings"

	"portillon/policy"
)

// MaxPacket is the largest size in bytes of an MQTT packet that machine, hub and broker send and accept. MaxPacket
// limits the remaining length of a packet (MQTT 3.1.1 §2.2.3). A packet of this size has room for the largest signed
// text, a topic of 1,000 bytes and a packet identifier.
const MaxPacket = MaxSigned + 1<<10

// Party is a kind of account at the broker, such as the hub or a machine. The zero Party has no permissions.
type Party uint8

// These constants are the parties at the broker of a site.
const (
	NoParty      Party = iota
	HubParty           // the hub of the site
	MachineParty       // one machine
	WatcherParty       // Home Assistant
)

// Use says what a party does with a topic. The zero Use means that the party may do nothing.
type Use uint8

// These constants are the uses of a topic.
const (
	Unused Use = iota
	// The party publishes; if the party is the hub, it also subscribes with QoS 0, to find retained messages.
	Publishes
	Subscribes   // the party subscribes at each connection, with the QoS of the topic
	Inspects     // the party subscribes with QoS 0, to find messages that were retained for removed machines
	MaySubscribe // the party may subscribe, but need not
)

// TopicName is the name by which this program refers to a topic of the protocol.
type TopicName string

// These constants name the topics of the protocol.
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
	Pattern string // the topic with placeholders, such as portillon/{site}/{machine}/records
	// Retained reports whether the publisher sets the retain flag. On topics without this flag, the publisher and the hub
	// clear messages that somebody has retained.
	Retained              bool
	QoS                   byte // QoS with which messages are published, and with which Subscribes are made
	Hub, Machine, Watcher Use
	Content               string // description of a message's content, for the table of topics
}

// TopicTable lists every topic of the protocol. Three things are generated from the table: the subscriptions of hub and
// machines (Topics.Subscriptions), the permissions at the broker and in mosquitto's access list (Topics.Permissions),
// and the list of topics at the head of that access list. To add a topic, add a row here and a handler at the receiver.
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

// wideGrants returns the filters that a party may use in addition to its own topics.
func wideGrants() []Permission {
	return []Permission{
		{
			Party:     HubParty,
			Filter:    "portillon/{site}/#",
			Publish:   true,
			Subscribe: true,
		}, // with this filter, the hub clears topics of removed machines
		{Party: WatcherParty, Filter: "homeassistant/#", Subscribe: true},
	}
}

// Use returns what party p does with the topic.
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

// Of returns the topic for a site and a machine. The machine "+" stands for all machines.
func (t Topic) Of(site policy.SiteID, machine policy.MachineID) string {
	return fill(t.Pattern, site, machine)
}

func fill(pattern string, site policy.SiteID, machine policy.MachineID) string {
	return strings.NewReplacer("{site}", string(site), "{machine}", string(machine)).Replace(pattern)
}

// Topics gives the topics of one site.
type Topics struct{ Site policy.SiteID }

// Of returns the topic with this name. m must be set if every machine has its own topic of this name. If the name is
// unknown, Of returns the empty topic, on which no broker accepts messages.
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

// Subscriptions returns the topic filters, with QoS, to which a party subscribes at each connection. m is the machine;
// for the hub, m is "+".
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

// NeverRetained returns the topics on which a machine publishes without the retain flag. At each connection, the
// machine clears messages that another client has retained on these topics.
func (t Topics) NeverRetained(m policy.MachineID) (out []string) {
	for _, x := range topicTable {
		if x.Machine == Publishes && !x.Retained {
			out = append(out, x.Of(t.Site, m))
		}
	}
	return out
}

// Permission is a topic filter, and what an account may do with it.
type Permission struct {
	Party              Party
	Filter             string
	Publish, Subscribe bool
}

// Permissions returns the permissions of an account. The account may do nothing else. m is the machine; for the
// watcher, m is "+". If a wider filter of the account covers a topic, the topic is not listed.
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

// Covers reports whether a filter matches every topic that the second filter, or the topic, matches (MQTT 3.1.1 §4.7).
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
			return !more || rest == "#" // the filter "a/#" also matches the topic "a" (§4.7.1.2)
		}
		if !more {
			return false
		}
		filter, other = rest, otherRest
	}
}

// Parse returns the topic of the table that matches, and the machine that the topic names. The machine is empty if the
// topic is for the whole site. Parse does not check that the machine's id is valid.
func (t Topics) Parse(topic string) (found Topic, machine policy.MachineID, ok bool) {
	for _, x := range topicTable {
		m, matches := match(x.Pattern, string(t.Site), topic)
		if !matches || ok && Reserved(policy.MachineID(m)) {
			continue
		}
		found, machine, ok = x, policy.MachineID(m), true
		if !Reserved(machine) {
			// Portillon/SITE/ack/records is an acknowledgement for the machine «records», and not a record of a machine «ack».
			break
		}
	}
	return found, machine, ok
}

// match compares a topic with a pattern, level by level, and returns the level in the place of {machine}. If {machine}
// is only a part of a level, the pattern matches nothing, because Portillon does not subscribe to such topics.
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

// Reserved reports whether a machine must not have this id, because a topic of the site has this word in the place of
// the machine.
func Reserved(m policy.MachineID) bool { return m == "ack" || m == "bundle" }

// All returns the filter that matches this topic of all machines.
func (t Topics) All(name TopicName) string { return t.Of(name, "+") }

// Machine returns the machine that owns a topic with this name. ok is false if the machine's id is invalid.
func (t Topics) Machine(topic string, name TopicName) (policy.MachineID, bool) {
	x, m, ok := t.Parse(topic)
	if !ok || x.Name != name || m == "" || Reserved(m) || strings.ContainsAny(string(m), ". *") {
		return "", false
	}
	return m, true
}

// Document returns the topics of the site as a Markdown table with their publishers and subscribers, for the
// administrator of a broker.
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

// ClientID returns a machine's MQTT client id. The id never changes, so that the broker replaces a hanging connection
// of the machine by a new one.
func (t Topics) ClientID(m policy.MachineID) string {
	return "portillon-" + string(t.Site) + "-" + string(m)
}

// HubClientID returns the hub's MQTT client id. Machine ids contain no underscore, so no machine has the same client
// id.
func (t Topics) HubClientID() string { return "portillon-" + string(t.Site) + "_hub" }

// Online and Offline are the payloads of the availability topic. Offline is also the payload of the will.
const (
	Online  = "online"
	Offline = "offline"
)
