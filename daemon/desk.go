package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
)

// The desk is what people do at the panel. Whoever tapped last may, for a minute; a form that they opened is theirs for
// ten, whoever taps meanwhile. What needs a touch, and the opening of a form, is for the screen at the machine
// (panel.Touch.Here, panel.FormRequest.Here): a page elsewhere on the network shows. What is sent from there, with a
// form's // code, is unsigned (unsigned.go).

// identify is how long a card that was asked for only says who is there.
const identify = 15 * time.Second

// PanelActions is what people do at the panel. It implements panel.Actions.
type PanelActions struct {
	cfg      *Config
	model    *model
	engine   *engine
	periodic *periodic
	loop     loop
}

var _ panel.Actions = (*PanelActions)(nil)

// Do implements panel.Actions.
func (c *PanelActions) Do(ctx context.Context, o panel.Touch) error {
	return c.at(ctx, func(ctx context.Context) error { return c.touch(ctx, o) })
}

// Form implements panel.Actions.
func (c *PanelActions) Form(ctx context.Context, a panel.FormRequest) (f panel.Form, err error) {
	err = c.at(ctx, func(context.Context) error {
		if a.Token != "" {
			x, ok := c.model.forms.find(a.Token)
			if !ok {
				return panel.FormOver
			}
			f = x.Form
			return nil
		}
		f, err = c.open(a)
		return err
	})
	return f, err
}

// Write implements panel.Actions.
func (c *PanelActions) Write(ctx context.Context, token string, e panel.Entry) (waits policy.Text, err error) {
	err = c.at(ctx, func(ctx context.Context) error {
		waits, err = c.fillIn(ctx, token, e)
		return err
	})
	return waits, err
}

// at runs do in the machine's loop.
func (c *PanelActions) at(ctx context.Context, do func(context.Context) error) error {
	var err error
	rep := c.loop.within(ctx, func(ctx context.Context) control.Reply {
		err = c.plainly(do(ctx))
		return control.Reply{OK: true}
	})
	if !rep.OK {
		return errors.New(rep.Error)
	}
	return err
}

// plainly is a refusal in the words of this machine; any other error is as it was.
func (m *PanelActions) plainly(err error) error {
	no := panel.Refusal{}
	if mach, known := m.model.rules.machine(); known && errors.As(err, &no) {
		return panel.Refusal(mach.Plain(policy.Text(no)))
	}
	return err
}

// currentMember is who stands at the machine; empty: nobody.
func (m *model) currentMember() policy.MemberID { return m.presence.member(m.cfg.Now()) }

// arrived notes who stands there now. Whose card is blocked, or proved less than this machine asks for, is nobody; and
// whoever stood there before does not any more.
func (m *model) arrived(id policy.MemberID, card policy.CardStrength, d policy.Decision) {
	mach, ok := m.rules.machine()
	if !ok || card < mach.Card || slices.Contains(d.Codes(), policy.CardBlocked) {
		m.presence.leave()
		return
	}
	m.presence.arrive(id, m.cfg.Now(), m.rules.roster.Policy.Zone)
}

// machine is this machine in the policy.
func (m *rules) machine() (*policy.Machine, bool) {
	if m.roster == nil {
		return nil, false
	}
	return m.roster.Policy.Machine(m.cfg.Machine)
}

// touch carries out a touch.
func (m *PanelActions) touch(ctx context.Context, o panel.Touch) error {
	model := m.model
	who := model.currentMember()
	n := m.cfg.Journal.Len()
	switch {
	case !o.Here:
		return panel.OnlyHere
	case o.At != 0 && o.At != model.presence.generation:
		return panel.AnotherCardTapped
	case o.Do == panel.Extend: // a card would end the session: whoever stands there may
		m.extend(ctx)
		return ok(m.cfg.Journal.Len() > n)
	case o.Do == panel.PowerOff: // it only makes things safer
		m.engine.apply(ctx, session.PowerOff{By: model.state.Current.Member})
		return m.engine.writtenSince(n)
	case who == "":
		return panel.CardFirst
	}
	return m.touchBy(ctx, who, o)
}

