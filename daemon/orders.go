package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// Do answers an operator at the control socket. Whoever may open the socket may order; a tap given there is a tap.
func (m *Machine) Do(ctx context.Context, r control.Request) control.Reply {
	return m.loop.within(ctx, func(ctx context.Context) control.Reply { return m.operator.order(ctx, r, "") })
}

// Obey carries out a command that was signed for this machine, and records the result. A tag that is on the machine
// already changes nothing; a tag that was taken off stays off, so a replayed command does nothing. A tag is taken off
// at the machine alone.
func (m *Machine) Obey(ctx context.Context, c wire.Command) error {
	rep := m.loop.within(ctx, func(ctx context.Context) control.Reply { return m.operator.obey(ctx, c) })
	if !rep.OK {
		return errors.New(rep.Error)
	}
	return nil
}

// obey runs in the loop.
func (m *operator) obey(ctx context.Context, c wire.Command) (rep control.Reply) {
	switch {
	case c.Do == "tag" && m.engine.model.isTagged(c.TagID()):
		return control.Reply{OK: true}
	case c.Do == "tag" && m.engine.model.journal.removedTags[c.TagID()]:
		return control.Reply{Error: fmt.Sprintf("the tag %.64s was taken off at the machine; a new tag needs a new id", c.TagID())}
	case c.Do == "untag":
		rep = control.Reply{Error: "a tag cannot be taken off from the hub; a maintainer takes it off at the machine"}
	case c.Do == "tag", c.Do == "stop":
		rep = m.order(ctx, control.Request{Do: c.Do, Tag: c.Tag, Reason: c.Reason, Now: c.Now}, c.ID)
	default:
		rep = control.Reply{Error: fmt.Sprintf("this machine does not know the command %.40q; it knows tag and stop", c.Do)}
	}
	m.recordCommand(ctx, c, rep.Error)
	return rep
}

// refusalEvery is how often the same refusal of a command is recorded: whoever can replay a command cannot fill the
// disk.
const refusalEvery = time.Minute

// refusalsMost bounds how many different refusals are recorded in that time.
const refusalsMost = 8

// worthARecord reports whether a refusal is the first of its kind for a while.
func (m *operator) worthARecord(refusal string) bool {
	now := m.cfg.Now()
	maps.DeleteFunc(m.refusals, func(_ string, at time.Time) bool { return now.Sub(at).Abs() >= refusalEvery })
	if _, recent := m.refusals[refusal]; recent || len(m.refusals) >= refusalsMost {
		return false
	}
	if m.refusals == nil {
		m.refusals = map[string]time.Time{}
	}
	m.refusals[refusal] = now
	return true
}

// recordCommand records what became of a command.
func (m *operator) recordCommand(ctx context.Context, c wire.Command, refusal string) {
	if refusal != "" && !m.worthARecord(refusal) {
		return
	}
	m.engine.recordAlone(ctx, wire.Commanded, wire.CommandBody{ID: c.ID, Do: c.Do, Why: refusal})
}

func (m *operator) order(ctx context.Context, r control.Request, id string) control.Reply {
	switch r.Do {
	case "status":
		m.engine.followHub()
		s := m.engine.views.status()
		return control.Reply{OK: true, Status: &s}
	case "tap":
		return m.orderTap(ctx, r.Card)
	case "role":
		return m.orderRole(ctx, r.Role)
	case "tag":
		return m.orderTag(ctx, r, id)
	case "untag":
		return m.orderUntag(ctx, r.Tag)
	case "stop":
		if m.engine.model.state.Current.Session == "" {
			return control.Reply{OK: true, FR: "Aucune session n’est en cours", EN: "No session is running"}
		}
		m.engine.apply(ctx, session.Stop{})
		return m.panelReply(true)
	case "log":
		return m.orderLog(ctx, r)
	case "unknown":
		return m.orderUnknown()
	}
	return control.Reply{Wrong: true, Error: fmt.Sprintf("%q is not an order this daemon knows", r.Do), Hint: "status, tap, role, tag, untag, stop, log or unknown"}
}

