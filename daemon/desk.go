package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// The desk is what people do at the panel. Whoever tapped last may, for a minute; a form that they opened is theirs for ten, whoever
// taps meanwhile. What needs a touch alone is for the screen at the machine (panel.Order.Here): a page elsewhere on the network shows,
// and opens forms for who has just tapped.

const (
	formLife   = 10 * time.Minute
	formsMost  = 32               // open at once; the oldest goes
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

// form is one that was opened, and whose it is.
type form struct {
	panel.Form
	opener       policy.MemberID // who tapped
	by, endorser policy.MemberID // whose work it is, and who answers for it
	session      string
	role         policy.Role
	started      time.Time
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
func (c Clerk) Write(ctx context.Context, token string, e panel.Entry) error {
	return c.at(ctx, func(ctx context.Context) error { return c.written(ctx, token, e) })
}

// at runs do in the machine's loop.
func (c Clerk) at(ctx context.Context, do func(context.Context) error) error {
	var err error
	rep := c.within(ctx, func(ctx context.Context) control.Reply {
		err = do(ctx)
		return control.Reply{OK: true}
	})
	if !rep.OK {
		return errors.New(rep.Error)
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

// arrived notes who stands there now. A card that is blocked, or proved less than this machine asks for, stands nowhere.
func (m *Machine) arrived(id policy.MemberID, card policy.CardStrength, d policy.Decision) {
	mach, ok := m.site()
	if !ok || card < mach.Card || slices.Contains(d.Codes(), policy.CardBlocked) {
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
func (m *Machine) touched(ctx context.Context, o panel.Order) error {
	who, s := m.stands(), m.state
	n := m.Journal.Len()
	switch {
	case !o.Here:
		return panel.OnlyHere
	case o.At != 0 && o.At != m.desk.nth:
		return panel.NotYou
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
			return panel.NotWhat
		}
		return ok(who == s.Member && m.choose(ctx, role))
	case "untag":
		if strings.HasPrefix(o.Arg, duePrefix) { // that comes off by doing it
			return panel.NotWhat
		}
		m.step(ctx, session.RemoveTag{ID: o.Arg, By: who})
		err := m.saved(n)
		if err == nil && len(m.state.Tags) == 0 {
			m.Panel.Flash(panel.Returned(m.name(who)), flash/2)
		}
		return err
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

// open opens a form for whoever stands there.
func (m *Machine) open(a panel.Ask) (panel.Form, error) {
	who := m.stands()
	switch {
	case a.At != 0 && a.At != m.desk.nth:
		return panel.Form{}, panel.NotYou
	case who == "" && a.Do == "report" && a.Here: // the next card is asked who is there, and means nothing else
		m.asking = m.Now().Add(identify)
		return panel.Form{}, panel.CardToReport
	case who == "":
		return panel.Form{}, panel.CardFirst
	}
	mach, known := m.site()
	if !known {
		return panel.Form{}, panel.NotNow
	}
	f := form{by: who, session: m.state.Session, started: m.Now(), Form: panel.Form{Do: a.Do, Item: a.Item, Lang: m.language(who)}}
	name := m.name(who)
	switch a.Do {
	case "report":
		f.role, f.Stop, f.Title, f.Items = m.roleOf(who), string(wire.Dangerous), panel.WhatIsWrong(name), problems()
	case "tag":
		if !m.maintains(who) {
			return panel.Form{}, panel.NotNow
		}
		f.role, f.Stop, f.Title, f.Items = policy.Maintainer, "*", panel.WhyTag(name), problems()
	case "log":
		w := m.work(who)
		if w.session == "" {
			return panel.Form{}, panel.NotNow
		}
		f.by, f.endorser, f.session = w.by, w.endorser, w.session
		f.Parts, f.Minutes, f.Title = true, w.minutes(m.Now()), panel.WhatWasDone(m.name(w.by))
		f.Items = m.kinds(mach)
	default:
		return panel.Form{}, panel.NotWhat
	}
	if a.Item != "" && !slices.ContainsFunc(f.Items, func(c panel.Choice) bool { return c.ID == a.Item }) {
		return panel.Form{}, panel.NotWhat
	}
	b := make([]byte, 16)
	rand.Read(b)
	f.Token, f.Ends, f.At = hex.EncodeToString(b), m.Now().Add(formLife), m.desk.nth
	f.opener = who
	m.keepForm(f)
	return f.Form, nil
}

// keepForm lets go of the opener's own oldest form before anybody else's.
func (m *Machine) keepForm(f form) {
	m.forms = append(m.forms, f)
	mine := func(x form) bool { return x.opener == f.opener }
	n := 0
	for _, x := range m.forms {
		if mine(x) {
			n++
		}
	}
	if n > formsEach {
		i := slices.IndexFunc(m.forms, mine)
		m.forms = slices.Delete(m.forms, i, i+1)
	}
	if len(m.forms) > formsMost {
		m.forms = m.forms[1:]
	}
}

func (m *Machine) opened(token string) (form, bool) {
	m.forms = slices.DeleteFunc(m.forms, func(f form) bool { return !m.Now().Before(f.Ends) })
	i := slices.IndexFunc(m.forms, func(f form) bool { return f.Token == token })
	if i < 0 {
		return form{}, false
	}
	return m.forms[i], true
}

// written fills a form in. It is used up once it is on record.
func (m *Machine) written(ctx context.Context, token string, e panel.Entry) error {
	f, known := m.opened(token)
	if !known {
		return panel.FormOver
	}
	if !slices.ContainsFunc(f.Items, func(c panel.Choice) bool { return c.ID == e.Item }) {
		return panel.NotWhat
	}
	n := m.Journal.Len()
	switch f.Do {
	case "log":
		m.step(ctx, session.Log{What: e.Item, Minutes: e.Minutes, Note: e.Note, Parts: e.Parts, Photo: e.Photo, Session: f.session, By: f.by, Endorser: f.endorser})
	case "report":
		if !m.mayReport(f.by) {
			return panel.TooMany
		}
		r := session.Report{By: f.by, Body: wire.ReportBody{What: wire.Problem(e.Item), Note: e.Note, Photo: e.Photo}, Now: e.Now}
		if r.Body.What == wire.Dangerous {
			r.Tag = m.tagFor(f, e)
		}
		m.step(ctx, r)
	case "tag":
		m.step(ctx, session.AddTag{Tag: m.tagFor(f, e), Now: e.Now})
	}
	if err := m.saved(n); err != nil {
		return err
	}
	m.forms = slices.DeleteFunc(m.forms, func(x form) bool { return x.Token == token })
	if f.Do == "log" {
		m.upkeep(ctx)
	}
	return nil
}

// mayReport counts what one member reports: a card that was let go on reporting would bury the machine.
func (m *Machine) mayReport(id policy.MemberID) bool {
	if m.reports == nil {
		m.reports = map[policy.MemberID][]time.Time{}
	}
	now := m.Now()
	m.reports[id] = slices.DeleteFunc(m.reports[id], func(at time.Time) bool { return now.Sub(at) >= reportsIn })
	if len(m.reports[id]) >= reportsMax {
		return false
	}
	m.reports[id] = append(m.reports[id], now)
	return true
}

// tagFor is the tag that a form puts on. Its reason is the problem, and what was written of it. One member's danger is one tag, however
// often they report it, and a form's is one however often it is sent.
func (m *Machine) tagFor(f form, e panel.Entry) session.Tag {
	reason := m.speak(panel.ProblemName(e.Item))
	if line, _, _ := strings.Cut(e.Note, "\n"); line != "" {
		if e.Item == string(wire.Dangerous) {
			line = reason + ", " + line
		}
		reason = line
	}
	id := "form-" + f.Token[:8]
	if f.Do == "report" {
		id = "danger-" + string(f.by)
	}
	return session.Tag{ID: id, By: f.by, Role: f.role, Reason: cut(reason, 120), Since: m.Now()}
}

// cut bounds a text in bytes, at a whole character.
func cut(s string, most int) string {
	for len(s) > most {
		r := []rune(s)
		s = string(r[:len(r)-1])
	}
	return s
}

func problems() []panel.Choice {
	var out []panel.Choice
	for _, p := range wire.Problems() {
		out = append(out, panel.Choice{ID: string(p), Label: panel.ProblemName(string(p))})
	}
	return out
}

// kinds are the interventions that may be logged here: in the policy's order, then what else counts.
func (m *Machine) kinds(mach *policy.Machine) []panel.Choice {
	var out []panel.Choice
	for _, x := range mach.Interventions {
		out = append(out, panel.Choice{ID: x.ID, Label: x.Name})
	}
	for _, k := range m.Roster.Policy.InterventionKinds(m.Machine) {
		if !has(mach.Interventions, k) {
			out = append(out, panel.Choice{ID: k, Label: mach.KindName(k)})
		}
	}
	return out
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
func (m *Machine) offers() ([]panel.Offer, *panel.Desk) {
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
	if who == s.Member {
		for _, r := range s.Others {
			out = append(out, panel.OfferRole(r))
		}
	}
	d := &panel.Desk{Name: m.name(who), Until: m.wall(m.desk.when.Add(session.ChooseFor)), At: m.desk.nth}
	d.Report = m.reporter == m.desk.nth
	mach, known := m.site()
	if !known {
		return out, d
	}
	if s.Praise.Open && s.Praise.Mentor == who && len(mach.Vouch) > 0 {
		d.Ask, d.Line = "vouch", panel.WhatWentWell(m.name(who), m.name(s.Praise.Learner))
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
			d.Ask, d.Line, d.Items = "log", panel.WhatWasDone(m.name(w.by)), m.kinds(mach)
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

// duePrefix begins the names of tags that the machine puts on itself for maintenance which is due.
const duePrefix = "due:"

// reason is why a tag hangs, in both languages where the machine put it on itself.
func (m *Machine) reason(t session.Tag) policy.Text {
	if kind, due := strings.CutPrefix(t.ID, duePrefix); due && t.By == "" {
		if mach, known := m.site(); known {
			return panel.Needs(mach.KindName(kind), true, false, 0)
		}
	}
	if t.ID == "contactor" && t.By == "" {
		return disagree
	}
	return policy.Text{FR: t.Reason, EN: t.Reason}
}

// disagree is the reason of a contactor that lied.
var disagree = policy.Text{FR: "la commande et le contacteur ne concordent pas", EN: "command and contactor disagree"}

// wear is what the machine has been through.
func (m *Machine) wear() policy.Wear {
	w := policy.Wear{Now: m.Now(), Ran: m.ran(), Done: m.Done}
	if m.Trusted() {
		w.Clock = policy.Trusted
	}
	return w
}

// ran are the machine's running hours: of the busy input where there is one, else of the relay.
func (m *Machine) ran() time.Duration {
	if m.HasBusy {
		return m.state.Ran.Busy
	}
	return m.state.Ran.Relay
}

// due is what the machine needs.
func (m *Machine) due() []policy.Work {
	mach, known := m.site()
	if !known {
		return nil
	}
	return mach.Due(m.wear())
}

// upkeep tags the machine out for what is due and blocks, once nobody is at work, and takes such tags off once it is done. What is new to
// the policy counts from now.
func (m *Machine) upkeep(ctx context.Context) {
	mach, known := m.site()
	if !known {
		return
	}
	m.begin(mach)
	want := map[string]policy.Work{}
	for _, w := range m.due() {
		if w.Over && w.Block {
			want[duePrefix+w.Kind] = w
		}
	}
	for id, w := range want {
		if !m.state.Running() && m.state.Phase != session.Awaiting && !slices.ContainsFunc(m.state.Tags, func(t session.Tag) bool { return t.ID == id }) {
			m.step(ctx, session.AddTag{Tag: session.Tag{ID: id, Reason: m.speak(panel.Needs(mach.KindName(w.Kind), true, false, 0)), Since: m.Now()}})
		}
	}
	for _, t := range slices.Clone(m.state.Tags) {
		kind, due := strings.CutPrefix(t.ID, duePrefix)
		if _, still := want[t.ID]; due && !still && t.By == "" && len(m.state.Pending) == 0 && (m.Trusted() || m.settled(mach, kind)) {
			m.step(ctx, session.RemoveTag{ID: t.ID})
		}
	}
}

// begin counts what is new to the policy from now, and from now too what was done while nobody knew when: by a clock that was not set.
func (m *Machine) begin(mach *policy.Machine) {
	if !m.Trusted() {
		return
	}
	for _, u := range mach.Maintenance {
		d, known := m.Done[u.Kind]
		if known && !d.At.IsZero() && !d.At.After(m.Now()) {
			continue
		}
		if !known {
			d.Ran = m.ran()
		}
		d.At = m.Now()
		m.Done[u.Kind] = d
		m.begun = append(m.begun, u.Kind)
	}
}

// settled reports whether a kind of maintenance is not due whatever the time is: it counts hours alone, or has just been done.
func (m *Machine) settled(mach *policy.Machine, kind string) bool {
	i := slices.IndexFunc(mach.Maintenance, func(u policy.Upkeep) bool { return u.Kind == kind })
	d, known := m.Done[kind]
	return i < 0 || mach.Maintenance[i].Every == 0 || known && d.At.IsZero()
}

// doneNow is a kind of maintenance that was done at this moment; without a clock, at a time that is found out later (begin).
func (m *Machine) doneNow() policy.Done {
	d := policy.Done{Ran: m.ran()}
	if m.Trusted() {
		d.At = m.Now()
	}
	return d
}

// facts are what must outlive the daemon with a record.
func (m *Machine) facts(r session.Record) map[string][]byte {
	facts := map[string][]byte{}
	for _, kind := range m.begun {
		facts[FactDone+kind] = mustJSON(m.Done[kind])
	}
	switch b := r.Body.(type) {
	case wire.TagBody:
		facts[FactTags] = mustJSON(m.state.Tags)
	case wire.StartBody, wire.FaultBody, wire.EndBody, wire.ReportBody, wire.PowerBody:
		facts[FactHours] = mustJSON(m.state.Ran)
	case wire.InterventionBody:
		facts[FactHours] = mustJSON(m.state.Ran)
		facts[FactDone+b.What] = mustJSON(m.doneNow())
	}
	return facts
}

// kept notes what a record that is on the disk now has changed.
func (m *Machine) kept(r session.Record) {
	m.begun = nil
	if b, logged := r.Body.(wire.InterventionBody); logged {
		m.Done[b.What] = m.doneNow()
	}
}

// remaining are the minutes of the session under way until its end, rounded up; 0: there is none, or it has no end.
func (m *Machine) remaining() int {
	if !m.state.Running() || m.state.Until.IsZero() {
		return 0
	}
	return max(1, int((m.state.Until.Sub(m.Now())+time.Minute-1)/time.Minute))
}

// hours are the machine's, in tenths.
func (m *Machine) hours() float64 {
	return float64(m.ran()/(6*time.Minute)) / 10
}
