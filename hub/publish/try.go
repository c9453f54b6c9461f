package publish

import (
	"context"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
	policyfile "portillon/policy/file"
)

// Trial is a question to a policy: may this member use this machine at this time?
type Trial struct {
	Member  policy.MemberID
	Machine policy.MachineID
	At      time.Time // zero: now
	Text    string    // text of a draft; empty: the policy in force
}

// Answer is the answer of a policy to a Trial, with the reasons of each grant, in the language of the request.
type Answer struct {
	Name     string // name of the member
	At       time.Time
	Verdict  policy.Verdict
	Would    policy.Verdict // answer of enforcement; differs from Verdict only at a machine with mode: warn
	Role     policy.Role
	Sentence string   // what the machine's panel says to the member
	Accepted []string // sentences about accepted badges of other issuers
	Grants   []AnswerGrant
	Unknown  []string // sentences about facts that the hub does not know
}

// AnswerGrant is the result of one grant.
type AnswerGrant struct {
	Role    policy.Role
	Verdict policy.Verdict
	Chosen  bool     // true: the answer rests on this grant
	Reasons []string // one sentence for each thing that is missing
}

// Try answers a trial in the same way as the machine, with the member's badges, membership and practice as Check uses
// them. Try takes the card as active and secure, the clock as set, and the quotas as unused. The actor must be allowed
// to read policies, and to read the data of the member. Try stores nothing.
func (s *Drafts) Try(ctx context.Context, a actor.Actor, t Trial) (Answer, error) {
	if err := a.May(actor.ReadPolicy, actor.Target{}); err != nil {
		return Answer{}, err
	}
	about := actor.Target{Member: t.Member}
	if err := a.May(actor.ReadMembers, about); err != nil && (t.Member == "" || a.May(actor.ReadOwn, about) != nil) {
		return Answer{}, err
	}
	release, err := s.waitForTurn(ctx)
	if err != nil {
		return Answer{}, err
	}
	defer release()
	current, err := inForce(ctx, s.site)
	if err != nil {
		return Answer{}, err
	}
	p, before, err := s.tried(current, t.Text)
	if err != nil {
		return Answer{}, err
	}
	if t.At.IsZero() {
		t.At = s.now()
	}
	if t.At = t.At.In(p.Zone); t.At.Year() < 2000 || t.At.Year() > 2100 {
		return Answer{}, refuseTrial("at", "this time is too far away", "a year from 2000 to 2100")
	}
	if _, ok := p.Machine(t.Machine); !ok {
		return Answer{}, refuseTrial("machine", "the policy names no such machine", "a machine of the policy")
	}
	out := Answer{At: t.At}
	who, err := s.memberOf(ctx, before, p, t, &out)
	if err != nil {
		return Answer{}, err
	}
	q := policy.Question{At: t.At, Clock: policy.Trusted, Machine: t.Machine, Member: who, Card: policy.AES, Issued: t.At,
		LastTrusted: t.At}
	out.explain(p, q, s.languageOf(ctx, p))
	return out, nil
}

// tried returns the policy of a draft's text, or the policy in force if the text is empty, and the policy in force.
func (s *Drafts) tried(current version, text string) (p, before *policy.Policy, err error) {
	before, err = s.policyOf(current)
	if text == "" {
		return before, before, err
	}
	if p, err = policyfile.Parse(fileName, []byte(text)); err != nil {
		return nil, nil, invalidText(err)
	}
	return p, before, nil
}

// invalidText returns the error for a text with faults.
func invalidText(err error) error {
	out := &fault.Invalid{}
	for _, f := range faultsOf(err) {
		out.Faults = append(out.Faults, fault.Field{Row: f.Line, Field: "text", Wrong: f.Message, Right: f.Hint})
	}
	return out
}

// refuseTrial returns the error for a value that no trial can have.
func refuseTrial(field, wrong, right string) error {
	return &fault.Invalid{Faults: []fault.Field{{Field: field, Wrong: wrong, Right: right}}}
}

// memberOf returns the member of a trial with the badges that are valid under policy p. memberOf adds the member's name
// and what the hub does not know about the machine to the answer.
func (s *Drafts) memberOf(ctx context.Context, before, p *policy.Policy, t Trial, to *Answer) (*policy.Member, error) {
	if s.holders == nil {
		return nil, &fault.NotFound{What: "member", ID: string(t.Member)}
	}
	all, unknown, err := s.holders(ctx, before, p)
	if err != nil {
		return nil, err
	}
	for _, x := range unknown { // the sentences begin with the machine
		if strings.HasPrefix(x, string(t.Machine)+": ") {
			to.Unknown = append(to.Unknown, x)
		}
	}
	for _, h := range all {
		if h.After != nil && h.After.ID == t.Member {
			to.Name = h.Name
			return h.After, nil
		}
	}
	return nil, refuseTrial("member", "no such member", "a member of the site")
}

// explain fills in the policy's decision.
func (to *Answer) explain(p *policy.Policy, q policy.Question, l policy.Language) {
	d := p.Decide(q)
	to.Verdict, to.Would, to.Role = d.Verdict, d.Would, d.Role
	to.Sentence = policy.Explain(p, q, d).In(l)
	for _, x := range d.Accepted {
		to.Accepted = append(to.Accepted, x.In(p, l))
	}
	for i, o := range d.Outcomes {
		g := AnswerGrant{Role: o.Role, Verdict: o.Verdict, Chosen: i == d.Grant}
		for _, r := range o.Missing() {
			if text := explainReason(p, q, d, i, r).In(l); !slices.Contains(g.Reasons, text) {
				g.Reasons = append(g.Reasons, text)
			}
		}
		to.Grants = append(to.Grants, g)
	}
}

// explainReason returns the sentence about one reason of one grant: the sentence that the member would read if nothing
// else were missing.
func explainReason(p *policy.Policy, q policy.Question, d policy.Decision, grant int, r policy.Reason) policy.Text {
	o := d.Outcomes[grant]
	d.Outcomes = slices.Clone(d.Outcomes)
	d.Outcomes[grant], d.Grant, d.Verdict = policy.NewOutcome(o.Role, o.Verdict, r), grant, policy.Deny
	if r.Code == policy.NeedsSupervisor {
		d.Verdict = policy.Await
	}
	return policy.Explain(p, q, d).Fact
}