// touchBy carries out a touch of the member who stands at the machine.
func (m *PanelActions) touchBy(ctx context.Context, who policy.MemberID, o panel.Touch) error {
	switch o.Do {
	case panel.TakeRole:
		var role policy.Role
		if err := role.UnmarshalText([]byte(o.Arg)); err != nil || role == policy.NoRole {
			return panel.ChooseFromList
		}
		return ok(who == m.model.state.Current.Member && m.engine.chooseRole(ctx, role))
	case panel.Untag:
		return m.untag(ctx, who, o.Arg)
	case panel.Confirm:
		return m.confirm(ctx, o.Arg, who)
	case panel.Deny:
		return m.deny(o.Arg, who)
	case panel.Attest:
		return m.attest(ctx, o.Arg, who)
	case panel.Decline:
		return m.decline(o.Arg, who)
	case panel.Vouch:
		return m.vouch(ctx, who, o.Items)
	}
	return panel.ChooseFromList
}

// untag takes a tag off. A tag for maintenance that is due comes off by doing that maintenance.
func (m *PanelActions) untag(ctx context.Context, who policy.MemberID, id string) error {
	if OriginOf(id) == TagFromMaintenance {
		return panel.ChooseFromList
	}
	n := m.cfg.Journal.Len()
	m.engine.apply(ctx, session.RemoveTag{ID: id, By: who})
	err := m.engine.writtenSince(n)
	if err == nil && len(m.model.state.Holds.Tags) == 0 {
		m.cfg.Panel.Flash(panel.Returned(m.model.rules.name(who)), flash/2)
	}
	return err
}

// vouch writes down what a learner did well, of what the policy names.
func (m *PanelActions) vouch(ctx context.Context, who policy.MemberID, skills []string) error {
	mach, known := m.model.rules.machine()
	isUnknown := func(s string) bool { return !has(mach.Vouch, s) }
	if !known || len(skills) == 0 || slices.ContainsFunc(skills, isUnknown) {
		return panel.ChooseFromList
	}
	n := m.cfg.Journal.Len()
	slices.Sort(skills)
	m.engine.apply(ctx, session.Vouch{By: who, Skills: slices.Compact(skills)})
	return m.engine.writtenSince(n)
}

func ok(done bool) error {
	if !done {
		return panel.NotNow
	}
	return nil
}

// writtenSince says whether a record was written since there were n.
func (m *engine) writtenSince(n uint64) error {
	switch {
	case m.cfg.Journal.Len() > n && !m.model.state.Ledger.Broken:
		return nil
	case m.model.state.Ledger.Broken:
		return panel.NotSaved
	}
	return panel.NotNow
}

func has(items []policy.Item, id string) bool {
	return slices.ContainsFunc(items, func(x policy.Item) bool { return x.ID == id })
}

// extend asks the policy anew, with what the session under way has used already.
func (m *PanelActions) extend(ctx context.Context) {
	p, known := m.model.rules.person(m.model.state.Current.Member)
	if !known {
		return
	}
	member := *m.model.practice.with(p.Member)
	used := policy.Practice{Machine: m.cfg.Machine}
	if len(member.Practice) > 0 && member.Practice[0].Machine == m.cfg.Machine {
		used = member.Practice[0]
		member.Practice = slices.Clone(member.Practice[1:])
	}
	now := m.cfg.Now().In(m.model.rules.roster.Policy.Zone)
	member.Practice = append([]policy.Practice{used.Used(now, now.Sub(m.model.state.Current.Since))}, member.Practice...)
	var supervisor *policy.Member
	if s, known := m.model.rules.person(m.model.state.Current.Supervisor); known {
		supervisor = m.model.practice.with(s.Member)
	}
	q := m.engine.decider.question(&member, supervisor, m.model.state.Current.Role)
	m.engine.apply(ctx, session.Extend{Decision: m.model.rules.roster.Policy.Decide(q)})
}

// minutesOf are how long a maintenance took so far; at least one.
func minutesOf(w session.Work, now time.Time) int {
	if w.Ended.IsZero() {
		w.Ended = now
	}
	return max(1, int(w.Ended.Sub(w.Since).Round(time.Minute)/time.Minute))
}

func (m *model) work(who policy.MemberID) session.Work { return m.state.WorkOf(who, m.cfg.Now()) }

// maintains reports whether somebody is at work here as a maintainer, or was a moment ago.
func (m *model) maintains(who policy.MemberID) bool {
	w := m.work(who)
	return w.Session != "" && w.Endorser == who
}

