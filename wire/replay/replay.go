// Package replay evaluates the journal record of a past decision under another policy.
//
// The package is separate from wire, so that the machine's program does not link policy/analysis.
package replay

import (
	"encoding/json"
	"fmt"

	"portillon/policy"
	"portillon/policy/analysis"
	"portillon/wire"
)

// Record asks policy p for the decision that a machine recorded in r. before returns a past policy by its number. ok is
// false if records of this kind contain no decision.
func Record(r wire.Record, p *policy.Policy, before func(number string) (*policy.Policy, bool)) (analysis.Replayed,
	bool) {
	var out analysis.Replayed
	switch r.Kind {
	// These records exist only because the machine allowed the use.
	case wire.SessionStart, wire.RoleChanged, wire.HandedOver:
		out.Was = policy.Allow
	case wire.Refused:
	default:
		return analysis.Replayed{}, false
	}
	// All records of a decision have their input in the same field.
	var body struct {
		Basis *policy.Basis `json:"basis"`
	}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		out.Why, out.Obstacle = fmt.Sprintf("the record's body cannot be read: %v", err), analysis.Unreadable
		return out, true
	}
	if body.Basis == nil {
		out.Why, out.Obstacle = "the record has no input of the decision: written by an older program", analysis.NoBasis
		return out, true
	}
	of, ok := before(body.Basis.Policy)
	if !ok {
		out.Was, out.Obstacle = body.Basis.Verdict, analysis.NoPolicy
		out.Why = fmt.Sprintf("the deciding policy %q is not available", body.Basis.Policy)
		return out, true
	}
	return analysis.Replay(*body.Basis, r.Machine, p, of), true
}
