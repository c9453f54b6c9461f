package web

import (
	"errors"
	"time"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/enrol"
	"portillon/hub/fault"
	"portillon/policy"
)

// todayPages are the start page, the page of today, and the page about the hub.
type todayPages struct {
	naming    *machinePages
	directory Directory
	machines  Machines
	now       func() time.Time
	version   string
}

// routes returns the pages.
func (p *todayPages) routes() []route {
	return []route{{"GET /{$}", p.home}, {"GET /about", p.about}, {"GET /today", p.today}}
}

// home answers GET /: the page of today for users who may see sessions of machines or members, and the own record for
// other members.
func (p *todayPages) home(q *request) error {
	switch {
	case q.actor.Account == "":
		return q.to("/sign-in", "")
	case q.actor.Member != "" && q.actor.May(actor.ReadMembers, actor.Target{}) != nil && len(q.actor.Machines) == 0 &&
		p.directory != (Directory{}):
		return q.to("/me", "")
	}
	return q.to("/today", "")
}

// about answers GET /about: what the hub is, and how to make a browser trust its certificate.
func (p *todayPages) about(q *request) error {
	return q.render(200, "about", "settings", "about.title", p.version)
}

// todayPage is the data of the page of today: machines in use and out of service, the last unknown cards, and the
// memberships and badges that end soon.
type todayPage struct {
	On, Off []standing
	Free    []standing
	Start   bool // there is no machine yet, and the user may add machines
	Taps    []directory.Tap
	Ended   []directory.Ending
	Soon    []directory.Ending
	MoreEnd int
}

// standing is a machine with the name of its current user.
type standing struct {
	enrol.Machine
	Who string // empty: unknown, or the reader may not see it
}

// Attention reports whether someone should check the machine.
func (s standing) Attention() bool {
	st := s.Standing
	return len(st.Tags) > 0 || len(st.Faults) > 0 || st.Phase == "fault" || !s.Revoked.IsZero() || !s.Enrolled.IsZero() &&
		!st.Online ||
		st.Refused != "" ||
		st.RefuseOf != "" ||
		st.Clock == "untrusted"
}

// shown is the maximum number of endings on the page of today.
const shown = 8

// today answers GET /today.
func (p *todayPages) today(q *request) error {
	var d todayPage
	if err := p.machinesOfToday(q, &d); err != nil {
		return err
	}
	if p.directory != (Directory{}) {
		taps, _, err := p.directory.Taps.Unknown(ctxOf(q), q.actor, directory.Page{Limit: 6})
		if err = optional(err); err != nil {
			return err
		}
		d.Taps = taps
		ends, err := p.directory.Members.Endings(ctxOf(q), q.actor)
		if err = optional(err); err != nil {
			return err
		}
		d.Ended, d.Soon, d.MoreEnd = split(ends, p.now())
	}
	return q.render(200, "today", "today", "today.title", d)
}

// machinesOfToday adds the machines to the page, grouped by state.
func (p *todayPages) machinesOfToday(q *request, d *todayPage) error {
	if p.machines == nil {
		return nil
	}
	list, err := p.machines.List(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	d.Start = len(list) == 0 && q.actor.May(actor.EnrolMachines, actor.Target{}) == nil
	for _, m := range list {
		s, err := p.naming.standing(q, m)
		if err != nil {
			return err
		}
		switch {
		case m.Standing.Session != nil:
			d.On = append(d.On, s)
		case !s.Attention() && m.Standing.Online: // a machine that waits for its enrolment is not available
			d.Free = append(d.Free, s)
		}
		if s.Attention() {
			d.Off = append(d.Off, s)
		}
	}
	return nil
}

// machinePages are the pages of machines.
type machinePages struct {
	directory      Directory
	machineName    func(tongue, policy.MachineID) string
	machines       Machines
	codes          Codes
	orders         Orders
	policyMachines func() []policy.MachineID
}

// standing returns a machine with the name of its current user, if the reader may see it.
func (p *machinePages) standing(q *request, m enrol.Machine) (standing, error) {
	s := standing{Machine: m}
	if m.Standing.Session == nil {
		return s, nil
	}
	name, err := p.nameOf(q, m.Standing.Session.Member)
	s.Who = name
	return s, err
}

// nameOf returns a member's name. It is empty if the reader may not see it, or if the member was removed.
func (p *machinePages) nameOf(q *request, id policy.MemberID) (string, error) {
	if p.directory == (Directory{}) || id == "" {
		return "", nil
	}
	m, err := p.directory.Members.Get(ctxOf(q), q.actor, id)
	var gone *fault.NotFound
	if errors.As(err, &gone) || err != nil && optional(err) == nil {
		return "", nil
	}
	return m.Name, err
}

// split separates past endings from coming ones, up to shown of each, and counts the rest.
func split(ends []directory.Ending, now time.Time) (ended, soon []directory.Ending, more int) {
	for _, e := range ends {
		to := &soon
		if e.At.Before(now) {
			to = &ended
		}
		if len(*to) == shown {
			more++
			continue
		}
		*to = append(*to, e)
	}
	return ended, soon, more
}
