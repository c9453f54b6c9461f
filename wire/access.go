package wire

import (
	"strings"

	"portillon/policy"
)

// MaxPacket bounds an MQTT packet everywhere: the remaining length (MQTT 3.1.1 §2.2.3), in bytes, that machine, hub and
// broker send and accept. A packet of MaxPacket holds the largest signed text, a topic of 1,000 bytes and a packet
// identifier.
const MaxPacket = MaxSigned + 1<<10

// Party is a kind of account at the broker. The zero Party is nobody's.
type Party uint8

// The parties at a site's broker.
const (
	NoParty      Party = iota
	HubParty           // the hub of the site
	MachineParty       // one machine
	WatcherParty       // Home Assistant
)

// Access is one topic of a site: who publishes on it, who receives it, and whether its publisher retains it.
type Access struct {
	Name     string // records
	Topic    string // portillon/{site}/{machine}/records
	Retained bool
	From     Party
	To       []Party
}

// AccessTable lists every topic of the protocol. The broker's permissions and mosquitto's access list are made from it.
func AccessTable() []Access {
	own := func(name string, retained bool, to ...Party) Access {
		return Access{Name: name, Topic: "portillon/{site}/{machine}/" + name, Retained: retained, From: MachineParty, To: to}
	}
	return []Access{
		own("availability", true, HubParty, WatcherParty),
		own("state", true, HubParty, WatcherParty),
		own("records", false, HubParty),
		own("checkpoint", true, HubParty),
		own("reply", false, HubParty),
		{"discovery", "homeassistant/device/portillon_{site}_{machine}/config", true, MachineParty, []Party{WatcherParty}},
		{"command", "portillon/{site}/{machine}/command", false, HubParty, []Party{MachineParty}},
		{"ack", "portillon/{site}/ack/{machine}", true, HubParty, []Party{MachineParty}},
		{"bundle", "portillon/{site}/bundle", true, HubParty, []Party{MachineParty}},
		{"birth", "homeassistant/status", false, WatcherParty, []Party{MachineParty}},
	}
}

// Of fills in site and machine; machine may be "+" for all of them.
func (a Access) Of(site policy.SiteID, machine policy.MachineID) string {
	return strings.NewReplacer("{site}", string(site), "{machine}", string(machine)).Replace(a.Topic)
}

// Publishes reports whether p publishes on the topic.
func (a Access) Publishes(p Party) bool { return p != NoParty && a.From == p }

// Receives reports whether p subscribes to the topic.
func (a Access) Receives(p Party) bool {
	for _, to := range a.To {
		if p != NoParty && to == p {
			return true
		}
	}
	return false
}

// ClientID is a machine's MQTT client id. It never changes, so that a connection that hangs is replaced by the next
// one.
func (t Topics) ClientID(m policy.MachineID) string {
	return "portillon-" + string(t.Site) + "-" + string(m)
}

// HubClientID is the hub's. No id of a machine holds an underscore.
func (t Topics) HubClientID() string { return "portillon-" + string(t.Site) + "_hub" }
