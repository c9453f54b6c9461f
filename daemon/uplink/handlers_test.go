package uplink

import (
	"testing"

	"portillon/wire"
)

func TestMachineHandlesEveryTopicItSubscribesTo(t *testing.T) {
	for _, x := range wire.TopicTable() {
		if got, want := handlers[x.Name] != nil, x.Machine == wire.Subscribes; got != want {
			t.Errorf("%s has a handler: %v, want %v", x.Name, got, want)
		}
	}
}
