package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/policy/analysis"
	policyfile "portillon/policy/file"
	"portillon/yamlfile"
)

// fileName is the file name for the parser. Responses to users contain only line numbers.
const fileName = "policy.yaml"

// Drafts checks policy texts that are not in force.
type Drafts struct {
	site     *store.Site
	now      func() time.Time
	language func(context.Context) policy.Language // language of a Draft's texts; nil: the policy's language
	// holders is Options.Holders.
	holders func(ctx context.Context, before, after *policy.Policy) (all []Holder, unknown []string, err error)
	past    *past // replays what machines decided
	// turn contains one entry while a policy is analysed. Only one analysis runs at a time, because an analysis may use
	// a processor for seconds.
	turn chan struct{}
}

// Check returns the faults of a text, and the differences between the text and the policy in force. For an actor who
// may not read the list of members, Effect.Gains and Effect.Loses are empty.
func (s *Drafts) Check(ctx context.Context, a actor.Actor, text string) (Draft, error) {
	if err := a.May(actor.ReadPolicy, actor.Target{}); err != nil {
		return Draft{}, err
	}
	release, err := s.waitForTurn(ctx)
	if err != nil {
		return Draft{}, err
	}
	defer release()
	c := s.check(ctx, text)
	out := Draft{Faults: c.faults, Warnings: c.warnings}
	current, err := inForce(ctx, s.site)
	if err != nil {
		return Draft{}, err
	}
	out.Same = current.Number > 0 && current.Text == text
	if c.policy == nil || out.Same {
		return out, nil
	}
	before, unread := s.policyOf(current)
	effect, same, err := s.compare(ctx, a, before, c.policy)
	if err != nil {
		return Draft{}, err
	}
	if unread != nil { // report that this program cannot read the policy in force
		effect.Faults, same = append(effect.Faults, unread.Error()), false
	}
	out.Effect, out.Same = &effect, same && current.Number > 0
	out.Replay, err = s.replay(ctx, a, c.policy)
	switch {
	case ctx.Err() != nil:
		return Draft{}, ctx.Err()
	case err != nil: // the rest of the check does not need the records
		effect.Faults = append(effect.Faults, err.Error())
	}
	return out, nil
}

