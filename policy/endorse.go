package policy

import "slices"

// AsksToAttest reports whether the machine has a badge that is earned by interventions of this kind, where a maintainer
// must confirm each intervention at the time.
func (p *Policy) AsksToAttest(id MachineID, kind string) bool {
	for b, rule := range p.Evidence {
		if rule.Endorsed == AtTheTime && slices.Contains(rule.Kinds, kind) && slices.Contains(p.MachinesOf(b), id) {
			return true
		}
	}
	return false
}
