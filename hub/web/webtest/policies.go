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

// Policies implements web.Policies. If Sign is set, the policy key is on another computer.
type Policies struct {
	Site *Site
	Sign bool
}

// Drafts implements web.Drafts.
type Drafts struct{ Site *Site }

// Bundles implements web.Bundles.
type Bundles struct{ Site *Site }

// inForce returns the current policy; the zero Policy: there is no policy.
func (s *Site) inForce() publish.Policy {
	for _, x := range s.policies {
		if x.InForce {
			return x
		}
	}
	return publish.Policy{}
}

// Current returns the current policy.
func (p Policies) Current(_ context.Context, a actor.Actor) (publish.Policy, error) {
	leave, err := p.Site.enter(a, actor.ReadPolicy, actor.Target{})
	if err != nil {
		return publish.Policy{}, err
	}
	defer leave()
	return p.Site.inForce(), nil
}

// Version returns one version with its text.
func (p Policies) Version(_ context.Context, a actor.Actor, n int64) (publish.Policy, error) {
	leave, err := p.Site.enter(a, actor.ReadPolicy, actor.Target{})
	if err != nil {
		return publish.Policy{}, err
	}
	defer leave()
	for _, x := range p.Site.policies {
		if x.Number == n {
			return x, nil
		}
	}
	return publish.Policy{}, missing("policy", "")
}

// Versions returns all versions without their texts.
func (p Policies) Versions(_ context.Context, a actor.Actor, _ publish.Page) (out []publish.Policy, next string,
	err error) {
	leave, err := p.Site.enter(a, actor.ReadPolicy, actor.Target{})
	if err != nil {
		return nil, "", err
	}
	defer leave()
	for _, x := range p.Site.policies {
		x.Text = ""
		out = append(out, x)
	}
	return out, "", nil
}

// Check reports a fault in each line with a question mark. For a text without faults, it returns the effect that Maud
// loses the permission for the laser.
func (p Drafts) Check(_ context.Context, a actor.Actor, text string) (publish.Draft, error) {
	leave, err := p.Site.enter(a, actor.ReadPolicy, actor.Target{})
	if err != nil {
		return publish.Draft{}, err
	}
	defer leave()
	return p.Site.draft(text), nil
}

// draft returns the result of Drafts.Check.
func (s *Site) draft(text string) (d publish.Draft) {
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
	d.Same = text == s.inForce().Text
	if !d.Same {
		d.Warnings = []publish.Fault{{Line: 3, Column: 1, Message: "nobody holds laser-host"}}
		d.Effect = &publish.Effect{Gaining: 1, Losing: 1, Gains: []publish.Change{{Member: "m-tom", Name: "Tom Le Goff",
			Machine: "fdm", Role: "user"}},
			Loses: []publish.Change{{Member: "m-maud", Name: "Maud Pichon", Machine: "laser", Role: "user", Why: "Mo-Fr"}},
			Lines: []string{"laser, user : laser-user et 3 heures"}}
		d.Replay = replayOf()
	}
	return d
}

// Publish publishes a text as the newest version. If Sign is set, the version waits for a signature.
func (p Policies) Publish(_ context.Context, a actor.Actor, text, comment string, of int64,
	signature []byte) (publish.Policy, error) {
	leave, err := p.Site.enter(a, actor.PublishPolicy, actor.Target{})
	if err != nil {
		return publish.Policy{}, err
	}
	defer leave()
	now := p.Site.inForce()
	switch {
	case of != now.Number:
		return publish.Policy{}, &fault.Conflict{What: "policy", ID: "policy", Have: now.Number, Got: of}
	case len(p.Site.draft(text).Faults) > 0:
		return publish.Policy{}, bad("text", "", "has faults", "a text without faults")
	case signature != nil && !strings.HasPrefix(string(signature), "signed"):
		return publish.Policy{}, bad("signature", "", "not by the policy key", "the file that portillon policy sign made")
	}
	// Add the version, or complete the waiting version with its signature.
	v := publish.Policy{Number: p.Site.policies[0].Number + 1, Text: text, Comment: comment, By: a.Name, At: p.Site.now,
		SignedBy: "biklab-policy", InForce: true}
	if signature != nil {
		v.Number, p.Site.policies = p.Site.policies[0].Number, p.Site.policies[1:]
	}
	if p.Sign && signature == nil {
		v.InForce, v.Unsigned, v.SignedBy = false, true, ""
	} else {
		for i := range p.Site.policies {
			p.Site.policies[i].InForce = false
		}
	}
	p.Site.policies = append([]publish.Policy{v}, p.Site.policies...)
	return v, nil
}

// Back publishes the text of the previous version again.
func (p Policies) Back(_ context.Context, a actor.Actor, comment string) (publish.Policy, error) {
	leave, err := p.Site.enter(a, actor.PublishPolicy, actor.Target{})
	if err != nil {
		return publish.Policy{}, err
	}
	defer leave()
	last := p.Site.policies[0]
	for i := range p.Site.policies {
		p.Site.policies[i].InForce = false
	}
	v := publish.Policy{
		Number:  last.Number + 1,
		Text:    p.Site.policies[1].Text,
		Comment: comment,
		By:      a.Name,
		At:      p.Site.now,
		InForce: true,
		BackTo:  last.Number - 1,
	}
	p.Site.policies = append([]publish.Policy{v}, p.Site.policies...)
	return v, nil
}

// Current returns the current bundle.
func (p Bundles) Current(_ context.Context, a actor.Actor) (publish.Bundle, error) {
	leave, err := p.Site.enter(a, actor.ReadPolicy, actor.Target{})
	if err != nil {
		return publish.Bundle{}, err
	}
	defer leave()
	b := publish.Bundle{Version: 41, At: p.Site.now.Add(-3 * 60e9), Policy: 2, Members: len(p.Site.directory.members),
		Warnings:        []string{"oscar.json: the issuer is not known"},
		SignatureWanted: &publish.Wanted{Documents: []string{"https://fablab.example/.well-known/did.json"}, Members: 2}}
	if i := slices.IndexFunc(p.Site.policies, func(v publish.Policy) bool { return v.InForce }); i >= 0 &&
		p.Site.policies[i].Number != b.Policy { // this fake builds no bundles, so the next bundle is always pending
		b.Making, b.Warnings, b.SignatureWanted = p.Site.policies[i].Number, nil, nil
	}
	for _, m := range p.Site.machines {
		t := publish.Taken{Machine: m.ID, Version: m.Standing.Bundle}
		if m.ID == "fdm" {
			t.Refused = "the disk is full"
		}
		b.Taken = append(b.Taken, t)
	}
	return b, nil
}
