package policy

import "slices"

// AsksToAttest reports whether a badge of the machine is earned by interventions of this kind that a maintainer
// confirms at the time.
func (p *Policy) AsksToAttest(id MachineID, kind string) bool {
	for b, rule := range p.Evidence {
		if rule.Endorsed == AtTheTime && slices.Contains(rule.Kinds, kind) && slices.Contains(p.MachinesOf(b), id) {
			return true
		}
	}
	return false
}
