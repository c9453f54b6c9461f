package wire

import (
	"encoding/json"
	"fmt"

	"portillon/policy"
)

// PolicyNumber names a policy by its text: the first 12 hexadecimal digits of the hash of its chunk (Hash).
func PolicyNumber(text []byte) string { return Hash(text)[:12] }

// Replay asks p what the record's machine decided. before gives the policies of the past by their numbers. It is
// false for a record of a kind that holds no decision.
func Replay(r Record, p *policy.Policy, before func(number string) (*policy.Policy, bool)) (policy.Replayed, bool) {
	var out policy.Replayed
	switch r.Kind {
	case SessionStart, RoleChanged, HandedOver:
		out.Was = policy.Allow
	case Refused:
	default:
		return policy.Replayed{}, false
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
	return body.Basis.Replay(r.Machine, p, of), true
}
