package daemon

import (
	"testing"

	"portillon/internal/mutate"
)

// survivors explains the generated mutants that no test catches, by id.
var survivors = map[string]string{
	"Recount.compareTags: " +
		"never: !slices.ContainsFunc(keysOf(facts), " +
		"func(k string) bool { r…": "no test yet: the facts of a release that listed no removed tags",
	"views.offers: " +
		"zero: return out, d": "no test yet: offers of a machine without a roster",
	"PanelActions.extend: " +
		"negate: member.Practice[0].Machine == m.cfg.Machine in if len(member.Practice) > 0 && " +
		"member.Practice[0].Machine =…": "no test yet: an extension beside practice on another machine",
	"Machine.Run: " +
		"zero: return true": "drops the forms at shutdown, after which nothing can send one",
	"attestations.add: " +
		"constant: formLife in a.waiting = append(a.waiting, toAttest{ " +
		"id: b.ID, session: …": "equivalent: expire sets the end anew while the session runs",
	"engine.noteUnknown: " +
		"zero: return sealed": "no test yet in this package: an unknown card with a seal key",
	"PanelActions.attest: " +
		"never: !ok": "no test yet: a confirmation whose wait is over",
	"Machine.Run: " +
		"drop: m.engine.show()": "the panel is shown again with the first tick",
}

func TestGeneratedMutantsAreCaught(t *testing.T) {
	mutate.Generated(t, 100, survivors)
}