// roleOf is in which role a member speaks of the machine: the one of their session, else none that matters.
func (m *model) roleOf(who policy.MemberID) policy.Role {
	switch {
	case who == m.state.Current.Member && m.state.Current.Role != policy.NoRole:
		return m.state.Current.Role
	case who == m.state.Current.Supervisor:
		return policy.Mentor
	case m.maintains(who):
		return policy.Maintainer
	}
	return policy.Learner
}

// offers are the buttons of this moment, and what whoever stands there is asked.
func (m *views) offers() ([]panel.Offer, *panel.Visitor) {
	var out []panel.Offer
	s, who := &m.model.state, m.model.currentMember()
	// What anybody may touch.
	if s.Phase == session.EndingSoon && s.Current.Limits.Extend > 0 {
		out = append(out, panel.OfferExtend(s.Current.Limits.Extend))
	}
	if s.Phase == session.Maintenance && !s.Power.PoweredOff {
		out = append(out, panel.OfferPowerOff())
	}
	if who == "" {
		return out, nil
	}
	v := &panel.Visitor{
		Name: m.model.rules.name(who), At: m.model.presence.generation,
		Until: m.model.wall(m.model.presence.since.Add(session.ChooseFor)),
	}
	// A question about what waits for this member comes before all else.
	if u, waits := m.model.forms.oldestOf(who); waits {
		v.Question, v.Line = "confirm", panel.ConfirmQuestion(v.Name)
		return append(out, u.confirmOffers()...), v
	}
	if a, waits := m.model.attests.oldestOf(who); waits {
		v.Question, v.Line = "attest", panel.EndorseQuestion(v.Name, m.model.rules.name(a.by))
		return append(out, m.attestOffers(a)...), v
	}
	if who == s.Current.Member {
		for _, r := range s.Current.Others {
			out = append(out, panel.OfferRole(r))
		}
	}
	v.Report = m.model.presence.reporter == m.model.presence.generation
	mach, known := m.model.rules.machine()
	if !known {
		return out, v
	}
	if s.VouchRequest.Open && s.VouchRequest.Mentor == who && len(mach.Vouch) > 0 {
		v.Question, v.Line = "vouch", panel.VouchQuestion(v.Name, m.model.rules.name(s.VouchRequest.Learner))
		for _, x := range mach.Vouch {
			v.Items = append(v.Items, panel.Choice{ID: x.ID, Label: x.Name})
		}
		return out, v
	}
	return append(out, m.workOffers(who, mach, v)...), v
}

// workOffers are the buttons of whoever works at a maintenance, or has just ended one. Once it is over, v asks what was
// done.
func (m *views) workOffers(who policy.MemberID, mach *policy.Machine, v *panel.Visitor) []panel.Offer {
	w := m.model.work(who)
	if w.Session == "" {
		return nil
	}
	var out []panel.Offer
	if m.model.state.Phase == session.Maintenance {
		out = append(out, panel.OfferLog())
	} else {
		v.Question, v.Line = "log", panel.InterventionQuestion(m.model.rules.name(w.By))
		v.Items = m.model.rules.interventionKinds(mach)
	}
	if w.Endorser != who {
		return out
	}
	tags := m.model.state.Holds.Tags
	for _, t := range tags {
		if OriginOf(t.ID) != TagFromMaintenance {
			out = append(out, panel.OfferUntag(t.ID, m.reason(t)))
		}
	}
	if len(tags) == 0 {
		out = append(out, panel.OfferTag())
	}
	return out
}

// reason is why a tag hangs, in both languages where the machine put it on itself.
func (m *views) reason(t session.Tag) policy.Text {
	if kind, due := strings.CutPrefix(t.ID, duePrefix); due && t.By == "" {
		if mach, known := m.model.rules.machine(); known {
			return panel.MaintenanceTagReason(mach.KindName(kind))
		}
	}
	if t.ID == contactorTag && t.By == "" {
		return disagree
	}
	return policy.Text{FR: t.Reason, EN: t.Reason}
}

// disagree is the reason of a contactor that lied.
var disagree = policy.Text{FR: "la commande et le contacteur ne concordent pas", EN: "command and contactor disagree"}
