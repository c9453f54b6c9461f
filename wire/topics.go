package wire

import (
	"fmt"
	"strings"

	"portillon/policy"
)

// Topics names the topics of one site.
type Topics struct{ Site policy.SiteID }

func (t Topics) of(m policy.MachineID, what string) string {
	return fmt.Sprintf("portillon/%s/%s/%s", t.Site, m, what)
}

// Of a machine: availability and state and checkpoint are retained; records go with QoS 1; a command is never retained.
func (t Topics) Availability(m policy.MachineID) string { return t.of(m, "availability") }
func (t Topics) State(m policy.MachineID) string        { return t.of(m, "state") }
func (t Topics) Records(m policy.MachineID) string      { return t.of(m, "records") }
func (t Topics) Checkpoint(m policy.MachineID) string   { return t.of(m, "checkpoint") }
func (t Topics) Command(m policy.MachineID) string      { return t.of(m, "command") }
func (t Topics) Reply(m policy.MachineID) string        { return t.of(m, "reply") }

// Of the hub, retained: the manifest in force, and how much of a machine's journal it holds.
func (t Topics) Bundle() string                { return fmt.Sprintf("portillon/%s/bundle", t.Site) }
func (t Topics) Ack(m policy.MachineID) string { return fmt.Sprintf("portillon/%s/ack/%s", t.Site, m) }

// All matches what every machine says of one kind: "records", "state".
func (t Topics) All(what string) string { return fmt.Sprintf("portillon/%s/+/%s", t.Site, what) }

// Machine reads who speaks on a topic that All matched.
func (t Topics) Machine(topic, what string) (policy.MachineID, bool) {
	rest, ok := strings.CutPrefix(topic, fmt.Sprintf("portillon/%s/", t.Site))
	m, ok2 := strings.CutSuffix(rest, "/"+what)
	if !ok || !ok2 || m == "" || m == "ack" || strings.ContainsAny(m, "/+#. *") {
		return "", false
	}
	return policy.MachineID(m), true
}

// Online and Offline are the payloads of availability; Offline is the will.
const (
	Online  = "online"
	Offline = "offline"
)