// waitForTurn waits until no other policy is being analysed. The caller must call release at the end of its analysis.
func (s *Drafts) waitForTurn(ctx context.Context) (release func(), err error) {
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// parseForPublication returns the policy of a text without faults, or *fault.Invalid with all faults.
func (s *Drafts) parseForPublication(ctx context.Context, text string) (*policy.Policy, error) {
	release, err := s.waitForTurn(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	c := s.check(ctx, text)
	if len(c.faults) == 0 {
		return c.policy, nil
	}
	out := &fault.Invalid{}
	for _, f := range c.faults {
		out.Faults = append(out.Faults, fault.Field{Row: f.Line, Field: "text", Wrong: f.Message, Right: f.Hint})
	}
	return nil, out
}

// policyOf returns the policy of a published version. If v is the zero version, or if its text cannot be read, policyOf
// returns a policy that gives no rights.
func (s *Drafts) policyOf(v version) (*policy.Policy, error) {
	nobody := &policy.Policy{Model: policy.Model{Site: s.site.ID(), Zone: time.UTC}}
	if v.Number == 0 {
		return nobody, nil
	}
	p, err := policyfile.Parse(fileName, []byte(v.Text))
	if err != nil {
		return nobody, fmt.Errorf("publish: policy in force (number %d) cannot be read: %w", v.Number, err)
	}
	return p, nil
}

// languageOf returns the language for the person who sent the request.
func (s *Drafts) languageOf(ctx context.Context, p *policy.Policy) policy.Language {
	if s.language != nil {
		return s.language(ctx)
	}
	return p.Language
}

// checkResult is the result of checking a text, without a comparison with the policy in force.
type checkResult struct {
	policy   *policy.Policy // nil: the text cannot be parsed
	faults   []Fault
	warnings []Fault
}

// check parses a text, runs its tests, and checks its invariants and the rules that every policy must satisfy.
func (s *Drafts) check(ctx context.Context, text string) (c checkResult) {
	p, err := policyfile.Parse(fileName, []byte(text))
	if err != nil {
		c.faults = faultsOf(err)
		return c
	}
	c.policy = p
	l := s.languageOf(ctx, p)
	wrong, odd := newFaultList(text), newFaultList(text)
	if p.Site != s.site.ID() {
		wrong.add(fmt.Sprintf("site: %s", s.site.ID()), fmt.Sprintf(policy.Text{FR: "cette politique est celle du site %q",
			EN: "this policy is of the site %q"}.In(l), p.Site), "site")
	}
	now := s.now()
	for i, r := range policyfile.RunTests(p) {
		if r.Problem != (policy.Text{}) {
			wrong.add("", quoteName(r.Test.Name, l)+r.Problem.In(l), "tests", i)
		}
	}
	for _, b := range analysis.Breaches(p, now) {
		i := slices.IndexFunc(p.Never, func(v policy.Invariant) bool { return v.Name == b.Invariant.Name })
		wrong.add(
			policy.Text{
				FR: "changer la règle qui le permet, ou cet interdit",
				EN: "change the grant that allows it, or this rule",
			}.In(
				l,
			),
			explainBreach(b, l),
			"never",
			i,
		)
	}
	warnings, err := analysis.Warnings(p, now)
	for _, w := range warnings {
		odd.add("", w.Text.In(l), pathOf(w)...)
	}
	if err == nil {
		err = analysis.Prove(p, now)
	}
	var flaw *analysis.Flaw
	switch {
	case errors.As(err, &flaw) && flaw.Broken:
		wrong.add("", flaw.Text.In(l), "machines", string(flaw.Machine))
	case errors.As(err, &flaw):
		odd.add("", flaw.Text.In(l), "machines", string(flaw.Machine))
	case err != nil:
		wrong.add("", err.Error())
	}
	c.faults, c.warnings = wrong.faults(), odd.faults()
	return c
}

// faultsOf converts an error of policyfile.Parse to a list of faults.
func faultsOf(err error) (out []Fault) {
	var all yamlfile.Faults
	if !errors.As(err, &all) {
		return []Fault{{Message: err.Error()}}
	}
	for _, f := range all {
		m := f.Problem
		if f.Field != "" {
			m = f.Field + ": " + m
		}
		out = append(out, Fault{Line: f.Line, Column: f.Column, Message: m, Hint: f.Hint})
	}
	return out
}

// faultList collects faults that are found after a text was parsed, with their places in the text.
type faultList struct{ d *yamlfile.Doc }

// newFaultList parses a text again to find the places of the keys in the text.
func newFaultList(text string) faultList { return faultList{yamlfile.Parse(fileName, []byte(text))} }

// add adds a fault at a path of keys and indices. Indices begin with 0. If a part of the path does not exist, the fault
// is placed at the nearest existing parent.
func (n faultList) add(hint, problem string, path ...any) {
	x := n.d.Root()
	for _, p := range path {
		next := x
		switch p := p.(type) {
		case string:
			next = x.Get(p)
		case int:
			if list := x.List(); p >= 0 && p < len(list) {
				next = list[p]
			}
		}
		if !next.Present() {
			break
		}
		x = next
	}
	x.Fault(hint, "%s", problem)
}

// faults returns all added faults, in the order of their places in the text.
func (n faultList) faults() []Fault {
	err := n.d.Err()
	if err == nil {
		return nil
	}
	return faultsOf(err)
}

// pathOf returns the path, in the policy file, of the rule that a warning is about.
func pathOf(w analysis.Warning) []any {
	switch {
	case w.Badge != "":
		return []any{"badges", string(w.Badge), "accepts", w.Entry}
	case w.Grant < 0:
		return []any{"machines", string(w.Machine)}
	}
	return []any{"machines", string(w.Machine), "grants", w.Grant}
}

// quoteName returns the quoted name of a rule and a colon, for the beginning of a sentence about the rule.
func quoteName(name string, l policy.Language) string {
	return policy.Text{FR: "« " + name + " » : ", EN: "“" + name + "”: "}.In(l)
}

// explainBreach returns a sentence that explains how a rule of never: can be broken.
func explainBreach(b analysis.Breach, l policy.Language) string {
	say := func(fr, en string) string { return policy.Text{FR: fr, EN: en}.In(l) }
	holds := say("sans badge", "with no badge")
	var all []string
	for _, h := range b.Holds {
		all = append(all, string(h))
	}
	for _, o := range b.Accepted {
		all = append(all, fmt.Sprintf("%s (%s)", o.Achievement, o.Issuer))
	}
	if len(all) > 0 {
		holds = say("avec ", "with ") + strings.Join(all, ", ")
	}
	role := b.Role.String()
	if b.Supervised {
		role += say(" avec un mentor", " with a mentor")
	}
	if b.Clock == policy.Untrusted {
		role += say(", tant que l’horloge n’est pas réglée", ", while the clock is not trusted")
	}
	grant := fmt.Sprintf("machines.%s.grants[%d]", b.Machine, b.Grant)
	if b.Grant < 0 {
		grant = fmt.Sprintf("machines.%s: mode: warn", b.Machine)
	}
	return quoteName(
		b.Invariant.Name,
		l,
	) + fmt.Sprintf(
		say("sur %s, %s : %s, %s (%s)", "at %s, %s: %s, %s (%s)"),
		b.Machine,
		holds,
		role,
		b.When,
		grant,
	)
}
