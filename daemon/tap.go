package daemon

import (
	"context"
	"errors"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/relay"
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// This file handles a tap, in the order of the steps of the package comment:
//
//	tap → decide → apply → execute → record → show
//
// Only the loop of Machine.Run calls these functions.

// staleTap is the age beyond which a tap is ignored, because a member who gets no answer for so long has walked away or
// has tapped again.
const staleTap = 3 * time.Second

// Step 1: handle an event from the reader.

// readerEvent handles an event from the reader: about the reader itself, about a card, or about a card that the reader
// could not read.
func (e *engine) readerEvent(ctx context.Context, x rfid.Event) {
	switch {
	case x.Unread.Why != "":
		e.showUnreadable(x.Unread)
	case x.Err != nil:
		e.cfg.Logger.Warn("card reader does not answer", "err", x.Err)
		e.apply(ctx, session.Reader{Why: x.Err.Error()})
	case !x.Alive:
		e.apply(ctx, session.Reader{})
	default:
		e.apply(ctx, session.Reader{Alive: true})
		e.cardEvent(ctx, x.Tap)
	}
}

// showUnreadable shows at the panel that the reader cannot read this card, and logs the reason. The input itself is not
// logged: the input may contain a card's number. While a session runs, the panel keeps showing the remaining time.
func (e *engine) showUnreadable(u rfid.Unread) {
	isNew, toLog := e.unread.note(time.Now())
	if toLog > 0 {
		e.cfg.Logger.Warn("reader input ignored", "why", u.Why, "times", toLog)
	}
	if isNew && !e.model.state.Running() {
		e.cfg.Panel.Flash(panel.Unreadable(u.Random), flash)
	}
}

// cardEvent handles a card that was presented, inserted into the reader's slot, or removed from it.
func (e *engine) cardEvent(ctx context.Context, x rfid.Tap) {
	// The removal of a card is never stale. The reader reports a removal only once, and the slot stays empty however late
	// the report is.
	if age := time.Since(x.At); !x.Away && !x.At.IsZero() && age > staleTap {
		e.cfg.Logger.Warn("ignored stale tap", "age", age.Round(time.Millisecond))
		return
	}
	if x.Unproven != nil {
		e.cfg.Logger.Warn("card did not prove that it is genuine", "err", x.Unproven)
	}
	if x.Away {
		e.apply(ctx, session.Removed{Card: x.UID, Member: e.model.rules.memberOf(x.UID), At: x.At})
		return
	}
	if x.UID == (rfid.UID{}) {
		return // the event changes only the state of the reader
	}
	if x.Slot || x.Lies {
		inserted := session.Inserted{Card: x.UID, Member: e.model.rules.memberOf(x.UID), At: x.At, WasThere: x.Lies}
		e.apply(ctx, inserted)
		if !e.model.state.Cards.AsksPolicy() {
			return
		}
	}
	e.tap(ctx, x)
}

// tap handles a card that was presented: it finds the member (step 2), asks the policy (step 3), and passes the
// decision to the session (step 4).
func (e *engine) tap(ctx context.Context, x rfid.Tap) {
	defer e.reportOldKey(ctx, x.UID) // this record is written last, because no member waits for it
	defer e.cfg.Panel.Reading()()
	if x.At.IsZero() {
		x.At = time.Now()
	}
	m, card := e.model, strength(x.Proof)
	person, known := m.rules.lookup(x.UID)

	// A card that began the current session ends it, even if a newer bundle assigns the card differently.
	if owner := m.state.Owner(x.UID); owner != "" && (!known || person.Member.ID != owner) {
		m.presence.leave()
		e.apply(ctx, session.SessionCard{Card: x.UID})
		return
	}
	// The panel answers a refused card and an unknown card each with its own message. After such a card, the machine
	// treats nobody as present.
	refused, isRefused := m.rules.refused(x.UID)
	if isRefused && !known {
		e.refuseCard(ctx, refused, card)
		return
	}
	if !known {
		sealed := e.noteUnknown(x.UID)
		m.presence.leave()
		d, basis := e.decider.decide(nil, nil, card)
		e.apply(ctx, session.Stranger{Decision: d, Basis: basis, Sealed: sealed})
		return
	}
	// The card belongs to a member. The policy decides about the member, or, if a learner waits, about the learner with
	// this member as supervisor.
	member := m.practice.with(person.Member)
	tap := session.Tap{Member: member.ID, Card: x.UID, Strength: card, At: x.At}
	tap.Decision, tap.Basis = e.decider.decide(member, nil, card)
	request := m.state.VouchRequest
	tap.Asked = m.currentMember() == member.ID && request.Open && request.Mentor == member.ID
	m.noteArrival(member.ID, card, tap.Decision)
	if e.onlyIdentifies(member.ID) {
		e.show()
		return
	}
	tap.Supervising, tap.SupervisingBasis = e.decideSupervised(member, card)
	e.apply(ctx, tap)
}

// refuseCard answers the tap of a card that the site refuses. The panel reveals nothing else about the card. After a
// refused card, the machine treats nobody as present.
func (e *engine) refuseCard(ctx context.Context, c roster.RefusedCard, card policy.CardStrength) {
	q := e.decider.question(c.Person.Member, nil, policy.NoRole)
	q.Card, q.CardState = card, c.State
	e.model.presence.leave()
	before := e.cfg.Journal.Len()
	d, basis := e.decider.judge(q)
	e.apply(
		ctx,
		session.RefusedCard{Member: c.Person.Member.ID, State: c.State, Since: c.Since, Decision: d, Basis: basis},
	)
	if c.State.Alerts() && e.cfg.Journal.Len() > before {
		e.cfg.Logger.Warn("refused card tapped", "state", c.State.String(), "member", c.Person.Member.ID)
	}
}

// reportOldKey records, for the hub, that the bundle contains the card only under the previous card key.
func (e *engine) reportOldKey(ctx context.Context, uid rfid.UID) {
	if r, due := e.oldKeyReport(uid); due {
		e.execute(ctx, []session.Effect{r}, time.Now())
	}
}

// strength converts the proof that a card gave to the reader into the policy's type.
func strength(p rfid.Proof) policy.CardStrength {
	if p == rfid.AES {
		return policy.AES
	}
	return policy.NumberOnly
}

// decideSupervised asks the policy about the learner who waits, or works under a supervisor, with this member as the
// supervisor. decideSupervised returns the zero Decision if there is no learner, or if the learner is this member.
func (e *engine) decideSupervised(member *policy.Member, card policy.CardStrength) (policy.Decision, *policy.Basis) {
	s := &e.model.state
	supervised := s.Phase == session.Awaiting || s.Current.Supervisor != ""
	if !supervised || s.Current.Member == member.ID {
		return policy.Decision{}, nil
	}
	learner, known := e.model.rules.person(s.Current.Member)
	if !known {
		return policy.Decision{}, nil
	}
	// Of the two cards, the weaker proof is used, because a mentor's card number can be copied too.
	weaker := min(card, s.Cards.Strength)
	return e.decider.decide(e.model.practice.with(learner.Member), member, weaker)
}

// onlyIdentifies reports whether this tap only identifies the person, because the panel asked for a card: to confirm a
// form from a phone, to endorse an intervention, or to report a problem. A tap that would end a session still ends the
// session, because a member who taps out must be able to rely on that.
func (e *engine) onlyIdentifies(id policy.MemberID) bool {
	m := e.model
	if m.currentMember() != id {
		return false
	}
	// A learner waits for only a minute, so the panel asks the mentor its question later.
	waits := m.state.Phase == session.Awaiting
	confirms := m.forms.opensQuestion(id) && !waits
	endorses := !confirms && m.attests.opensQuestion(id) && !waits // the panel asks one question at a time
	reports := m.presence.acceptReporter(e.cfg.Now())
	if !confirms && !endorses && !reports {
		return false
	}
	m.presence.askedUntil = time.Time{}
	return !m.state.Running() || id != m.state.Current.Member && id != m.state.Current.Supervisor
}

func (e *engine) chooseRole(ctx context.Context, role policy.Role) bool {
	if e.model.rules.roster == nil || e.model.state.Current.Session == "" {
		return false
	}
	p, ok := e.model.rules.roster.Person(e.model.state.Current.Member)
	if !ok {
		return false
	}
	d, basis := e.decider.judge(e.decider.question(e.model.practice.with(p.Member), nil, role))
	e.apply(ctx, session.ChooseRole{Decision: d, Basis: basis})
	return e.model.state.Current.Role == role
}

// Step 4: the session computes the effects.

// apply passes an event to the session, stores the session's new state, and executes its effects.
func (e *engine) apply(ctx context.Context, event session.Event) {
	m := e.model
	in := session.Input{Now: e.cfg.Now(), Settings: m.rules.settings(), Session: e.cfg.NewID(), Event: event}
	if m.rules.roster != nil {
		in.Bundle = m.rules.roster.Version
	}
	began, before := time.Now(), m.state
	var effects []session.Effect
	m.state, effects = session.Next(m.state, in)
	if session.Change(before, m.state) != "" {
		e.cfg.Logger.Info("session", "from", before.String(), "to", m.state.String())
		e.cfg.Panel.EndFlash() // the last answer no longer describes the machine's state
	}
	e.execute(ctx, effects, began)
	e.show()
}

// Steps 5 and 6: commit the record, and then switch the relay.

// execute carries out effects in order. If an effect fails, execute drops the remaining effects and tells the session.
// Therefore the relay closes only after its record was committed. began is the time of the event that caused the
// effects.
func (e *engine) execute(ctx context.Context, effects []session.Effect, began time.Time) {
	for _, effect := range effects {
		switch x := effect.(type) {
		case session.Record:
			if err := e.record(x); err != nil {
				e.cfg.Logger.Error("journal append failed", "kind", x.Kind, "err", err)
				e.apply(ctx, session.RecordFailed{Record: x})
				return
			}
		case session.Relay:
			// If the disk took too long to write the start, the member may have walked away.
			if age := time.Since(began); x.On && age > staleTap && !e.model.relay {
				e.cfg.Logger.Warn("start recorded too late, relay stays open", "age", age.Round(time.Millisecond))
				e.apply(ctx, session.Stop{})
				e.cfg.Panel.Flash(panel.TooSlow(), flash)
				return
			}
			if err := e.switchRelay(ctx, x); err != nil {
				e.switchFailed(ctx, err)
				return
			}
		case session.Notify:
			e.flashResult(x)
		}
	}
}

// record commits a record in one transaction with the facts that must survive a restart.
func (e *engine) record(r session.Record) error {
	facts := e.model.facts(r)
	practice, practised := e.model.practice.after(r, e.cfg.Machine, e.model.believedTime())
	if practised {
		facts.put(FactPractice+string(r.Member), practice)
	}
	if facts.err != nil {
		return facts.err
	}
	if err := e.live.duringCommit(func() error { return e.cfg.Journal.Append(r, facts.values) }); err != nil {
		return err
	}
	if practised {
		e.model.practice.of[r.Member] = practice
	}
	e.afterCommit(r)
	return nil
}

// afterCommit updates the machine's state after a record was committed, and notifies the uplink.
func (e *engine) afterCommit(r session.Record) {
	m := e.model
	m.upkeep.begun = nil
	switch b := r.Body.(type) {
	case wire.InterventionBody:
		m.upkeep.done[b.What] = m.doneNow()
		m.expireAttests()
		m.attests.add(r, b)
	case wire.TagBody:
		if r.Kind == wire.Untagged {
			m.journal.removedTags[b.Tag] = true
			m.journal.awaits = m.journal.awaits && !m.isTagWithoutHub(b.Tag)
		}
	}
	if e.cfg.Uplink != nil {
		e.cfg.Uplink.Notify()
	}
	e.markJournalHealthy()
}

// markJournalHealthy tells the session that the journal accepts records again.
func (e *engine) markJournalHealthy() {
	if e.model.state.Ledger.Broken {
		e.model.state, _ = session.Next(e.model.state, session.Input{Now: e.cfg.Now(), Event: session.Recorded{}})
	}
}

// recordAlone commits one record that no event of the session has caused.
func (e *engine) recordAlone(ctx context.Context, kind wire.Kind, body any) {
	e.execute(ctx, []session.Effect{session.Record{Kind: kind, Body: body}}, time.Now())
}

// requireWrittenSince returns an error unless more than n records are in the journal.
func (e *engine) requireWrittenSince(n uint64) error {
	switch {
	case e.cfg.Journal.Len() > n && !e.model.state.Ledger.Broken:
		return nil
	case e.model.state.Ledger.Broken:
		return panel.NotSaved
	}
	return panel.NotNow
}

// keepPhoto stores a form's photo permanently. keepPhoto may take as long as a commit.
func (e *engine) keepPhoto(entry panel.Entry) error {
	err := e.live.duringCommit(func() error { return entry.Photo.Keep() })
	return err
}

// switchRelay orders the guard to switch the relay. An order to open the relay always succeeds: if the guard has ended,
// no process holds the pin, so the relay is open.
func (e *engine) switchRelay(ctx context.Context, r session.Relay) error {
	err := e.cfg.Switch.Set(ctx, r)
	e.model.relay = r.On && err == nil
	if err != nil {
		e.cfg.Logger.Warn("guard did not confirm the order", "on", r.On, "err", err)
		if !r.On {
			return nil
		}
	}
	return err
}

// switchFailed ends a session whose relay did not close.
func (e *engine) switchFailed(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil: // the daemon is shutting down, so there is no fault
		e.apply(context.WithoutCancel(ctx), session.Shutdown{})
		return
	case errors.Is(err, relay.ErrContactorOpening): // this is not a fault, because no later event would clear it
		e.apply(ctx, session.Stop{})
		e.cfg.Panel.Flash(panel.StillStopping(), flash)
		return
	}
	what := session.GuardLost
	// An input has just opened, and the guard's event about it has not arrived yet.
	if r := relay.Refusal(""); errors.As(err, &r) {
		what = session.FaultKind(r)
	}
	e.apply(ctx, session.FaultRaised{What: what, Why: err.Error()})
}

// Step 7: update the panel and the hub.

// show updates the panel and the hub with the state of the machine.
func (e *engine) show() {
	e.followHub()
	e.model.expireAttests()
	e.cfg.Panel.Show(e.views.view())
	e.cfg.Panel.SetNote(e.views.footnote())
	if e.cfg.Uplink != nil {
		e.cfg.Uplink.SetState(e.views.wireState())
	}
}
