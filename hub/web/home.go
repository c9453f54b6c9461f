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

// todayPages serves the start page, the page of today, and the page about the hub.
type todayPages struct {
	naming    *machinePages
	directory Directory
	machines  Machines
	now       func() time.Time
	version   string
}

// routes returns the routes of these pages.
func (p *todayPages) routes() []route {
	return []route{{"GET /{$}", p.home}, {"GET /about", p.about}, {"GET /today", p.today}}
}

// home answers GET /. home redirects users who may see members or the sessions of machines to the page of today, and
// other members to their own record.
func (p *todayPages) home(q *request) error {
	switch {
	case q.actor.Account == "":
		return q.redirect("/sign-in", "")
	case q.actor.Member != "" && q.actor.May(actor.ReadMembers, actor.Target{}) != nil && len(q.actor.Machines) == 0 &&
		p.directory != (Directory{}):
		return q.redirect("/me", "")
	}
	return q.redirect("/today", "")
}

// about answers GET /about with a page that explains the hub, and how a browser can trust the hub's certificate.
func (p *todayPages) about(q *request) error {
	return q.render(200, "about", "settings", "about.title", p.version)
}

// todayPage is the data of the page of today: machines in use and out of service, the last unknown cards, and the
// memberships and badges that end soon.
type todayPage struct {
	On, Off []machineWithUser
	Free    []machineWithUser
	Start   bool // true: the site has no machine yet, and the user may add machines
	Taps    []directory.Tap
	Ended   []directory.Ending
	Soon    []directory.Ending
	MoreEnd int
	// Erasures are the members' open requests for erasure; empty: there are none, or the reader may not erase members.
	Erasures []directory.ErasureRequest
	Lists    []directory.SourceState // lists of members that wait for the reader, or fail
}

// machineWithUser is a machine together with the name of the machine's current user.
type machineWithUser struct {
	enrol.Machine
	Who string // name of the user; empty: unknown, or the reader may not see the name
}

// Attention reports whether a person should check the machine because of a problem.
func (s machineWithUser) Attention() bool {
	st := s.Standing
	return len(st.Tags) > 0 || len(st.Faults) > 0 || st.Phase == "fault" || !s.Revoked.IsZero() || !s.Enrolled.IsZero() &&
		!st.Online ||
		st.Refused != "" ||
		st.RefuseOf != "" ||
		st.Clock == "untrusted"
}

// maxEndings is the maximum number of past and of coming endings on the page of today.
const maxEndings = 8

// today answers GET /today.
func (p *todayPages) today(q *request) error {
	var d todayPage
	if err := p.machinesOfToday(q, &d); err != nil {
		return err
	}
	if p.directory != (Directory{}) {
		taps, _, err := p.directory.Taps.Unknown(ctxOf(q), q.actor, directory.Page{Limit: 6})
		if err = ignoreDenied(err); err != nil {
			return err
		}
		d.Taps = taps
		ends, err := p.directory.Members.Endings(ctxOf(q), q.actor)
		if err = ignoreDenied(err); err != nil {
			return err
		}
		d.Ended, d.Soon, d.MoreEnd = split(ends, p.now())
		d.Erasures, err = p.directory.Erasures.Requests(ctxOf(q), q.actor)
		if err = ignoreDenied(err); err != nil {
			return err
		}
		if d.Lists, err = p.listsForPerson(q); err != nil {
			return err
		}
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

// machinePages serves the pages of machines.
type machinePages struct {
	directory      Directory
	machineName    func(tongue, policy.MachineID) string
	machines       Machines
	codes          Codes
	orders         Orders
	policyMachines func() []policy.MachineID
}

// standing returns a machine together with the name of the machine's current user, if the reader may see the name.
func (p *machinePages) standing(q *request, m enrol.Machine) (machineWithUser, error) {
	s := machineWithUser{Machine: m}
	if m.Standing.Session == nil {
		return s, nil
	}
	name, err := p.nameOf(q, m.Standing.Session.Member)
	s.Who = name
	return s, err
}

// nameOf returns a member's name. The name is empty if the reader may not see the name, or if the member was removed.
func (p *machinePages) nameOf(q *request, id policy.MemberID) (string, error) {
	if p.directory == (Directory{}) || id == "" {
		return "", nil
	}
	m, err := p.directory.Members.Get(ctxOf(q), q.actor, id)
	var gone *fault.NotFound
	if errors.As(err, &gone) || err != nil && ignoreDenied(err) == nil {
		return "", nil
	}
	return m.Name, err
}

// split separates past endings from coming endings. split returns up to shown endings of each kind, and the number of
// all other endings.
func split(ends []directory.Ending, now time.Time) (ended, soon []directory.Ending, more int) {
	for _, e := range ends {
		to := &soon
		if e.At.Before(now) {
			to = &ended
		}
		if len(*to) == maxEndings {
			more++
			continue
		}
		*to = append(*to, e)
	}
	return ended, soon, more
}
