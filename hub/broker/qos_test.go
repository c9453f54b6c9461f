package broker

import (
	"bytes"
	"encoding/binary"
	"testing"

	"portillon/policy"
)

// subscribeTo returns the body of a SUBSCRIBE to topics with QoS 1.
func subscribeTo(topics ...string) []byte {
	body := []byte{0, 7}
	for _, s := range topics {
		body = append(binary.BigEndian.AppendUint16(body, uint16(len(s))), s...)
		body = append(body, 1)
	}
	return body
}

func TestSubscriptionsOfMachinesAreLoweredToQoS0(t *testing.T) {
	const bundle, ack = "portillon/lab/bundle", "portillon/lab/ack/mill"
	for _, c := range []struct {
		name   string
		as     Part
		topics []string
		qos    byte // QoS that the broker must grant, in the order of the topics
	}{
		{"a machine's three topics", AsMachine, []string{ack, "portillon/lab/mill/command", bundle}, 0},
		{"one topic", AsMachine, []string{ack}, 0},
		{"the hub", AsHub, []string{bundle, ack}, 1},
		{"a watcher", AsWatcher, []string{bundle}, 1},
		{"broker without accounts", AsNobody, []string{bundle}, 1},
	} {
		a := &account{Account: Account{As: c.as, Machine: policy.MachineID("mill")}, site: "lab"}
		body, want := subscribeTo(c.topics...), subscribeTo(c.topics...)
		for i := range c.topics {
			want[len(subscribeTo(c.topics[:i+1]...))-1] = c.qos
		}
		if a.lowerQoS(body); !bytes.Equal(body, want) {
			t.Errorf("%s: %q, want %q", c.name, body, want)
		}
	}
	a := &account{Account: Account{As: AsMachine}, site: "lab"}
	// the filter has an invalid QoS: the proxy must leave the rejection to the embedded server
	refused := []byte{0, 7, 0, 1, 'x', 0x80}
	if a.lowerQoS(refused); refused[5] != 0x80 {
		t.Errorf("QoS byte 0x80 became %#x", refused[5])
	}
}

func FuzzLowerQoSKeepsTopics(f *testing.F) {
	f.Add(subscribeTo("portillon/lab/bundle"))
	f.Add([]byte{0, 1, 0, 20, 'p'})
	f.Fuzz(func(t *testing.T, body []byte) {
		a := &account{Account: Account{As: AsMachine}, site: "lab"}
		before, err := filtersOf(typeSubscribe, bytes.Clone(body))
		a.lowerQoS(body) // must not panic
		if after, err2 := filtersOf(typeSubscribe, body); err == nil && (err2 != nil || len(after) != len(before)) {
			t.Errorf("%q became %q, %v", before, after, err2)
		}
	})
}
