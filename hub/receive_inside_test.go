package hub

import (
	"testing"

	"portillon/wire"
)

// receiveWaiting handles batches of records. For every other topic, the map handlers contains a handler.
func TestHubHandlesEveryTopicItSubscribesTo(t *testing.T) {
	for _, x := range wire.TopicTable() {
		if got, want := handlers[x.Name] != nil, x.Hub == wire.Subscribes && x.Name != wire.TopicRecords; got != want {
			t.Errorf("%s has a handler: %v, want %v", x.Name, got, want)
		}
	}
}
