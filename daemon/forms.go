package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// Forms: one-time permissions to write one thing down.

// form is one that was opened, and whose it is.
type form struct {
	panel.Form
	opener       policy.MemberID // who tapped
	by, endorser policy.MemberID // whose work it is, and who answers for it
	session      string
	role         policy.Role
	started      time.Time
	since        time.Time // log: when the session began
}

// open opens a form for whoever stands there.
func (m *Machine) open(a panel.FormRequest) (panel.Form, error) {
	who := m.stands()
	switch {
	case !a.Here:
		return panel.Form{}, panel.ScanCode
	case a.At != 0 && a.At != m.desk.nth:
		return panel.Form{}, panel.AnotherCardTapped
	case who == "" && a.Do == "report":
		// the next card says who is there; it starts nothing, and ends no more than it would anyway
		m.asking = m.Now().Add(identify)
		if m.state.Running() {
			return panel.Form{}, panel.CardToReportInUse
		}
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
		f.role, f.Stop, f.Title, f.Items = m.roleOf(who), string(wire.Dangerous), panel.ReportQuestion(name), problems()
	case "tag":
		if !m.maintains(who) {
			return panel.Form{}, panel.NotNow
		}
		f.role, f.Stop, f.Title, f.Items = policy.Maintainer, "*", panel.TagQuestion(name), problems()
	case "log":
		w := m.work(who)
		if w.session == "" {
			return panel.Form{}, panel.NotNow
		}
		f.by, f.endorser, f.session, f.since = w.by, w.endorser, w.session, w.since
		f.Parts, f.Minutes, f.Title = true, w.minutes(m.Now()), panel.InterventionQuestion(m.name(w.by))
		f.Items = m.kinds(mach)
	default:
		return panel.Form{}, panel.ChooseFromList
	}
	if a.Item != "" && !slices.ContainsFunc(f.Items, func(c panel.Choice) bool { return c.ID == a.Item }) {
		return panel.Form{}, panel.ChooseFromList
	}
	b := make([]byte, 16)
	rand.Read(b)
	f.Token, f.Ends, f.At = hex.EncodeToString(b), m.Now().Add(formLife), m.desk.nth
	f.opener = who
	if !m.keepForm(f) {
		return panel.Form{}, panel.TooManyForms
	}
	return f.Form, nil
}

// keepForm drops the opener's own oldest form where they have too many, and reports whether there is room. Nobody's
// form is dropped for another member's.
func (m *Machine) keepForm(f form) bool {
	m.dropOld()
	n, oldest := 0, -1
	for i, x := range m.forms {
		if x.opener == f.opener {
			if n++; oldest < 0 {
				oldest = i
			}
		}
	}
	if oldest >= 0 && (n >= formsEach || len(m.forms) >= formsMost) {
		m.forms = slices.Delete(m.forms, oldest, oldest+1)
	}
	if len(m.forms) >= formsMost {
		return false
	}
	m.forms = append(m.forms, f)
	return true
}

// dropOld drops the forms whose time is over.
func (m *Machine) dropOld() {
	m.forms = slices.DeleteFunc(m.forms, func(f form) bool { return !m.Now().Before(f.Ends) })
}

func (m *Machine) useUp(token string) {
	m.forms = slices.DeleteFunc(m.forms, func(x form) bool { return x.Token == token })
}

func (m *Machine) opened(token string) (form, bool) {
	m.dropOld()
	i := slices.IndexFunc(m.forms, func(f form) bool { return f.Token == token })
	if i < 0 {
		return form{}, false
	}
	return m.forms[i], true
}

// written fills a form in. It is used up once it is on record, or waits for its member: what was sent from elsewhere,
// or after another card was presented, is nobody's act until they confirm it.
func (m *Machine) written(ctx context.Context, token string, e panel.Entry) (waits policy.Text, err error) {
	f, known := m.opened(token)
	if !known {
		return waits, panel.FormOver
	}
	if !slices.ContainsFunc(f.Items, func(c panel.Choice) bool { return c.ID == e.Item }) {
		return waits, panel.ChooseFromList
	}
	if most := m.longest(f); f.Do == "log" && e.Minutes > most {
		return waits, panel.TooManyMinutes(most)
	}
	if !e.Here || !m.isStillTheirs(f) {
		return m.holdUnsigned(ctx, f, e)
	}
	if err := m.recordForm(ctx, f, e); err != nil {
		return waits, err
	}
	m.useUp(token)
	return waits, nil
}

// recordForm writes a form down in the name of those whose it is, who are at the machine.
func (m *Machine) recordForm(ctx context.Context, f form, e panel.Entry) error {
	if f.Do == "report" && !m.mayReport(reportKey{id: f.by}) {
		return panel.TooMany
	}
	if err := m.keepPhoto(e); err != nil {
		return err
	}
	n := m.Journal.Len()
	switch f.Do {
	case "log":
		id := m.attestID(e.Item)
		m.step(ctx, session.Log{What: e.Item, Minutes: e.Minutes, Note: e.Note, Parts: e.Parts, Photo: e.Photo.Name, Session: f.session, By: f.by, Endorser: f.endorser,
			ID: id, Attested: id != "" && f.opener == f.endorser}) // whose form it is stands at the machine
	case "report":
		r := session.Report{By: f.by, Body: wire.ReportBody{What: wire.Problem(e.Item), Note: e.Note, Photo: e.Photo.Name}, Now: e.Now}
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
	if f.Do == "log" {
		m.upkeep(ctx)
	}
	return nil
}

// mayReport counts what one member reports: a card that was let go on reporting would bury the machine.
func (m *Machine) mayReport(who reportKey) bool {
	if m.reports == nil {
		m.reports = map[reportKey][]time.Time{}
	}
	now := m.Now()
	m.reports[who] = slices.DeleteFunc(m.reports[who], func(at time.Time) bool { return now.Sub(at) >= reportsIn })
	if len(m.reports[who]) >= reportsMax {
		return false
	}
	m.reports[who] = append(m.reports[who], now)
	return true
}

// tagFor is the tag that a form puts on. Its reason is the problem, and what was written of it. One member's danger is
// one tag, however often they report it, and a form's is one however often it is sent.
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
