package file

import (
	"portillon/policy"
	"portillon/yamlfile"
)

// never reads what the policy must not allow, whoever holds what.
func (r *reader) never(n yamlfile.Node) {
	for _, x := range n.List() {
		bare(x)
		sound := only(x, "name", "role", "without", "on", "at", "alone")
		v := policy.Invariant{Name: x.Path(), Alone: x.Get("alone").Bool(), At: hours(x.Get("at"), r.m.Holidays)}
		if name := line(x.Get("name")); name != "" {
			v.Name = name
		}
		for _, y := range values(x.Get("role").Required()) {
			if role, _ := policy.ParseRole(y.OneOf(roleWords(policy.Roles())...)); role != policy.NoRole {
				v.Roles = append(v.Roles, role)
			}
		}
		for _, y := range values(x.Get("without")) {
			v.Without = append(v.Without, policy.BadgeID(r.badgeIDs.ref(y, "badge")))
		}
		for _, y := range values(x.Get("on")) {
			v.On = append(v.On, policy.MachineID(r.machineIDs.ref(y, "machine")))
		}
		if sound && x.IsMap() && !x.Get("without").Present() && !x.Get("at").Present() {
			x.Fault("add without: BADGE, or at: HOURS", "never a role at all: leave its grants out instead")
		}
		r.m.Never = append(r.m.Never, v)
	}
}

// values are those of a list, or one value that stands alone.
func values(n yamlfile.Node) []yamlfile.Node {
	switch {
	case !n.Present():
		return nil
	case n.IsList():
		return n.List()
	}
	return []yamlfile.Node{n}
}
