package file

import (
	"portillon/policy"
	"portillon/yamlfile"
)

// never reads what the policy must not allow, whoever holds what.
func (r *reader) never(n yamlfile.Node) {
	for _, x := range n.List() {
		if n.Enough() {
			break
		}
		bare(x)
		sound := only(x, "name", "role", "without", "on", "at", "alone")
		v := policy.Invariant{Name: x.Path(), Alone: x.Get("alone").Bool(), At: hours(x.Get("at"), r.m.Holidays)}
		if name := line(x.Get("name")); name != "" {
			v.Name = name
		}
		r.subjects(x, &v)
		if sound && x.IsMap() && !x.Get("without").Present() && !x.Get("at").Present() {
			x.Fault("add without: BADGE, or at: HOURS", "never a role at all: leave its grants out instead")
		}
		r.m.Never = append(r.m.Never, v)
	}
}

// subjects reads whom a rule is about: roles, the badges that they lack, machines. A list of none would read as "of
// all".
func (r *reader) subjects(x yamlfile.Node, v *policy.Invariant) {
	all := roleWords(policy.Roles())
	for _, y := range some(x.Get("role").Required(), len(all), "name at least one role", "no role: this rule can never find anything") {
		if role, _ := policy.ParseRole(y.OneOf(all...)); role != policy.NoRole {
			v.Roles = append(v.Roles, role)
		}
	}
	for _, y := range some(x.Get("without"), maxNamed, "name at least one badge, or remove the key", "an empty list") {
		v.Without = append(v.Without, policy.BadgeID(r.badgeIDs.ref(y, "badge")))
	}
	for _, y := range some(x.Get("on"), maxNamed, "name at least one machine, or remove the key", "an empty list") {
		v.On = append(v.On, policy.MachineID(r.machineIDs.ref(y, "machine")))
	}
	if len(v.Roles) == 1 && v.Roles[0] == policy.Learner && v.Alone {
		x.Get("alone").Fault("remove it", "a learner is never alone: this rule can never find anything")
	}
}
