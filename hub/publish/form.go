package publish

import (
	"context"
	"errors"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
	policyfile "portillon/policy/file"
	"portillon/yamlfile"
)

// These are the changes that Edit makes, as package policy/file defines them.
type (
	TextChange  = policyfile.Change
	TextChanges = policyfile.Changes
	SetRules    = policyfile.SetRules
	AddGrant    = policyfile.AddGrant
	RemoveGrant = policyfile.RemoveGrant
	AddMachine  = policyfile.AddMachine
	AddBadge    = policyfile.AddBadge
	Rule        = policyfile.Rule
	Rules       = policyfile.Rules
)

// Outline lists the parts of a policy's text that a form can change.
type Outline struct {
	Number   int64  // number of the policy in force
	Text     string // text of the outline
	Draft    bool   // true: the text is not that of the policy in force
	Machines []OutlineMachine
	Badges   []policy.Badge
	Issuers  []policy.Issuer
	Holidays bool // true: the policy lists public holidays
}

// OutlineMachine is a machine with its grants in the order of the text.
type OutlineMachine struct {
	ID     policy.MachineID
	Name   policy.Text
	Grants []OutlineGrant
}

// OutlineGrant is a grant as it stands in the text.
type OutlineGrant struct {
	policyfile.Written
	Week   policy.Week // opening hours as a week
	Weekly bool        // true: Week says the same as the hours, or there are no hours
}

// Outline returns the outline of a text, or of the policy in force if the text is empty. A text with faults is refused
// with *fault.Invalid.
func (s *Drafts) Outline(ctx context.Context, a actor.Actor, text string) (Outline, error) {
	if err := a.May(actor.ReadPolicy, actor.Target{}); err != nil {
		return Outline{}, err
	}
	current, err := inForce(ctx, s.site)
	if err != nil {
		return Outline{}, err
	}
	out := Outline{Number: current.Number, Text: text, Draft: text != "" && text != current.Text}
	if text == "" {
		if out.Text = current.Text; current.Number == 0 {
			return out, nil
		}
	}
	p, err := policyfile.Parse(fileName, []byte(out.Text))
	if err != nil {
		return Outline{}, invalidText(err)
	}
	grants, err := policyfile.Grants(fileName, []byte(out.Text))
	if err != nil {
		return Outline{}, err
	}
	out.Badges, out.Issuers, out.Holidays = p.Badges, p.Issuers, p.Holidays != nil
	for _, m := range p.Machines {
		x := OutlineMachine{ID: m.ID, Name: m.Name}
		for i, w := range grants[m.ID] {
			g := OutlineGrant{Written: w, Weekly: true}
			if h := m.Grants[i].Hours; h != nil {
				g.Week, g.Weekly = h.Week()
			}
			x.Grants = append(x.Grants, g)
		}
		out.Machines = append(out.Machines, x)
	}
	return out, nil
}

// Edit returns a text with a change, and stores nothing. If the text is empty, Edit changes the text of the policy in
// force. A change that the policy does not permit is refused with *fault.Invalid, whose fields are named after the
// rules and after the fields of the change: id, name, issuer, achievement.
func (s *Drafts) Edit(ctx context.Context, a actor.Actor, text string, c TextChange) (string, error) {
	if err := a.May(actor.ReadPolicy, actor.Target{}); err != nil {
		return "", err
	}
	if err := a.May(actor.PublishPolicy, actor.Target{}); err != nil {
		return "", err
	}
	if text == "" {
		current, err := inForce(ctx, s.site)
		if err != nil {
			return "", err
		}
		text = current.Text
	}
	out, err := policyfile.Edit(fileName, []byte(text), c)
	var all yamlfile.Faults
	if errors.As(err, &all) {
		invalid := &fault.Invalid{}
		for _, f := range all {
			invalid.Faults = append(invalid.Faults, fault.Field{Field: fieldOf(f.Field), Wrong: f.Problem, Right: f.Hint})
		}
		return "", invalid
	}
	return string(out), err
}

// fieldOf returns the rule, or the field of a new machine or badge, that a path in the text is about.
func fieldOf(path string) string {
	_, rule, ofGrant := strings.Cut(path, "]")
	rule = strings.TrimPrefix(rule, ".")
	parts := strings.Split(path, ".")
	last := parts[len(parts)-1]
	switch {
	case ofGrant && rule == "needs.hours":
		return string(policyfile.RulePractice)
	case ofGrant && (rule == "needs" || rule == "needs.badge"):
		return string(policyfile.RuleBadge)
	case ofGrant && strings.HasPrefix(rule, "supervisor"), ofGrant && rule == "" && strings.Contains(path, "grants"):
		return string(policyfile.RuleSupervisor)
	case ofGrant, len(parts) > 2:
		return strings.ReplaceAll(last, "-", "")
	}
	return "id"
}
