package daemon

import (
	"testing"

	"portillon/internal/mutate"
)

// survivors explains the generated mutants that no test catches, by id.
var survivors = map[string]string{
	"PanelActions.attest: " +
		"never: !ok": "equivalent: the session refuses a confirmation without an intervention, in the same words",
	"PanelActions.runInLoop: " +
		"never: !rep.OK": "the loop refuses only while the daemon ends, when the page gets no answer either",
	"engine.onlyIdentifies: " +
		"without: !confirms in endorses := !confirms && m.attests.opensQuestion(id) && " +
		"!wa…": "decides which of two questions of the same member the panel asks first",
	"engine.tap: " +
		"without: request.Open in tap.Asked = m.currentMember() == member.ID && request.Open …": "equivalent: the " +
		"session asks for Open itself",
	"loop.within: " +
		"constant: 1 in a := loopCall{do, make(chan control.Reply, 1)}": "equivalent: one reply is sent",
	"model.noteArrival: " +
		"without: !ok in if !ok || card < mach.Card || slices.Contains(d.Codes(), " +
		"po…": "equivalent: without the machine in the policy, every card is too weak or every decision denies",
}

func TestGeneratedMutantsAreCaught(t *testing.T) {
	mutate.Generated(t, 100, survivors)
}
