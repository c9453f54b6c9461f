package webtest

import (
	"context"
	"fmt"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/publish"
	"portillon/policy"
)

// Try answers that Léa may use each machine, and that all others need a mentor.
func (p Drafts) Try(_ context.Context, a actor.Actor, t publish.Trial) (publish.Answer, error) {
	leave, err := p.Site.enter(a, actor.ReadPolicy, actor.Target{})
	if err != nil {
		return publish.Answer{}, err
	}
	defer leave()
	if MachineName(t.Machine) == (policy.Text{}) {
		return publish.Answer{}, bad("machine", "", "the policy names no such machine", "a machine of the policy")
	}
	if t.At.IsZero() {
		t.At = p.Site.now
	}
	const alone = "Utilisation possible avec un mentor"
	out := publish.Answer{Name: string(t.Member), At: t.At, Verdict: policy.Await, Would: policy.Await,
		Role:     policy.Learner,
		Sentence: alone + ". Mentor : présentez votre carte",
		Grants: []publish.AnswerGrant{
			{Role: policy.Maintainer, Verdict: policy.Deny, Reasons: []string{
				"Il manque le badge « Découpe laser - Mainteneur »", "La machine ouvre demain à 9 h"}},
			{Role: policy.Learner, Verdict: policy.Await, Chosen: true, Reasons: []string{alone}}},
		Unknown: []string{string(t.Machine) + ": no record of this machine is here: who used it is not known, " +
			"and grants with used-within: or hours: are taken as not met"}}
	for _, m := range p.Site.directory.members {
		if m.ID == t.Member {
			out.Name = m.Name
		}
	}
	if t.Member == "m-lea" {
		out.Verdict, out.Would, out.Role, out.Sentence = policy.Allow, policy.Allow, policy.User, "Machine en marche"
		out.Grants = append(out.Grants, publish.AnswerGrant{Role: policy.User, Verdict: policy.Allow, Chosen: true})
		out.Grants[1].Chosen = false
	}
	return out, nil
}

// Outline returns the same machines for every text. A text with a question mark has a fault.
func (p Drafts) Outline(_ context.Context, a actor.Actor, text string) (publish.Outline, error) {
	leave, err := p.Site.enter(a, actor.ReadPolicy, actor.Target{})
	if err != nil {
		return publish.Outline{}, err
	}
	defer leave()
	now := p.Site.inForce()
	out := publish.Outline{Number: now.Number, Text: text, Draft: text != "" && text != now.Text, Holidays: true,
		Issuers: []policy.Issuer{{ID: "biklab", Name: "BIK'LAB"}}}
	if len(p.Site.draft(text).Faults) > 0 {
		return publish.Outline{}, bad("text", "", "has faults", "a text without faults")
	}
	if text == "" {
		out.Text = now.Text
	}
	for _, b := range badges() {
		out.Badges = append(out.Badges, policy.Badge{ID: b.id, Name: policy.Text{FR: b.fr}})
	}
	for _, id := range []policy.MachineID{"laser", "vinyl"} {
		m := publish.OutlineMachine{ID: id, Name: MachineName(id)}
		for _, hours := range []string{"Mo-Fr 09:00-12:00,14:00-21:00; Sa 10:00-18:00; PH off", "", "Dec 24-Jan 02 off"} {
			g := publish.OutlineGrant{Weekly: hours == ""}
			g.Role, g.Rules = policy.User, publish.Rules{"badge": string(id) + "-user", "max": "2h"}
			if hours != "" {
				g.Rules["hours"] = hours
				h, err := policy.ParseHours("Mo-Su 09:00-21:00; "+hours, policy.NewHolidays(policy.Date{Month: 12, Day: 25}))
				if err != nil {
					return publish.Outline{}, err
				}
				g.Week, g.Weekly = h.Week()
			}
			m.Grants = append(m.Grants, g)
		}
		m.Grants[1].Role, m.Grants[1].Rules["supervisor"] = policy.Learner, string(id)+"-mentor"
		m.Grants[2].Role, m.Grants[2].Rules["badge"], m.Grants[2].Several = policy.Maintainer, "", []publish.Rule{"badge",
			"within", "usedwithin", "practice"}
		out.Machines = append(out.Machines, m)
	}
	return out, nil
}

// Edit appends a comment with the change. Rules with a question mark are refused.
func (p Drafts) Edit(_ context.Context, a actor.Actor, text string, c publish.TextChange) (string, error) {
	leave, err := p.Site.enter(a, actor.PublishPolicy, actor.Target{})
	if err != nil {
		return "", err
	}
	defer leave()
	if text == "" {
		text = p.Site.inForce().Text
	}
	if set, ok := c.(publish.SetRules); ok {
		for rule, value := range set.Rules {
			if strings.Contains(value, "?") {
				return "", bad(string(rule), value, "is not known here", "2h")
			}
		}
	}
	return text + fmt.Sprintf("# %T %v\n", c, c), nil
}
