package daemon

import (
	"testing"

	"portillon/internal/mutate"
)

// survivors explains the generated mutants that no test catches, by id.
var survivors = map[string]string{
	"PanelActions.extend: " +
		"negate: member.Practice[0].Machine == m.cfg.Machine in if len(member.Practice) > 0 && " +
		"member.Practice[0].Machine =…": "no test yet: an extension beside practice on another machine",
	"PanelActions.attest: " +
		"never: !ok": "equivalent: the session refuses a confirmation without an intervention, in the same words",
	"engine.tap: " +
		"without: request.Open in tap.Asked = m.currentMember() == member.ID && request.Open …": "equivalent: the " +
		"session asks for Open itself",
	"views.phaseView: " +
		"drop: s.Current.Since, s.Current.Until = m.model.wall(s.Current.S…": "needs a computer whose clock is set " +
		"while a session runs: no test can set the wall clock beside the one that only counts",
}

func TestGeneratedMutantsAreCaught(t *testing.T) {
	mutate.Generated(t, 100, survivors)
}
