package file

import (
	"portillon/policy"
	"portillon/yamlfile"
)

// never reads the rules under never:, which must hold whichever badges a member holds.
func (r *reader) never(n yamlfile.Node, m *policy.Model) {
	for _, x := range n.List() {
		if n.Enough() {
			break
		}
		refuseEmpty(x)
		v := policy.Invariant{Name: x.Path()}
		sound := fill(r, x, r.tables.never, &v)
		if len(v.Roles) == 1 && v.Roles[0] == policy.Learner && v.Alone {
			x.Get("alone").Fault("remove it", "a learner is never alone: this rule can never find anything")
		}
		if sound && x.IsMap() && !x.Get("without").Present() && !x.Get("at").Present() {
			x.Fault("add without: BADGE, or at: HOURS", "never a role at all: leave its grants out instead")
		}
		m.Never = append(m.Never, v)
	}
}

// neverRoles reads one role or several roles. neverRoles refuses an empty list, because an empty list would match
// nothing.
func neverRoles(_ *reader, n yamlfile.Node) (out []policy.Role) {
	all := roleWords(policy.Roles())
	for _, y := range listOrOne(n, len(all), "name at least one role", "no role: this rule can never find anything") {
		if role, _ := policy.ParseRole(y.OneOf(all...)); role != policy.NoRole {
			out = append(out, role)
		}
	}
	return out
}
