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
// (panel.Touch.Here, panel.FormRequest.Here): a page elsewhere on the network shows. What is sent from there, with a form's
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

// Clerk is the machine as its panel's people use it. It implements panel.Actions.
type Clerk struct{ *Machine }

var _ panel.Actions = Clerk{}

// Do implements panel.Actions.
func (c Clerk) Do(ctx context.Context, o panel.Touch) error {
	return c.at(ctx, func(ctx context.Context) error { return c.touched(ctx, o) })
}

// Form implements panel.Actions.
func (c Clerk) Form(ctx context.Context, a panel.FormRequest) (f panel.Form, err error) {
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

// Write implements panel.Actions.
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
	if m.desk.who == "" || m.Now().Sub(m.desk.when) >= session.ChooseFor {
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
	now := m.Now()
	if m.desk.who != id || m.stands() == "" {
		m.desk.nth++
	}
	m.desk.who, m.desk.when = id, now
	if m.today == nil || !sameDay(m.day, now, m.Roster.Policy.Zone) {
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
	if m.Roster == nil {
		return nil, false
	}
	return m.Roster.Policy.Machine(m.Machine)
}

// mentors are the names of those who were here today and may answer for a learner, but the one who asks.
func (m *Machine) mentors(but policy.MemberID) []string {
	var out []string
	for id := range m.today {
		p, ok := m.Roster.Person(id)
		if !ok || id == but {
			continue
		}
		q := m.question(m.withPractice(p.Member), nil, policy.Mentor)
		q.Tagged, q.Fault, q.Card = false, false, policy.AES
		if d := m.Roster.Policy.Decide(q); d.Verdict == policy.Allow && d.Role == policy.Mentor {
			out = append(out, m.name(id))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// touched carries out a touch.
func (m *Machine) touched(ctx context.Context, o panel.Touch) error {
	who, s := m.stands(), m.state
	n := m.Journal.Len()
	switch {
	case !o.Here:
		return panel.OnlyHere
	case o.At != 0 && o.At != m.desk.nth:
		return panel.AnotherCardTapped
	case o.Do == "extend": // a card would end the session: whoever stands there may
		m.extend(ctx)
		return ok(m.Journal.Len() > n)
	case o.Do == "power-off": // it only makes things safer
		m.step(ctx, session.PowerOff{By: s.Member})
		return m.saved(n)
	case who == "":
		return panel.CardFirst
	}
	switch o.Do {
	case "role":
		var role policy.Role
		if err := role.UnmarshalText([]byte(o.Arg)); err != nil || role == policy.NoRole {
			return panel.ChooseFromList
		}
		return ok(who == s.Member && m.choose(ctx, role))
	case "untag":
		if strings.HasPrefix(o.Arg, duePrefix) { // that comes off by doing it
			return panel.ChooseFromList
		}
		m.step(ctx, session.RemoveTag{ID: o.Arg, By: who})
		err := m.saved(n)
		if err == nil && len(m.state.Tags) == 0 {
			m.Panel.Flash(panel.Returned(m.name(who)), flash/2)
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
			return panel.ChooseFromList
		}
		slices.Sort(o.Items)
		m.step(ctx, session.Vouch{By: who, Skills: slices.Compact(o.Items)})
		return m.saved(n)
	}
	return panel.ChooseFromList
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
	case m.Journal.Len() > n && !m.state.Broken:
		return nil
	case m.state.Broken:
		return panel.NotSaved
	}
	return panel.NotNow
}

func has(items []policy.Item, id string) bool {
	return slices.ContainsFunc(items, func(x policy.Item) bool { return x.ID == id })
}

// extend asks the policy anew, with what the session under way has used already.
func (m *Machine) extend(ctx context.Context) {
	p, known := m.person(m.state.Member)
	if !known {
		return
	}
	member := *m.withPractice(p.Member)
	used := policy.Practice{Machine: m.Machine}
	if len(member.Practice) > 0 && member.Practice[0].Machine == m.Machine {
		used = member.Practice[0]
		member.Practice = slices.Clone(member.Practice[1:])
	}
	now := m.Now().In(m.Roster.Policy.Zone)
	member.Practice = append([]policy.Practice{used.Used(now, now.Sub(m.state.Since))}, member.Practice...)
	var supervisor *policy.Member
	if s, known := m.person(m.state.Supervisor); known {
		supervisor = m.withPractice(s.Member)
	}
	m.step(ctx, session.Extend{Decision: m.Roster.Policy.Decide(m.question(&member, supervisor, m.state.Role))})
}

// work is a maintenance that somebody may log in: the one under way, or the one that they have just ended.
type work struct {
	session      string
	by, endorser policy.MemberID
	since, until time.Time
}

// minutes are how long it took so far; at least one.
func (w work) minutes(now time.Time) int {
	if w.until.IsZero() {
		w.until = now
	}
	return max(1, int(w.until.Sub(w.since).Round(time.Minute)/time.Minute))
}

func (m *Machine) work(who policy.MemberID) work {
	s := m.state
	if s.Phase == session.Maintenance && (who == s.Member || who == s.Assistant) {
		w := work{session: s.Session, by: s.Member, endorser: s.Member, since: s.Since}
		if s.Assistant != "" {
			w.by = s.Assistant
		}
		return w
	}
	if s.Handed.By == who && m.Now().Before(s.Handed.Until) {
		return m.done
	}
	return work{}
}

// maintains reports whether somebody is at work here as a maintainer, or was a moment ago.
func (m *Machine) maintains(who policy.MemberID) bool {
	w := m.work(who)
	return w.session != "" && w.endorser == who
}

// roleOf is in which role a member speaks of the machine: the one of their session, else none that matters.
func (m *Machine) roleOf(who policy.MemberID) policy.Role {
	switch {
	case who == m.state.Member && m.state.Role != policy.NoRole:
		return m.state.Role
	case who == m.state.Supervisor:
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
func (m *Machine) offers() ([]panel.Offer, *panel.Visitor) {
	var out []panel.Offer
	s, who := m.state, m.stands()
	if s.Phase == session.EndingSoon && s.Limits.Extend > 0 {
		out = append(out, panel.OfferExtend(s.Limits.Extend))
	}
	if s.Phase == session.Maintenance && !s.Dark {
		out = append(out, panel.OfferPowerOff())
	}
	if who == "" {
		return out, nil
	}
	if u, waits := m.toConfirm(who); waits {
		return append(out, u.confirmOffers()...), &panel.Visitor{Name: m.name(who), Until: m.wall(m.desk.when.Add(session.ChooseFor)), At: m.desk.nth, Question: "confirm", Line: panel.ConfirmQuestion(m.name(who))}
	}
	if a, waits := m.toAttest(who); waits {
		return append(out, m.attestOffers(a)...), &panel.Visitor{Name: m.name(who), Until: m.wall(m.desk.when.Add(session.ChooseFor)), At: m.desk.nth, Question: "attest",
			Line: panel.EndorseQuestion(m.name(who), m.name(a.by))}
	}
	if who == s.Member {
		for _, r := range s.Others {
			out = append(out, panel.OfferRole(r))
		}
	}
	d := &panel.Visitor{Name: m.name(who), Until: m.wall(m.desk.when.Add(session.ChooseFor)), At: m.desk.nth}
	d.Report = m.reporter == m.desk.nth
	mach, known := m.site()
	if !known {
		return out, d
	}
	if s.Praise.Open && s.Praise.Mentor == who && len(mach.Vouch) > 0 {
		d.Question, d.Line = "vouch", panel.VouchQuestion(m.name(who), m.name(s.Praise.Learner))
		for _, x := range mach.Vouch {
			d.Items = append(d.Items, panel.Choice{ID: x.ID, Label: x.Name})
		}
		return out, d
	}
	if w := m.work(who); w.session != "" {
		switch {
		case s.Phase == session.Maintenance:
			out = append(out, panel.OfferLog())
		default:
			d.Question, d.Line, d.Items = "log", panel.InterventionQuestion(m.name(w.by)), m.kinds(mach)
		}
		if w.endorser == who {
			for _, t := range s.Tags {
				if !strings.HasPrefix(t.ID, duePrefix) {
					out = append(out, panel.OfferUntag(t.ID, m.reason(t)))
				}
			}
			if len(s.Tags) == 0 {
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
			return panel.MaintenanceTagReason(mach.KindName(kind))
		}
	}
	if t.ID == "contactor" && t.By == "" {
		return disagree
	}
	return policy.Text{FR: t.Reason, EN: t.Reason}
}

// disagree is the reason of a contactor that lied.
var disagree = policy.Text{FR: "la commande et le contacteur ne concordent pas", EN: "command and contactor disagree"}
