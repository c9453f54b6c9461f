package hubd

import (
	"testing"

	"portillon/hub"
)

func TestShippedHubFileIsValid(t *testing.T) {
	if _, err := hub.ReadConfig("../../../firmware-config/hub/hub.yaml"); err != nil {
		t.Error(err)
	}
}
