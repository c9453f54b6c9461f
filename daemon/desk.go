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
// (panel.Order.Here, panel.Ask.Here): a page elsewhere on the network shows. What is sent from there, with a form's
// code, is unsigned (unsigned.go).

const (
	formLife   = 10 * time.Minute
	formsMost  = 32               // open at once; more are refused
	formsEach  = 4                // of one member; their own oldest goes first
	reportsMax = 5                // that one member may write within reportsIn
	reportsIn  = 10 * time.Minute // and no card buries a machine in reports
	identify   = 15 * time.Second // how long a card that was asked for only says who is there
)

// at is who stands at the machine.
type at struct {
	who  policy.MemberID
	when time.Time
	nth  uint64 // which arrival: another card, and it is another
}

// Clerk is the machine as its panel's people use it. It implements panel.Clerk.
type Clerk struct{ *Machine }

var _ panel.Clerk = Clerk{}

// Do implements panel.Clerk.
func (c Clerk) Do(ctx context.Context, o panel.Order) error {
	return c.at(ctx, func(ctx context.Context) error { return c.touched(ctx, o) })
}

// Form implements panel.Clerk.
func (c Clerk) Form(ctx context.Context, a panel.Ask) (f panel.Form, err error) {
	err = c.at(ctx, func(context.Context) error {
		if a.Token != "" {
			x, ok := c.opened(a.Token)
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

// Write implements panel.Clerk.
func (c Clerk) Write(ctx context.Context, token string, e panel.Entry) (waits policy.Text, err error) {
	err = c.at(ctx, func(ctx context.Context) error {
		waits, err = c.written(ctx, token, e)
		return err
	})
	return waits, err
}

// at runs do in the machine's loop.
func (c Clerk) at(ctx context.Context, do func(context.Context) error) error {
	var err error
	rep := c.within(ctx, func(ctx context.Context) control.Reply {
		err = c.plainly(do(ctx))
		return control.Reply{OK: true}
	})
	if !rep.OK {
		return errors.New(rep.Error)
	}
	return err
}

// plainly is a refusal in the words of this machine; any other error is as it was.
func (m *Machine) plainly(err error) error {
	no := panel.Refusal{}
	if mach, known := m.site(); known && errors.As(err, &no) {
		return panel.Refusal(mach.Plain(policy.Text(no)))
	}
	return err
}

// stands is who tapped within the last minute; empty: nobody.
func (m *Machine) stands() policy.MemberID {
	if m.desk.who == "" || m.cfg.Now().Sub(m.desk.when) >= session.ChooseFor {
		return ""
	}
	return m.desk.who
}

// arrived notes who stands there now. Whose card is blocked, or proved less than this machine asks for, is nobody; and
// whoever stood there before does not any more.
func (m *Machine) arrived(id policy.MemberID, card policy.CardStrength, d policy.Decision) {
	mach, ok := m.site()
	if !ok || card < mach.Card || slices.Contains(d.Codes(), policy.CardBlocked) {
		m.left()
		return
	}
	now := m.cfg.Now()
	if m.desk.who != id || m.stands() == "" {
		m.desk.nth++
	}
	m.desk.who, m.desk.when = id, now
	if m.today == nil || !sameDay(m.day, now, m.cfg.Roster.Policy.Zone) {
		m.today, m.day = map[policy.MemberID]bool{}, now
	}
	m.today[id] = true
}

// left notes that a card nobody knows was presented: whoever stood there does not any more.
func (m *Machine) left() { m.desk = at{nth: m.desk.nth + 1} }

func sameDay(a, b time.Time, zone *time.Location) bool {
	return a.In(zone).Format(time.DateOnly) == b.In(zone).Format(time.DateOnly)
}

// site is this machine in the policy.
func (m *Machine) site() (*policy.Machine, bool) {
	if m.cfg.Roster == nil {
		return nil, false
	}
	return m.cfg.Roster.Policy.Machine(m.cfg.Machine)
}

// mentors are the names of those who were here today and may answer for a learner, but the one who asks.
func (m *Machine) mentors(but policy.MemberID) []string {
	var out []string
	for id := range m.today {
		p, ok := m.cfg.Roster.Person(id)
		if !ok || id == but {
			continue
		}
		q := m.question(m.withPractice(p.Member), nil, policy.Mentor)
		q.Tagged, q.Fault, q.Card = false, false, policy.AES
		if d := m.cfg.Roster.Policy.Decide(q); d.Verdict == policy.Allow && d.Role == policy.Mentor {
			out = append(out, m.name(id))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// touched carries out a touch.
func (m *Machine) touched(ctx context.Context, o panel.Order) error {
	who, s := m.stands(), m.state
	n := m.cfg.Journal.Len()
	switch {
	case !o.Here:
		return panel.OnlyHere
	case o.At != 0 && o.At != m.desk.nth:
		return panel.NotYou
	case o.Do == "extend": // a card would end the session: whoever stands there may
		m.extend(ctx)
		return ok(m.cfg.Journal.Len() > n)
	case o.Do == "power-off": // it only makes things safer
		m.step(ctx, session.PowerOff{By: s.Current.Member})
		return m.saved(n)
	case who == "":
		return panel.CardFirst
	}
	switch o.Do {
	case "role":
		var role policy.Role
		if err := role.UnmarshalText([]byte(o.Arg)); err != nil || role == policy.NoRole {
			return panel.NotWhat
		}
		return ok(who == s.Current.Member && m.choose(ctx, role))
	case "untag":
		if strings.HasPrefix(o.Arg, duePrefix) { // that comes off by doing it
			return panel.NotWhat
		}
		m.step(ctx, session.RemoveTag{ID: o.Arg, By: who})
		err := m.saved(n)
		if err == nil && len(m.state.Holds.Tags) == 0 {
			m.cfg.Panel.Flash(panel.Returned(m.name(who)), flash/2)
		}
		return err
	case "confirm":
		return m.confirm(ctx, o.Arg, who)
	case "deny":
		return m.deny(o.Arg, who)
	case "attest":
		return m.attest(ctx, o.Arg, who)
	case "decline":
		return m.decline(o.Arg, who)
	case "vouch":
		mach, known := m.site()
		if !known || len(o.Items) == 0 || slices.ContainsFunc(o.Items, func(s string) bool { return !has(mach.Vouch, s) }) {
			return panel.NotWhat
		}
		slices.Sort(o.Items)
		m.step(ctx, session.Vouch{By: who, Skills: slices.Compact(o.Items)})
		return m.saved(n)
	}
	return panel.NotWhat
}

func ok(done bool) error {
	if !done {
		return panel.NotNow
	}
	return nil
}

// saved says whether a record was written since there were n.
func (m *Machine) saved(n uint64) error {
	switch {
	case m.cfg.Journal.Len() > n && !m.state.Ledger.Broken:
		return nil
	case m.state.Ledger.Broken:
		return panel.NotSaved
	}
	return panel.NotNow
}

func has(items []policy.Item, id string) bool {
	return slices.ContainsFunc(items, func(x policy.Item) bool { return x.ID == id })
}

// extend asks the policy anew, with what the session under way has used already.
func (m *Machine) extend(ctx context.Context) {
	p, known := m.person(m.state.Current.Member)
	if !known {
		return
	}
	member := *m.withPractice(p.Member)
	used := policy.Practice{Machine: m.cfg.Machine}
	if len(member.Practice) > 0 && member.Practice[0].Machine == m.cfg.Machine {
		used = member.Practice[0]
		member.Practice = slices.Clone(member.Practice[1:])
	}
	now := m.cfg.Now().In(m.cfg.Roster.Policy.Zone)
	member.Practice = append([]policy.Practice{used.Used(now, now.Sub(m.state.Current.Since))}, member.Practice...)
	var supervisor *policy.Member
	if s, known := m.person(m.state.Current.Supervisor); known {
		supervisor = m.withPractice(s.Member)
	}
	m.step(ctx, session.Extend{Decision: m.cfg.Roster.Policy.Decide(m.question(&member, supervisor, m.state.Current.Role))})
}

// minutesOf are how long a maintenance took so far; at least one.
func minutesOf(w session.Work, now time.Time) int {
	if w.Ended.IsZero() {
		w.Ended = now
	}
	return max(1, int(w.Ended.Sub(w.Since).Round(time.Minute)/time.Minute))
}

func (m *Machine) work(who policy.MemberID) session.Work { return m.state.WorkOf(who, m.cfg.Now()) }

// maintains reports whether somebody is at work here as a maintainer, or was a moment ago.
func (m *Machine) maintains(who policy.MemberID) bool {
	w := m.work(who)
	return w.Session != "" && w.Endorser == who
}

// roleOf is in which role a member speaks of the machine: the one of their session, else none that matters.
func (m *Machine) roleOf(who policy.MemberID) policy.Role {
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

func (m *Machine) language(id policy.MemberID) string {
	if p, known := m.person(id); known && p.Language == policy.English {
		return "en"
	}
	return "fr"
}

// offers are the buttons of this moment, and what whoever stands there is asked.
func (m *Machine) offers() ([]panel.Offer, *panel.Desk) {
	var out []panel.Offer
	s, who := m.state, m.stands()
	if s.Phase == session.EndingSoon && s.Current.Limits.Extend > 0 {
		out = append(out, panel.OfferExtend(s.Current.Limits.Extend))
	}
	if s.Phase == session.Maintenance && !s.Power.PoweredOff {
		out = append(out, panel.OfferPowerOff())
	}
	if who == "" {
		return out, nil
	}
	if u, waits := m.toConfirm(who); waits {
		return append(out, u.confirmOffers()...), &panel.Desk{Name: m.name(who), Until: m.wall(m.desk.when.Add(session.ChooseFor)), At: m.desk.nth, Ask: "confirm", Line: panel.IsItYours(m.name(who))}
	}
	if a, waits := m.toAttest(who); waits {
		return append(out, m.attestOffers(a)...), &panel.Desk{Name: m.name(who), Until: m.wall(m.desk.when.Add(session.ChooseFor)), At: m.desk.nth, Ask: "attest",
			Line: panel.DidTheyDoIt(m.name(who), m.name(a.by))}
	}
	if who == s.Current.Member {
		for _, r := range s.Current.Others {
			out = append(out, panel.OfferRole(r))
		}
	}
	d := &panel.Desk{Name: m.name(who), Until: m.wall(m.desk.when.Add(session.ChooseFor)), At: m.desk.nth}
	d.Report = m.reporter == m.desk.nth
	mach, known := m.site()
	if !known {
		return out, d
	}
	if s.VouchRequest.Open && s.VouchRequest.Mentor == who && len(mach.Vouch) > 0 {
		d.Ask, d.Line = "vouch", panel.WhatWentWell(m.name(who), m.name(s.VouchRequest.Learner))
		for _, x := range mach.Vouch {
			d.Items = append(d.Items, panel.Choice{ID: x.ID, Label: x.Name})
		}
		return out, d
	}
	if w := m.work(who); w.Session != "" {
		switch {
		case s.Phase == session.Maintenance:
			out = append(out, panel.OfferLog())
		default:
			d.Ask, d.Line, d.Items = "log", panel.WhatWasDone(m.name(w.By)), m.kinds(mach)
		}
		if w.Endorser == who {
			for _, t := range s.Holds.Tags {
				if !strings.HasPrefix(t.ID, duePrefix) {
					out = append(out, panel.OfferUntag(t.ID, m.reason(t)))
				}
			}
			if len(s.Holds.Tags) == 0 {
				out = append(out, panel.OfferTag())
			}
		}
	}
	return out, d
}

// reason is why a tag hangs, in both languages where the machine put it on itself.
func (m *Machine) reason(t session.Tag) policy.Text {
	if kind, due := strings.CutPrefix(t.ID, duePrefix); due && t.By == "" {
		if mach, known := m.site(); known {
			return panel.Overdue(mach.KindName(kind))
		}
	}
	if t.ID == "contactor" && t.By == "" {
		return disagree
	}
	return policy.Text{FR: t.Reason, EN: t.Reason}
}

// disagree is the reason of a contactor that lied.
var disagree = policy.Text{FR: "la commande et le contacteur ne concordent pas", EN: "command and contactor disagree"}
