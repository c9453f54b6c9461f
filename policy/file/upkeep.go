package file

import (
	"fmt"
	"time"

	"portillon/policy"
	"portillon/yamlfile"
)

// panel reads what the panels show, and how: { names: initial, look: dark }.
func (r *reader) panel(n yamlfile.Node) {
	only(n, "names", "look")
	// OneOf reports what is none
	r.m.Names, _ = policy.ParseNames(n.Get("names").OneOf("first", "initial", "full", "letters"))
	r.m.Look, _ = policy.ParseLook(n.Get("look").OneOf("auto", "light", "dark"))
}

// MaxItems bounds what people choose from at a panel: more would not fit a small screen.
const MaxItems = 12

// upkeep reads what is done to the machine, when that is due, and what a mentor may vouch for.
func (r *reader) upkeep(n yamlfile.Node, m *policy.Machine) {
	var kinds names
	m.Interventions = items(n.Get("interventions"), &kinds)
	m.Vouch = items(n.Get("vouch"), &names{})
	seen := map[string]bool{}
	for _, x := range entries(n.Get("maintenance"), maxUpkeep) {
		sound := only(x, "kind", "hours", "days", "block")
		k := x.Get("kind").Required()
		u := policy.Upkeep{Kind: k.Slug(), Hours: time.Duration(x.Get("hours").Int(1, maxRunning)) * time.Hour,
			Every: time.Duration(x.Get("days").Int(1, maxDays)) * 24 * time.Hour, Block: x.Get("block").Bool()}
		if len(m.Interventions) > 0 {
			kinds.ref(k, "intervention")
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
	kinds.report()
}

func items(n yamlfile.Node, known *names) []policy.Item {
	var out []policy.Item
	for _, e := range n.Pairs() {
		out = append(out, policy.Item{ID: known.add(e), Name: words(e.Value)})
	}
	if len(out) > MaxItems {
		n.Fault(fmt.Sprintf("%d at most: they are buttons on a small screen", MaxItems), "%d stand here", len(out))
	}
	return out
}
