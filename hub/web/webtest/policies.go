package webtest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/publish"
)

// Policies are the policies of a site. Sign: the policy key is not at the hub.
type Policies struct {
	*Site
	Sign bool
}

func (p Policies) inForce() publish.Policy {
	for _, x := range p.policies {
		if x.InForce {
			return x
		}
	}
	return publish.Policy{}
}

// Current is the policy in force.
func (p Policies) Current(_ context.Context, a actor.Actor) (publish.Policy, error) {
	leave, err := p.enter(a, actor.ReadPolicy, actor.Target{})
	if err != nil {
		return publish.Policy{}, err
	}
	defer leave()
	return p.inForce(), nil
}

// Version is one version.
func (p Policies) Version(_ context.Context, a actor.Actor, n int64) (publish.Policy, error) {
	leave, err := p.enter(a, actor.ReadPolicy, actor.Target{})
	if err != nil {
		return publish.Policy{}, err
	}
	defer leave()
	for _, x := range p.policies {
		if x.Number == n {
			return x, nil
		}
	}
	return publish.Policy{}, missing("policy", "")
}

// Versions lists them without their text.
func (p Policies) Versions(_ context.Context, a actor.Actor, _ publish.Page) (out []publish.Policy, next string,
	err error) {
	leave, err := p.enter(a, actor.ReadPolicy, actor.Target{})
	if err != nil {
		return nil, "", err
	}
	defer leave()
	for _, x := range p.policies {
		x.Text = ""
		out = append(out, x)
	}
	return out, "", nil
}

// Draft finds a fault in each line with a question mark, and takes the laser from Maud.
func (p Policies) Draft(_ context.Context, a actor.Actor, text string) (publish.Draft, error) {
	leave, err := p.enter(a, actor.ReadPolicy, actor.Target{})
	if err != nil {
		return publish.Draft{}, err
	}
	defer leave()
	return p.draft(text), nil
}

func (p Policies) draft(text string) (d publish.Draft) {
	for i, line := range strings.Split(text, "\n") {
		if c := strings.Index(line, "?"); c >= 0 {
			d.Faults = append(
				d.Faults,
				publish.Fault{
					Line:    i + 1,
					Column:  c + 1,
					Message: fmt.Sprintf("unknown key %q", strings.TrimSuffix(line, ":")),
					Hint:    `did you mean "grants"?`,
				},
			)
		}
	}
	if d.Faults != nil {
		return d
	}
	d.Same = text == p.inForce().Text
	if !d.Same {
		d.Warnings = []publish.Fault{{Line: 3, Column: 1, Message: "nobody holds laser-host"}}
		d.Effect = &publish.Effect{Gaining: 1, Losing: 1, Gains: []publish.Change{{Member: "m-tom", Name: "Tom Le Goff",
			Machine: "fdm", Role: "user"}},
			Loses: []publish.Change{{Member: "m-maud", Name: "Maud Pichon", Machine: "laser", Role: "user", Why: "Mo-Fr"}},
			Lines: []string{"laser, user : laser-user et 3 heures"}}
	}
	return d
}

// Publish publishes a text.
func (p Policies) Publish(_ context.Context, a actor.Actor, text, comment string, of int64,
	signature []byte) (publish.Policy, error) {
	leave, err := p.enter(a, actor.PublishPolicy, actor.Target{})
	if err != nil {
		return publish.Policy{}, err
	}
	defer leave()
	now := p.inForce()
	switch {
	case of != now.Number:
		return publish.Policy{}, &fault.Conflict{What: "policy", ID: "policy", Have: now.Number, Got: of}
	case len(p.draft(text).Faults) > 0:
		return publish.Policy{}, bad("text", "", "has faults", "a text without faults")
	case signature != nil && !strings.HasPrefix(string(signature), "signed"):
		return publish.Policy{}, bad("signature", "", "not by the policy key", "the file that portillon policy sign made")
	}
	v := publish.Policy{Number: p.policies[0].Number + 1, Text: text, Comment: comment, By: a.Name, At: p.now,
		SignedBy: "biklab-policy", InForce: true}
	if signature != nil {
		v.Number, p.policies = p.policies[0].Number, p.policies[1:]
	}
	if p.Sign && signature == nil {
		v.InForce, v.Unsigned, v.SignedBy = false, true, ""
	} else {
		for i := range p.policies {
			p.policies[i].InForce = false
		}
	}
	p.policies = append([]publish.Policy{v}, p.policies...)
	return v, nil
}

// Back publishes the version before.
func (p Policies) Back(_ context.Context, a actor.Actor, comment string) (publish.Policy, error) {
	leave, err := p.enter(a, actor.PublishPolicy, actor.Target{})
	if err != nil {
		return publish.Policy{}, err
	}
	defer leave()
	last := p.policies[0]
	for i := range p.policies {
		p.policies[i].InForce = false
	}
	v := publish.Policy{Number: last.Number + 1, Text: p.policies[1].Text, Comment: comment, By: a.Name, At: p.now,
		InForce: true, BackTo: last.Number - 1}
	p.policies = append([]publish.Policy{v}, p.policies...)
	return v, nil
}

// Bundle is the bundle in force.
func (p Policies) Bundle(_ context.Context, a actor.Actor) (publish.Bundle, error) {
	leave, err := p.enter(a, actor.ReadPolicy, actor.Target{})
	if err != nil {
		return publish.Bundle{}, err
	}
	defer leave()
	b := publish.Bundle{Version: 41, At: p.now.Add(-3 * 60e9), Policy: 2, Members: len(p.members),
		Warnings:        []string{"oscar.json: the issuer is not known"},
		SignatureWanted: &publish.Wanted{Documents: []string{"https://fablab.example/.well-known/did.json"}, Members: 2}}
	if i := slices.IndexFunc(p.policies, func(v publish.Policy) bool { return v.InForce }); i >= 0 &&
		p.policies[i].Number != b.Policy { // nothing builds here: the next bundle is always being made
		b.Making, b.Warnings, b.SignatureWanted = p.policies[i].Number, nil, nil
	}
	for _, m := range p.machines {
		t := publish.Taken{Machine: m.ID, Version: m.Standing.Bundle}
		if m.ID == "fdm" {
			t.Refused = "the disk is full"
		}
		b.Taken = append(b.Taken, t)
	}
	return b, nil
}
