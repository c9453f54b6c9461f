package webtest

import (
	"context"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/report"
	"portillon/policy"
)

// ReportLost sets an active card of the actor's own member to lost.
func (d Directory) ReportLost(_ context.Context, a actor.Actor, card string) error {
	leave, err := d.Site.enter(a, actor.LoseOwnCard, actor.Target{Member: a.Member})
	if err != nil {
		return err
	}
	defer leave()
	m := d.Site.find(a.Member)
	if m == nil {
		return missing("member", string(a.Member))
	}
	for i := range m.Cards {
		if c := &m.Cards[i]; c.ID == card {
			if c.State == directory.Active {
				c.State, c.Since = directory.Lost, d.Site.now
				d.Site.log(a, actor.LoseOwnCard, "member "+string(m.ID), "card "+card+" is lost")
			}
			return nil
		}
	}
	return missing("card", card)
}

// Own implements web.OwnAccess.
type Own struct{ Site *Site }

// enterOwn locks the site for a call about the actor's own member.
func (o Own) enterOwn(a actor.Actor) (leave func(), err error) {
	leave, err = o.Site.enter(a, actor.ReadOwn, actor.Target{Member: a.Member})
	if err == nil && o.Site.find(a.Member) == nil {
		leave()
		return nil, missing("member", string(a.Member))
	}
	return leave, err
}

// Machines returns one machine of each kind of answer.
func (o Own) Machines(_ context.Context, a actor.Actor) (directory.OwnAccess, error) {
	leave, err := o.enterOwn(a)
	if err != nil {
		return directory.OwnAccess{}, err
	}
	defer leave()
	text := func(fr, en string) policy.Text { return policy.Text{FR: fr, EN: en} }
	out := directory.OwnAccess{}
	for _, c := range o.Site.find(a.Member).Cards {
		if c.State == directory.Active {
			out.Cards++
		}
	}
	out.Machines = []directory.OwnMachine{
		{Machine: "laser", State: &directory.MachineState{Online: true, InUse: true}, Verdict: policy.Allow,
			Role: policy.User, Until: o.Site.now.Add(2 * time.Hour), Others: []policy.Role{policy.Mentor}},
		{Machine: "vinyl", State: &directory.MachineState{Online: true, Tagged: true},
			Why: policy.Sentence{Fact: text("Machine hors service", "Machine out of service"),
				Next: text("Prochaine étape : attendre la remise en service", "Next step: wait until it is returned to service")}},
		{Machine: "fdm", State: &directory.MachineState{}, Verdict: policy.Await, Role: policy.Learner,
			Until: o.Site.now.Add(time.Hour), Unsure: true, AESCard: true},
		{Machine: "lathe", Verdict: policy.Allow, Role: policy.User, Tolerated: true,
			Why: policy.Sentence{Fact: text("Il manque le badge « Tour »", "The badge “Lathe” is missing"),
				Next: text("Prochaine étape : voir un mentor", "Next step: see a mentor")}},
	}
	return out, nil
}

// Path returns one step of each kind.
func (o Own) Path(_ context.Context, a actor.Actor) ([]directory.OwnPath, error) {
	leave, err := o.enterOwn(a)
	if err != nil {
		return nil, err
	}
	defer leave()
	late := policy.Text{FR: "Cette intervention est trop ancienne.", EN: "This intervention is too old."}
	lacks := func(c policy.Code, b policy.BadgeID) directory.OwnMissing {
		return directory.OwnMissing{Reason: policy.Reason{Code: c, Badge: b}}
	}
	work, hours := lacks(policy.NoBadge, "laser-maintainer"), lacks(policy.NotEnoughHours, "laser-mentor")
	hours.Have, hours.Want = 3*time.Hour+20*time.Minute, 10*time.Hour
	work.Work = &directory.OwnWork{Badge: "laser-maintainer", Counted: 2, Needed: 5, Days: 1, Spread: 3,
		Rejected: []directory.RejectedWork{{Machine: "laser", At: o.Site.now.AddDate(-1, 0, 0), What: "lens-cleaning",
			Why: []policy.Text{late}}}}
	return []directory.OwnPath{
		{Machine: "laser", Held: []policy.Role{policy.Learner, policy.User},
			Steps: []directory.OwnStep{
				{Role: policy.Mentor, Missing: []directory.OwnMissing{lacks(policy.NoBadge, "laser-mentor"), hours}},
				{Role: policy.Maintainer, Missing: []directory.OwnMissing{work}},
			},
			Skills: []directory.OwnSkill{{Name: policy.Text{FR: "Mise au point", EN: "Focusing"}, Times: 2},
				{Name: policy.Text{FR: "Rangement et nettoyage", EN: "Tidying up"}}}},
		{Machine: "vinyl", Steps: []directory.OwnStep{{Role: policy.Learner, Supervised: true,
			Missing: []directory.OwnMissing{lacks(policy.BadgeExpired, "vinyl-first-steps")}},
			{Role: policy.User, Missing: []directory.OwnMissing{lacks(policy.BadgeRevoked, "vinyl-user"),
				lacks(policy.BadgeUnverified, "vinyl-user"), lacks(policy.NotRecent, "vinyl-user")}}}},
		{Machine: "fdm", Held: []policy.Role{policy.Maintainer}},
	}, nil
}

