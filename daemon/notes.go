package daemon

import (
	"fmt"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
)

// dangerNoted is how long the panel shows a danger that was reported unsigned, unless a maintainer has worked at the
// machine since the report.
const dangerNoted = 24 * time.Hour

func (v *views) footnote() policy.Text {
	for _, note := range []func() policy.Text{ // the first note that is not empty, most urgent first
		v.sessionNote, v.unsignedNote, v.journalNote, v.bundleNote, v.endorserNote, v.membershipNote, v.maintenanceNote,
	} {
		if t := note(); t != (policy.Text{}) {
			return t
		}
	}
	return v.hubNote()
}

// sessionNote returns the note for the member in the session.
func (v *views) sessionNote() policy.Text {
	s := &v.model.state
	switch {
	case !s.Running():
	case s.Holds.ReaderDown:
		silent := panel.ReaderSilent(true)
		return policy.Text{FR: silent.Line.FR + ". " + silent.Next.FR, EN: silent.Line.EN + ". " + silent.Next.EN}
	case s.Ledger.Broken || len(s.Ledger.Pending) > 0:
		return panel.CannotRecord().Line
	case len(s.Holds.Tags) > 0:
		return panel.TagNote(v.reason(s.Holds.Tags[0]), s.Phase == session.Maintenance)
	}
	return policy.Text{}
}

// unsignedNote returns the note about unsigned forms; empty: none.
func (v *views) unsignedNote() policy.Text {
	now := v.cfg.Now()
	switch {
	case !v.model.forms.dangerAt.IsZero() && now.Sub(v.model.forms.dangerAt) < dangerNoted:
		return panel.DangerUnsigned()
	case len(v.model.forms.waiting) > 0:
		return panel.Unconfirmed(v.model.rules.name(v.model.forms.waiting[0].opener))
	case !v.model.forms.droppedAt.IsZero() && now.Sub(v.model.forms.droppedAt) < session.ChooseFor:
		return panel.NotConfirmed()
	}
	return policy.Text{}
}

func (v *views) journalNote() policy.Text {
	switch {
	case v.model.journal.damage.Load() != nil:
		return panel.DamagedJournal()
	case v.model.journal.awaits:
		return panel.NewJournal()
	case v.model.journal.mismatch.Load() != nil:
		return panel.OlderJournal()
	}
	return policy.Text{}
}

// bundleNote returns the note that a damaged members' list was replaced by an earlier one.
func (v *views) bundleNote() policy.Text {
	members := v.model.rules.roster
	if v.model.links.bundleDamage() == "" || members == nil || members.Version >= v.model.links.bundle.Load().Version {
		return policy.Text{}
	}
	return panel.EarlierList()
}

// endorserNote returns the note that names the endorser whose card is needed; empty: no intervention waits. While the
// session runs, that card also ends the session.
func (v *views) endorserNote() policy.Text {
	if len(v.model.attests.waiting) == 0 {
		return policy.Text{}
	}
	a := v.model.attests.waiting[0]
	return panel.WaitsForEndorser(
		v.model.rules.name(a.endorser),
		v.model.state.Running() && v.model.state.Current.Session == a.session,
	)
}

// membershipNote returns the note for the member of the running session that their membership ends soon, or has ended.
// Empty: no note.
func (v *views) membershipNote() policy.Text {
	if !v.model.state.Running() {
		return policy.Text{}
	}
	p, known := v.model.rules.person(v.model.state.Current.Member)
	if !known {
		return policy.Text{}
	}
	rule, zone, c := v.model.rules.roster.Policy.Membership, v.model.rules.roster.Policy.Zone, v.model.rules.clock()
	q := v.decider.question(p.Member, nil, policy.NoRole)
	switch state, last := v.model.rules.roster.Policy.MembershipOf(q); state {
	case policy.EndsSoon:
		return c.MembershipUntil(last.Noon(zone))
	case policy.InGrace:
		return c.MembershipOver(last.Noon(zone), rule.LastUse(last).Noon(zone))
	case policy.HasLapsed:
		return c.MembershipLapsed(last.Noon(zone))
	}
	return policy.Text{}
}

// maintenanceNote returns the note about maintenance that is due now or soon.
func (v *views) maintenanceNote() policy.Text {
	due := v.model.plannedWork()
	if len(due) == 0 {
		return policy.Text{}
	}
	mach, _ := v.model.rules.machine()
	return panel.MaintenanceNote(mach.KindName(due[0].Kind), due[0].Over, due[0].ByHours, due[0].Remaining)
}

// hubNote returns the note that the hub acknowledges no records; empty: the hub acknowledges them. Members need to do
// nothing about the delay.
func (v *views) hubNote() policy.Text {
	if v.model.links.hub.Overdue {
		return panel.RecordsKept()
	}
	return policy.Text{}
}

// journalTrouble describes the problem of the journal, for an operator; empty: none known.
func (v *views) journalTrouble() string {
	if d := v.model.journal.damage.Load(); d != nil {
		return *d
	}
	if v.model.journal.awaits {
		return v.newJournalTrouble()
	}
	if x := v.model.journal.mismatch.Load(); x != nil {
		return fmt.Sprintf("the hub holds %d records of another state of this journal, which has %d: tags may be missing; "+
			"restart the daemon (sudo systemctl restart portillond@%s): it keeps this journal under another name "+
			"and begins a new one; then at the hub: %s",
			x.Hub, x.Here, v.cfg.Machine, ReplaceCommand(v.cfg.Machine))
	}
	return ""
}

// ReplaceCommand returns the command that an administrator runs at the hub for a machine with a new journal.
func ReplaceCommand(m policy.MachineID) string {
	return fmt.Sprintf("portillon machine replace %s --hub hub.yaml", m)
}

// newJournalTrouble returns the instructions for a new journal, for an operator.
func (v *views) newJournalTrouble() string {
	if v.cfg.Uplink == nil {
		return fmt.Sprintf(
			"the journal began anew (generation %s), and no hub is configured that knows the one before: "+
				"tags and running hours may be missing; "+
				"check the machine, then: portillon machine untag --socket SOCKET %s",
			v.cfg.Journal.Generation(),
			v.model.newJournalTag(),
		)
	}
	return fmt.Sprintf(
		"the journal began anew (generation %s): tags, running hours and practice are at the hub; there: %s",
		v.cfg.Journal.Generation(),
		ReplaceCommand(v.cfg.Machine),
	)
}
