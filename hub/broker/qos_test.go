package broker

import (
	"bytes"
	"encoding/binary"
	"testing"

	"portillon/policy"
)

// subscribeTo is the body of a SUBSCRIBE to topics with QoS 1.
func subscribeTo(topics ...string) []byte {
	body := []byte{0, 7}
	for _, s := range topics {
		body = append(binary.BigEndian.AppendUint16(body, uint16(len(s))), s...)
		body = append(body, 1)
	}
	return body
}

func TestMachinesGetTheManifestAloneWithQoS0(t *testing.T) {
	const bundle, ack = "portillon/lab/bundle", "portillon/lab/ack/mill"
	for _, c := range []struct {
		name   string
		as     Part
		topics []string
		lower  int // the topic whose QoS is lowered; -1: none
	}{
		{"a machine's three topics", AsMachine, []string{ack, "portillon/lab/mill/command", bundle}, 2},
		{"the manifest first", AsMachine, []string{bundle, ack}, 0},
		{"no manifest", AsMachine, []string{ack, bundle + "/x"}, -1},
		{"the hub", AsHub, []string{bundle}, -1},
		{"a watcher", AsWatcher, []string{bundle}, -1},
	} {
		a := &account{Account: Account{As: c.as, Machine: policy.MachineID("mill")}, site: "lab"}
		body, want := subscribeTo(c.topics...), subscribeTo(c.topics...)
		if c.lower >= 0 {
			want[len(subscribeTo(c.topics[:c.lower+1]...))-1] = 0
		}
		if a.lowerQoS(body); !bytes.Equal(body, want) {
			t.Errorf("%s: %q, want %q", c.name, body, want)
		}
	}
}

func FuzzLowerQoSChangesNoTopic(f *testing.F) {
	f.Add(subscribeTo("portillon/lab/bundle"))
	f.Add([]byte{0, 1, 0, 20, 'p'})
	f.Fuzz(func(t *testing.T, body []byte) {
		a := &account{Account: Account{As: AsMachine}, site: "lab"}
		before, err := filtersOf(typeSubscribe, bytes.Clone(body))
		a.lowerQoS(body) // it never panics
		if after, err2 := filtersOf(typeSubscribe, body); err == nil && (err2 != nil || len(after) != len(before)) {
			t.Errorf("%q became %q, %v", before, after, err2)
		}
	})
}