// Records returns one record of the actor's own member.
func (o Own) Records(_ context.Context, a actor.Actor) ([]directory.OwnRecord, error) {
	leave, err := o.enterOwn(a)
	if err != nil {
		return nil, err
	}
	defer leave()
	return []directory.OwnRecord{{Machine: "laser", At: o.Site.now.Add(-time.Hour), Clock: "trusted", Kind: "refused",
		Body: []byte(`{"reasons":["outside-hours"]}`)}}, nil
}

// Erasures implements web.Erasures.
type Erasures struct{ Site *Site }

// Request stores a request for erasure of the actor's own member.
func (d Erasures) Request(_ context.Context, a actor.Actor) error {
	return d.setRequest(a, func(id policy.MemberID) { d.Site.directory.erasures[id] = d.Site.now })
}

// Withdraw removes the request of the actor's own member.
func (d Erasures) Withdraw(_ context.Context, a actor.Actor) error {
	return d.setRequest(a, func(id policy.MemberID) { delete(d.Site.directory.erasures, id) })
}

// setRequest changes the request of the actor's own member.
func (d Erasures) setRequest(a actor.Actor, change func(policy.MemberID)) error {
	leave, err := d.Site.enter(a, actor.AskErasure, actor.Target{Member: a.Member})
	if err != nil {
		return err
	}
	defer leave()
	if d.Site.find(a.Member) == nil {
		return missing("member", string(a.Member))
	}
	change(a.Member)
	return nil
}

// Requested returns the time of the request of the actor's own member.
func (d Erasures) Requested(_ context.Context, a actor.Actor) (time.Time, error) {
	leave, err := Own(d).enterOwn(a)
	if err != nil {
		return time.Time{}, err
	}
	defer leave()
	return d.Site.directory.erasures[a.Member], nil
}

// Requests returns all requests for erasure.
func (d Erasures) Requests(_ context.Context, a actor.Actor) (out []directory.ErasureRequest, err error) {
	leave, err := d.Site.enter(a, actor.EraseMembers, actor.Target{})
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, m := range d.Site.directory.members {
		if at, ok := d.Site.directory.erasures[m.ID]; ok {
			out = append(out, directory.ErasureRequest{Member: m.ID, Name: seen(a, m).Name, At: at})
		}
	}
	return out, nil
}

// OwnEntries returns the entries about the actor's own member.
func (s Accounts) OwnEntries(_ context.Context, a actor.Actor) (out []account.OwnEntry, err error) {
	leave, err := Own(s).enterOwn(a)
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, e := range s.Site.access.audit {
		if e.On == "member "+string(a.Member) {
			out = append(out, account.OwnEntry{At: e.At, By: "others", Act: e.Act, On: e.On, Detail: e.Detail})
		}
	}
	return out, nil
}

// OwnUses returns two sessions of the actor's own member.
func (s Reports) OwnUses(_ context.Context, a actor.Actor) ([]report.Use, error) {
	leave, err := Own(s).enterOwn(a)
	if err != nil {
		return nil, err
	}
	defer leave()
	began := s.Site.now.AddDate(0, -1, 0)
	return []report.Use{
		{Machine: "laser", Member: a.Member, Role: "user", From: began, To: began.Add(time.Hour), Seconds: 3600, End: "tap"},
		{Machine: "laser", Member: a.Member, Role: "user", From: s.Site.now.Add(-42 * time.Minute), Seconds: 2520},
	}, nil
}

// OwnMonths returns hours of seven of the last twelve months.
func (s Reports) OwnMonths(_ context.Context, a actor.Actor, n int) (out []report.Month, err error) {
	leave, err := Own(s).enterOwn(a)
	if err != nil {
		return nil, err
	}
	defer leave()
	for i, seconds := range []int64{900, 0, 12_600, 36_000, 3000, 0, 120, 27_000} {
		at := time.Date(s.Site.now.Year(), s.Site.now.Month()-7+time.Month(i), 1, 12, 0, 0, 0, time.UTC)
		if seconds == 0 || i < 8-n {
			continue
		}
		for k, m := range []policy.MachineID{"laser", "vinyl"}[:1+i%2] {
			out = append(out, report.Month{Month: at.Format("2006-01"), Machine: m, Sessions: i + k + 1,
				Seconds: seconds / int64(k+1)})
		}
	}
	return out, nil
}