// panelReply is the panel's sentence as the answer.
func (m *operator) panelReply(ok bool) control.Reply {
	v := m.cfg.Panel.Current()
	join := func(a, b string) string {
		if b == "" {
			return a
		}
		return a + ". " + b
	}
	return control.Reply{OK: ok, FR: join(v.Line.FR, v.Next.FR), EN: join(v.Line.EN, v.Next.EN)}
}

func (m *operator) orderTap(ctx context.Context, card string) control.Reply {
	c, err := rfid.ParseCard(card)
	if err != nil {
		return control.Reply{Wrong: true, Error: err.Error(), Hint: rfid.CardFormats}
	}
	if c.Part {
		m.engine.model.rules.typedPart = c.Number
		defer func() { m.engine.model.rules.typedPart = rfid.UID{} }()
	}
	m.cfg.Panel.EndFlash()
	m.engine.tap(ctx, rfid.Tap{UID: c.Number})
	sign := m.cfg.Panel.Current().Sign
	if sign == panel.SignReading { // the card was read before: the machine's state answers
		sign = m.engine.views.phaseView().Sign
	}
	return m.panelReply(!sign.IsRefusal())
}

func (m *operator) orderRole(ctx context.Context, name string) control.Reply {
	var role policy.Role
	if err := role.UnmarshalText([]byte(name)); err != nil || role == policy.NoRole {
		return control.Reply{Wrong: true, Error: fmt.Sprintf("%q is no role", name), Hint: "learner, user, host, mentor or maintainer"}
	}
	if !m.engine.chooseRole(ctx, role) {
		return control.Reply{Error: fmt.Sprintf("the role %s cannot be taken now", role), Hint: "it is offered for a minute after the tap, to members whose badges give it"}
	}
	return m.panelReply(true)
}

func (m *engine) chooseRole(ctx context.Context, role policy.Role) bool {
	if m.model.rules.roster == nil || m.model.state.Current.Session == "" {
		return false
	}
	p, ok := m.model.rules.roster.Person(m.model.state.Current.Member)
	if !ok {
		return false
	}
	d, basis := m.decider.judge(m.decider.question(m.model.practice.with(p.Member), nil, role))
	m.apply(ctx, session.ChooseRole{Decision: d, Basis: basis})
	return m.model.state.Current.Role == role
}

func (m *operator) orderTag(ctx context.Context, r control.Request, id string) control.Reply {
	if strings.TrimSpace(r.Reason) == "" || len(r.Reason) > 200 {
		return control.Reply{Wrong: true, Error: "a tag needs a reason of 1 to 200 bytes: it is what the members read"}
	}
	if len(r.Tag) > 64 {
		return control.Reply{Wrong: true, Error: fmt.Sprintf("a tag's name has at most 64 bytes, not %d", len(r.Tag))}
	}
	if strings.HasPrefix(r.Tag, duePrefix) {
		return control.Reply{Wrong: true, Error: fmt.Sprintf("a tag that begins with %q is the machine's own", duePrefix)}
	}
	if id == "" && IsJournalTag(r.Tag) { // a restore takes these off; the hub sends back those that were on the machine
		return control.Reply{Wrong: true, Error: fmt.Sprintf("a tag that begins with %q or %q is the machine's own", tagNew, tagOlder)}
	}
	if r.Tag != "" {
		id = r.Tag
	}
	if id == "" {
		id = m.cfg.NewID()
	}
	m.engine.apply(ctx, session.AddTag{Tag: session.Tag{ID: id, Reason: r.Reason, Since: m.cfg.Now()}, Now: r.Now})
	if !m.engine.model.isTagged(id) {
		return control.Reply{Error: fmt.Sprintf("too many tags hang on this machine: %d", len(m.engine.model.state.Holds.Tags)), Hint: "take one off first"}
	}
	if m.engine.model.state.Running() {
		t := panel.TagWaits()
		return control.Reply{OK: true, FR: t.FR, EN: t.EN}
	}
	return m.panelReply(true)
}

