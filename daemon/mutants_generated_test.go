package daemon

import (
	"testing"

	"portillon/internal/mutate"
)

// survivors explains the generated mutants that no test catches, by id.
var survivors = map[string]string{
	"PanelActions.attest: " +
		"never: !ok": "equivalent: the session refuses a confirmation without an intervention, in the same words",
	"engine.tap: " +
		"without: request.Open in tap.Asked = m.currentMember() == member.ID && request.Open …": "equivalent: the " +
		"session asks for Open itself",
}

func TestGeneratedMutantsAreCaught(t *testing.T) {
	mutate.Generated(t, 100, survivors)
}
