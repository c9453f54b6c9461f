package policy

import "slices"

// AsksToAttest reports whether interventions of this kind earn a badge of the machine and a maintainer must confirm
// each intervention at the time.
func (p *Policy) AsksToAttest(id MachineID, kind string) bool {
	for b, rule := range p.Evidence {
		if rule.Endorsed == AtTheTime && slices.Contains(rule.Kinds, kind) && slices.Contains(p.MachinesOf(b), id) {
			return true
		}
	}
	return false
}
