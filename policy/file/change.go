package file

import (
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"portillon/policy"
)

// Change is a change of a policy file: SetRules, AddGrant, RemoveGrant, AddMachine, AddBadge or Changes.
type Change interface{ apply(e *editor) error }

// Rule names a part of a grant that a form can show and change.
type Rule string

// These are all rules. The function rulePath has the place of each rule in the file.
const (
	RuleBadge      Rule = "badge"      // the badge that the member needs
	RuleWithin     Rule = "within"     // issued at most so long ago
	RuleUsedWithin Rule = "usedwithin" // the member was at the machine at most so long ago
	RulePractice   Rule = "practice"   // whole hours at the machine so far
	RuleSupervisor Rule = "supervisor" // the badge that the mentor needs
	RuleHours      Rule = "hours"
	RuleLearners   Rule = "learners"
	RuleDay        Rule = "day"
	RuleWeek       Rule = "week"
	RuleSessions   Rule = "sessions"
	RuleMax        Rule = "max"
	RuleIdle       Rule = "idle"
	RuleWarn       Rule = "warn"
	RuleExtend     Rule = "extend"
)

// Rules are the values of rules as they stand in the file. In the rules of a grant that is read, a rule that is not in
// the file is missing. In the rules of a change, a missing rule stays as it is, and an empty rule is removed.
type Rules map[Rule]string

// place is the place of a rule in a grant, and the form of its value.
type place struct {
	rule  Rule
	path  []any
	write func(string) *yaml.Node
}

// places are the places of all rules, in the canonical order of the file.
func places() []place {
	return []place{
		{RuleBadge, []any{"needs", "badge"}, textNode},
		{RuleWithin, []any{"needs", "within"}, textNode},
		{RuleUsedWithin, []any{"needs", "used-within"}, textNode},
		{RulePractice, []any{"needs", "hours"}, numberNode},
		{RuleSupervisor, []any{"supervisor", "badge"}, textNode},
		{RuleHours, []any{"hours"}, quoted},
		{RuleLearners, []any{"learners"}, numberNode},
		{RuleDay, []any{"quota", "day"}, textNode},
		{RuleWeek, []any{"quota", "week"}, textNode},
		{RuleSessions, []any{"quota", "sessions"}, numberNode},
		{RuleMax, []any{"session", "max"}, textNode},
		{RuleIdle, []any{"session", "idle"}, textNode},
		{RuleWarn, []any{"session", "warn"}, textNode},
		{RuleExtend, []any{"session", "extend"}, textNode},
	}
}

// numberNode returns a number, or a text if s is not a number.
func numberNode(s string) *yaml.Node {
	if n, err := strconv.Atoi(s); err == nil && strconv.Itoa(n) == s {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: s}
	}
	return textNode(s)
}

// Written are the rules of a grant as they stand in the file.
type Written struct {
	Role  policy.Role
	Rules Rules
	// Several lists the rules whose place has all: or any: of several badges. A form cannot change these rules.
	Several []Rule
}

// Grants returns the grants of each machine as they stand in the file. Grants refuses a file that Parse refuses.
func Grants(name string, data []byte) (map[policy.MachineID][]Written, error) {
	p, err := Parse(name, data)
	if err != nil {
		return nil, err
	}
	e, err := newEditor(name, lineFeeds(data))
	if err != nil {
		return nil, err
	}
	out := map[policy.MachineID][]Written{}
	for _, m := range p.Machines {
		for i, g := range m.Grants {
			w := Written{Role: g.Role, Rules: Rules{}}
			for _, x := range places() {
				text, several := e.ruleAt(grantPath(m.ID, i), x)
				if several {
					w.Several = append(w.Several, x.rule)
				} else if text != "" {
					w.Rules[x.rule] = text
				}
			}
			out[m.ID] = append(out[m.ID], w)
		}
	}
	return out, nil
}

// grantPath returns the path of a grant.
func grantPath(m policy.MachineID, grant int) []any {
	return []any{"machines", string(m), "grants", grant}
}

// ruleAt returns the value of a rule. The result several is true if the place has all: or any: of several badges.
func (e *editor) ruleAt(grant []any, x place) (text string, several bool) {
	if len(x.path) == 2 && (x.path[0] == "needs" || x.path[0] == "supervisor") {
		need := slices.Concat(grant, x.path[:1])
		if e.at(append(slices.Clone(need), "all")...) != nil || e.at(append(slices.Clone(need), "any")...) != nil {
			return "", true
		}
		if text = e.text(need...); text != "" && x.path[1] == "badge" { // a badge without conditions is a plain value
			return text, false
		}
	}
	return e.text(slices.Concat(grant, x.path)...), false
}

// SetRules changes rules of one grant, which Grant counts from 0.
type SetRules struct {
	Machine policy.MachineID
	Grant   int
	Rules   Rules
}

func (c SetRules) apply(e *editor) error {
	grant := grantPath(c.Machine, c.Grant)
	if e.at(grant...) == nil {
		return e.refuse(grant[:3], "the machine has no such grant", "")
	}
	for _, x := range places() {
		want, named := c.Rules[x.rule]
		now, several := e.ruleAt(grant, x)
		if !named || want == now {
			continue
		}
		if several {
			return e.refuse(slices.Concat(grant, x.path[:1]), "several badges stand here", "change it in the text")
		}
		if err := e.putRule(grant, x, want); err != nil {
			return err
		}
	}
	return nil
}