func (m *operator) orderUntag(ctx context.Context, id string) control.Reply {
	tags := m.engine.model.state.Holds.Tags
	if id == "" && len(tags) == 1 {
		id = tags[0].ID
	}
	if len(tags) == 0 {
		return control.Reply{Error: "no tag hangs on this machine"}
	}
	if !m.engine.model.isTagged(id) {
		return control.Reply{Error: fmt.Sprintf("no tag %q hangs here", id), Hint: "machine status lists the tags: " + strings.Join(tagLines(tags), "; ")}
	}
	if m.engine.apply(ctx, session.RemoveTag{ID: id}); m.engine.model.isTagged(id) {
		return control.Reply{Error: "the journal does not take it, so the tag stays", Hint: "see the machine's panel, then try again"}
	}
	return m.panelReply(true)
}

// isTagged reports whether a tag hangs on the machine.
func (m *model) isTagged(id string) bool {
	return slices.ContainsFunc(m.state.Holds.Tags, func(t session.Tag) bool { return t.ID == id })
}

func (m *operator) orderLog(ctx context.Context, r control.Request) control.Reply {
	if m.engine.model.state.Phase != session.Maintenance {
		return control.Reply{Error: "no maintainer is at work here", Hint: "an intervention is logged under a maintainer's tap"}
	}
	if kinds := m.engine.model.rules.roster.Policy.InterventionKinds(m.cfg.Machine); !slices.Contains(kinds, r.Kind) {
		return control.Reply{Wrong: true, Error: fmt.Sprintf("the kind %q is not one of this machine's", r.Kind), Hint: "one of: " + strings.Join(kinds, ", ")}
	}
	if r.Minute < 0 || r.Minute > 24*60 || len(r.Note) > 500 {
		return control.Reply{Wrong: true, Error: "minutes go from 0 to 1440, a note has at most 500 bytes"}
	}
	before := m.cfg.Journal.Len()
	m.engine.apply(ctx, session.Log{What: r.Kind, Minutes: r.Minute, Note: r.Note, ID: m.engine.model.attestID(r.Kind)})
	if m.cfg.Journal.Len() == before {
		return control.Reply{Error: "the journal did not take the intervention"}
	}
	m.periodic.upkeep(ctx)
	return m.panelReply(true)
}

func faultNames(faults []session.FaultKind) []string {
	var out []string
	for _, f := range faults {
		out = append(out, string(f))
	}
	return out
}

func tagLines(tags []session.Tag) []string {
	out := make([]string, len(tags))
	for i, t := range tags {
		out[i] = t.ID + " " + t.Reason
	}
	return out
}

func (m *views) status() control.Status {
	s := m.model.state
	out := control.Status{Site: string(m.cfg.Site), Machine: string(m.cfg.Machine), Phase: s.Phase.String(), Relay: m.model.relay,
		Session: s.Current.Session, Member: string(s.Current.Member), Supervisor: string(s.Current.Supervisor), Assistant: string(s.Current.Assistant),
		Since: m.model.rules.siteTime(m.model.wall(s.Current.Since)), Until: m.model.rules.siteTime(m.model.wall(s.Current.Until)), Tags: tagLines(s.Holds.Tags), Faults: faultNames(s.Holds.Faults), Reader: m.cfg.Reader && !s.Holds.ReaderDown, NoReader: !m.cfg.Reader, Alone: m.cfg.Uplink == nil,
		Clock: string(wire.ClockUntrusted), Journal: m.cfg.Journal.Len()}
	if s.Current.Role != policy.NoRole {
		out.Role = s.Current.Role.String()
	}
	if m.cfg.Trusted() {
		out.Clock = string(wire.ClockTrusted)
	}
	if m.model.rules.roster != nil {
		out.Bundle = m.model.rules.roster.Version
		for _, d := range m.model.rules.roster.Denied {
			out.Denied = append(out.Denied, fmt.Sprintf("%s: %v", d.Member, d.Why))
		}
	}
	if out.JournalDamage = m.journalTrouble(); m.model.journal.awaits {
		out.NewJournal = string(m.cfg.Journal.Generation())
	}
	out.BundleDamage, out.Screens = m.model.links.damagedBundle(), m.screenStatus()
	m.hubStatus(&out)
	out.BundleRefused = m.model.links.refusedBundle()
	if m.cfg.Acked != nil {
		out.Acked = m.cfg.Acked()
	}
	return out
}
