package file

import (
	"fmt"

	"portillon/policy"
	"portillon/yamlfile"
)

// MaxItems is the largest number of choices on a panel. More choices do not fit on a small screen.
const MaxItems = 12

// maintenance reads the interventions and the recurring maintenance of a machine. If the machine lists interventions,
// each recurring maintenance must be one of the listed kinds.
func (r *reader) maintenance(n yamlfile.Node, m *policy.Machine) {
	seen := map[string]bool{}
	for _, x := range entries(n, maxUpkeep) {
		var u policy.Upkeep
		sound := fill(r, x, r.tables.upkeep, &u)
		k := x.Get("kind")
		if len(m.Interventions) > 0 {
			r.kinds.ref(k, "intervention")
		}
		if seen[u.Kind] && u.Kind != "" {
			k.Fault("hours: and days: may stand together", "the kind %q stands twice", u.Kind)
		}
		seen[u.Kind] = true
		if sound && x.IsMap() && !x.Get("hours").Present() && !x.Get("days").Present() {
			x.Fault("add hours: (of running) or days:", "it would never be due")
		}
		m.Maintenance = append(m.Maintenance, u)
	}
}

// items reads choices for the panel: ids with names.
func (r *reader) items(n yamlfile.Node, known *names) []policy.Item {
	var out []policy.Item
	for _, e := range n.Pairs() {
		out = append(out, policy.Item{ID: known.add(e), Name: r.words(e.Value)})
	}
	if len(out) > MaxItems {
		n.Fault(fmt.Sprintf("%d at most: they are buttons on a small screen", MaxItems), "%d stand here", len(out))
	}
	return out
}