// putRule writes the value of one rule.
func (e *editor) putRule(grant []any, x place, want string) error {
	at, above := slices.Concat(grant, x.path), slices.Concat(grant, x.path[:1])
	plain := e.text(above...) // the badge of a need without conditions
	switch {
	case want == "" && (plain != "" || x.rule == RuleSupervisor):
		return e.drop(above...)
	case want == "":
		return e.drop(at...)
	case plain != "" && len(x.path) == 1:
		return e.put(x.write(want), at...)
	case plain != "" && x.path[1] == "badge":
		return e.put(x.write(want), above...)
	case plain != "":
		need := mappingOf("badge", textNode(plain))
		need.Content = append(need.Content, textNode(x.path[1].(string)), x.write(want))
		return e.put(need, above...)
	case x.rule == RuleSupervisor && e.at(above...) == nil:
		return e.put(x.write(want), above...)
	}
	return e.put(x.write(want), at...)
}

// AddGrant adds a grant at the end of a machine's grants.
type AddGrant struct {
	Machine policy.MachineID
	Role    policy.Role
	Rules   Rules
}

func (c AddGrant) apply(e *editor) error {
	path := grantPath(c.Machine, 0)[:3]
	if e.at(path...) == nil {
		return e.refuse(path[:2], "the policy has no such machine", "")
	}
	return e.push(grantNode(c.Role, c.Rules), path...)
}

// grantNode returns a grant in braces.
func grantNode(r policy.Role, rules Rules) *yaml.Node {
	out := mappingOf("role", textNode(r.String()))
	for _, x := range places() {
		want := rules[x.rule]
		if want == "" {
			continue
		}
		key, v := x.path[0].(string), x.write(want)
		if len(x.path) == 1 {
			out.Content = append(out.Content, textNode(key), v)
			continue
		}
		last := len(out.Content) - 1
		if key != out.Content[last-1].Value {
			if x.path[1] != "badge" {
				v = mappingOf(x.path[1].(string), v)
			}
			out.Content = append(out.Content, textNode(key), v)
			continue
		}
		if out.Content[last].Kind == yaml.ScalarNode {
			out.Content[last] = mappingOf("badge", out.Content[last])
		}
		out.Content[last].Content = append(out.Content[last].Content, textNode(x.path[1].(string)), v)
	}
	return out
}

// RemoveGrant removes one grant, which Grant counts from 0. The last grant of a machine cannot be removed.
type RemoveGrant struct {
	Machine policy.MachineID
	Grant   int
}

func (c RemoveGrant) apply(e *editor) error {
	grant := grantPath(c.Machine, c.Grant)
	switch list := e.at(grant[:3]...); {
	case list == nil || e.at(grant...) == nil:
		return e.refuse(grant[:3], "the machine has no such grant", "")
	case len(list.entries) == 1:
		return e.refuse(grant, "this is the machine's only grant", "change it, or remove the machine in the text")
	}
	return e.drop(grant...)
}

// AddMachine adds a machine with one grant at the end of the machines.
type AddMachine struct {
	ID    policy.MachineID
	Name  policy.Text
	Role  policy.Role
	Rules Rules
}

func (c AddMachine) apply(e *editor) error {
	return e.putNew("machines", string(c.ID), nameNode(c.Name), textNode("grants"),
		&yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{grantNode(c.Role, c.Rules)}})
}

// AddBadge adds a badge at the end of the badges.
type AddBadge struct {
	ID          policy.BadgeID
	Name        policy.Text
	Issuer      policy.IssuerID
	Achievement string
}

func (c AddBadge) apply(e *editor) error {
	return e.putNew("badges", string(c.ID), nameNode(c.Name), textNode("issuer"), textNode(string(c.Issuer)),
		textNode("achievement"), textNode(c.Achievement))
}

// putNew adds an id to a section. more are the keys and values that follow the name.
func (e *editor) putNew(section, id string, name *yaml.Node, more ...*yaml.Node) error {
	switch {
	case e.at(section, id) != nil:
		return e.refuse([]any{section, id}, "this id is taken", "choose another id")
	case id == "":
		return e.refuse([]any{section, id}, "an id is missing", "lower-case letters, digits and hyphens, at most 64")
	}
	v := &yaml.Node{Kind: yaml.MappingNode, Content: append([]*yaml.Node{textNode("name"), name}, more...)}
	return e.put(v, section, id)
}

// nameNode returns a name in one or two languages.
func nameNode(t policy.Text) *yaml.Node {
	if t.FR == "" || t.EN == "" {
		return textNode(t.FR + t.EN)
	}
	out := mappingOf("fr", textNode(t.FR))
	out.Content = append(out.Content, textNode("en"), textNode(t.EN))
	return out
}

// Changes are several changes, which Edit makes in their order.
type Changes []Change

func (c Changes) apply(e *editor) error {
	for _, x := range c {
		if err := x.apply(e); err != nil {
			return err
		}
	}
	return nil
}
