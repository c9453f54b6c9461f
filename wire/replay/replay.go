// Package replay asks a policy of today what a machine decided in the past, from the journal record of that decision.
//
// It stands beside wire because machines need wire, and no machine needs package policy/analysis.
package replay

import (
	"encoding/json"
	"fmt"

	"portillon/policy"
	"portillon/policy/analysis"
	"portillon/wire"
)

// Record asks p what the record's machine decided. before gives the policies of the past by their numbers. It is
// false for a record of a kind that holds no decision.
func Record(r wire.Record, p *policy.Policy, before func(number string) (*policy.Policy, bool)) (analysis.Replayed,
	bool) {
	var out analysis.Replayed
	switch r.Kind {
	case wire.SessionStart, wire.RoleChanged, wire.HandedOver:
		out.Was = policy.Allow
	case wire.Refused:
	default:
		return analysis.Replayed{}, false
	}
	var body struct {
		Basis *policy.Basis `json:"basis"`
	}
	if err := json.Unmarshal(r.Body, &body); err != nil {
		out.Why = fmt.Sprintf("the record cannot be read: %v", err)
		return out, true
	}
	if body.Basis == nil {
		out.Why = "the record does not say what the decision rested on: an older program wrote it"
		return out, true
	}
	of, ok := before(body.Basis.Policy)
	if !ok {
		out.Was, out.Why = body.Basis.Verdict, fmt.Sprintf("the policy %q that decided is not at hand", body.Basis.Policy)
		return out, true
	}
	return analysis.Replay(*body.Basis, r.Machine, p, of), true
}
