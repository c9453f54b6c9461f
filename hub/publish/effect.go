package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portillon/hub/actor"
	"portillon/policy"
	"portillon/policy/analysis"
)

// maxChanges limits each list of an Effect, and maxLines limits the lines of the comparison. These limits bound the
// memory that the hub needs for a policy that changes the rights of 10,000 members.
const (
	maxChanges = 2000
	maxLines   = 2000
)

// compare returns the effect of replacing the policy before by the policy after. same is true if neither the rights nor
// the settings differ.
func (s *Drafts) compare(
	ctx context.Context,
	a actor.Actor,
	before, after *policy.Policy,
) (out Effect, same bool, err error) {
	out = Effect{Gains: []Change{}, Loses: []Change{}, Lines: []string{}}
	l, now := s.languageOf(ctx, after), s.now()
	changes, err := analysis.Compare(before, after, now)
	var flaw *analysis.Flaw
	if errors.As(err, &flaw) {
		out.Faults = append(out.Faults, fmt.Sprintf("%s: %s", flaw.Machine, flaw.Text.In(l)))
	} else if err != nil {
		return out, false, err
	}
	for _, c := range changes {
		out.addLine(c.In(l))
	}
	settings := analysis.Uncompared(before, after)
	for _, x := range settings {
		out.addLine(explainSetting(x, l))
	}
	if s.holders != nil {
		holders, unknown, err := s.holders(ctx, before, after)
		if err != nil {
			return out, false, err
		}
		out.Faults = append(out.Faults, unknown...)
		out.addMembers(before, after, holders, now, l)
	}
	same = err == nil && len(changes)+len(settings)+len(out.Gains)+len(out.Loses) == 0
	if a.May(actor.ReadMembers, actor.Target{}) != nil {
		out.Gains, out.Loses = []Change{}, []Change{}
	}
	return out, same, nil
}

// addLine adds a line if Lines has fewer than maxLines lines.
func (e *Effect) addLine(text string) {
	if len(e.Lines) < maxLines {
		e.Lines = append(e.Lines, text)
	}
}

// addMembers adds the rights that each holder gains and loses.
func (e *Effect) addMembers(before, after *policy.Policy, holders []Holder, now time.Time, l policy.Language) {
	twins := make([]analysis.Twin, 0, len(holders))
	for _, h := range holders {
		if h.Before == nil || h.After == nil { // a member who is missing from a policy has no rights under it
			h = h.withMissingMember()
		}
		twins = append(twins, analysis.Twin{Before: h.Before, After: h.After})
	}
	gaining, losing := map[int]bool{}, map[int]bool{}
	for _, c := range analysis.CompareMembers(before, after, twins, now) {
		list, of := &e.Loses, losing
		if c.Gained {
			list, of = &e.Gains, gaining
		}
		of[c.Member] = true
		if len(*list) < maxChanges {
			*list = append(*list, Change{Member: twins[c.Member].After.ID, Name: holders[c.Member].Name, Machine: c.Machine,
				Role: c.Role.String(), Supervised: !c.Alone, Why: explainConditions(c, l)})
		}
	}
	e.Gaining, e.Losing = len(gaining), len(losing)
}

// withMissingMember returns a copy of h in which a missing member is replaced by a member without badges.
func (h Holder) withMissingMember() Holder {
	var id policy.MemberID
	for _, m := range []*policy.Member{h.Before, h.After} {
		if m != nil {
			id = m.ID
		}
	}
	if h.Before == nil {
		h.Before = &policy.Member{ID: id}
	}
	if h.After == nil {
		h.After = &policy.Member{ID: id}
	}
	return h
}

// explainConditions returns the conditions of a changed right in words. The text is empty if the member may use the
// right alone and at any time.
func explainConditions(c analysis.MemberChange, l policy.Language) string {
	out := ""
	if !c.Alone {
		out = policy.Text{FR: "avec un mentor", EN: "with a mentor"}.In(l)
	}
	when := analysis.WhenInWords(c.When, c.Except, l)
	if when == "" {
		return out
	}
	if out == "" {
		when = when[len(", "):]
	}
	return out + when + fmt.Sprintf(
		policy.Text{FR: " (%d des 168 heures de la semaine)", EN: " (%d of the week’s 168 hours)"}.In(l),
		c.Hours,
	)
}

// longSetting is the maximum length, in bytes, of a setting's values for display. The hub does not display longer
// values, which are cryptographic keys.
const longSetting = 300

// explainSetting returns a sentence about a changed setting. The sentence omits values that are longer than
// longSetting.
func explainSetting(s analysis.Setting, l policy.Language) string {
	say := func(fr, en string) string { return policy.Text{FR: fr, EN: en}.In(l) }
	switch {
	case s.Before != "" && s.After != "" && len(s.Before)+len(s.After) < longSetting:
		return s.Path + say(" : ", ": ") + s.Before + " → " + s.After
	case s.Before == "" && s.After != "":
		return s.Path + say(" : nouveau", ": new")
	case s.Before != "" && s.After == "":
		return s.Path + say(" : retiré", ": removed")
	}
	return s.Path + say(" : modifié", ": changed")
}
