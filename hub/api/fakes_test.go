package api

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/cardkey"
	"portillon/hub/enrol"
	"portillon/hub/issue"
	"portillon/hub/maintenance"
	"portillon/hub/publish"
	"portillon/hub/report"
	"portillon/hub/training"
	"portillon/policy"
)

// machinesFake implements Machines, codesFake implements Codes, and ordersFake implements Orders.
type (
	machinesFake struct{ *fakes }
	codesFake    struct{ *fakes }
	ordersFake   struct{ *fakes }
)

func (f machinesFake) machine(id policy.MachineID) enrol.Machine {
	m := filled[enrol.Machine]()
	m.ID, m.Version = id, 4
	return m
}

func (f machinesFake) List(_ context.Context, a actor.Actor) ([]enrol.Machine, error) {
	return []enrol.Machine{f.machine("laser"), f.machine("saw")}, a.May(actor.ReadMachines, actor.Target{})
}

func (f machinesFake) Get(_ context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error) {
	return f.machine(id), a.May(actor.ReadMachines, at(id))
}

func (f machinesFake) Add(_ context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error) {
	return f.machine(id), a.May(actor.EnrolMachines, at(id))
}

func (f codesFake) New(_ context.Context, a actor.Actor, id policy.MachineID, replace bool) (enrol.Code, error) {
	f.note("code %s %v", id, replace)
	c := filled[enrol.Code]()
	c.Text, c.Command = "AAAA-BBBB", "portillond enrol https://hub.local:8443 AAAA-BBBB"
	return c, a.May(actor.EnrolMachines, at(id))
}

func (f machinesFake) Revoke(_ context.Context, a actor.Actor, id policy.MachineID, version int64,
	reason string) error {
	if err := a.May(actor.EnrolMachines, at(id)); err != nil {
		return err
	}
	return stale("machine", string(id), 4, version)
}

func (f machinesFake) Held(_ context.Context, a actor.Actor, id policy.MachineID) (enrol.Held, error) {
	return filled[enrol.Held](), cmp.Or(a.May(actor.EnrolMachines, at(id)), a.May(actor.ReadMembers, actor.Target{}))
}

// cardKeysFake implements CardKeys.
type cardKeysFake struct{ *fakes }

func (f cardKeysFake) Status(_ context.Context, a actor.Actor) (cardkey.Status, error) {
	s := filled[cardkey.Status]()
	s.Version = 4
	return s, a.May(actor.EnrolMachines, actor.Target{})
}

func (f cardKeysFake) Rotate(_ context.Context, a actor.Actor, version int64, reason string) error {
	f.note("rotate %s", reason)
	return cmp.Or(a.May(actor.EnrolMachines, actor.Target{}), stale("card-key", "site", 4, version))
}

func (f cardKeysFake) End(_ context.Context, a actor.Actor, version int64) error {
	return cmp.Or(a.May(actor.EnrolMachines, actor.Target{}), stale("card-key", "site", 4, version))
}

// issuingFake implements Issuing.
type issuingFake struct{ *fakes }

func mayAward(a actor.Actor) error { return a.May(actor.AwardBadges, actor.Target{}) }

func (f issuingFake) Classes(_ context.Context, a actor.Actor) ([]issue.Class, error) {
	return []issue.Class{filled[issue.Class]()}, mayAward(a)
}

func (f issuingFake) Class(_ context.Context, a actor.Actor, id policy.BadgeID) (issue.Class, error) {
	c := filled[issue.Class]()
	c.ID, c.Version = id, 7
	return c, mayAward(a)
}

func (f issuingFake) SetClass(_ context.Context, a actor.Actor, id policy.BadgeID, version int64,
	t issue.Texts) (issue.Class, error) {
	f.note("class %s %s", id, t.Criteria)
	return issue.Class{ID: id, Version: 8, Texts: t}, cmp.Or(mayAward(a), stale("badge", string(id), 7, version))
}

func (f issuingFake) Award(_ context.Context, a actor.Actor, w issue.Award) ([]issue.Issued, error) {
	f.note("award %s %v %s", w.Badge, w.Members, w.Why)
	return []issue.Issued{filled[issue.Issued]()}, mayAward(a)
}

func (f issuingFake) Issued(_ context.Context, a actor.Actor, w issue.Filter, p issue.Page) ([]issue.Issued, string,
	error) {
	return []issue.Issued{filled[issue.Issued]()}, "2", mayAward(a)
}

func (f issuingFake) Get(_ context.Context, a actor.Actor, id string) (issue.Issued, error) {
	return filled[issue.Issued](), mayAward(a)
}

func (f issuingFake) Baked(_ context.Context, a actor.Actor, id string) (string, []byte, error) {
	return "badge.png", []byte("picture"), mayAward(a)
}

func (f issuingFake) Undo(_ context.Context, a actor.Actor, id string) error { return mayAward(a) }

func (f issuingFake) Revoke(_ context.Context, a actor.Actor, id, reason string) error {
	f.note("revoke %s %s", id, reason)
	return mayAward(a)
}

func (f ordersFake) Tag(_ context.Context, a actor.Actor, id policy.MachineID, reason string) error {
	f.note("tag %s %s", id, reason)
	return a.May(actor.TagMachine, at(id))
}

func (f ordersFake) Stop(_ context.Context, a actor.Actor, id policy.MachineID) error {
	return a.May(actor.StopMachine, at(id))
}

// policiesFake implements Policies, draftsFake implements Drafts, and bundlesFake implements Bundles.
type (
	policiesFake struct{ *fakes }
	draftsFake   struct{ *fakes }
	bundlesFake  struct{ *fakes }
)

func (f policiesFake) Current(_ context.Context, a actor.Actor) (publish.Policy, error) {
	p := filled[publish.Policy]()
	p.Number, p.Text = 3, "portillon: 1\n"
	return p, a.May(actor.ReadPolicy, actor.Target{})
}

func (f policiesFake) Version(_ context.Context, a actor.Actor, number int64) (publish.Policy, error) {
	return filled[publish.Policy](), a.May(actor.ReadPolicy, actor.Target{})
}

func (f policiesFake) Versions(_ context.Context, a actor.Actor, p publish.Page) ([]publish.Policy, string, error) {
	return []publish.Policy{filled[publish.Policy]()}, "2", a.May(actor.ReadPolicy, actor.Target{})
}

func (f draftsFake) Check(_ context.Context, a actor.Actor, text string) (publish.Draft, error) {
	f.note("draft %q", text)
	if text == "" {
		return publish.Draft{}, a.May(actor.ReadPolicy, actor.Target{})
	}
	d := filled[publish.Draft]()
	for _, r := range []*publish.Replayed{&d.Replay.Sessions, &d.Replay.Changes, &d.Replay.Refusals} {
		r.Obstacles[0].Obstacle = "no-basis" // a closed list
	}
	return d, a.May(actor.ReadPolicy, actor.Target{})
}

func (f policiesFake) Publish(_ context.Context, a actor.Actor, text, comment string, of int64,
	signature []byte) (publish.Policy, error) {
	if err := a.May(actor.PublishPolicy, actor.Target{}); err != nil {
		return publish.Policy{}, err
	}
	f.note("publish %q %q %q", text, comment, signature)
	return filled[publish.Policy](), stale("policy", "policy", 3, of)
}

func (f policiesFake) Back(_ context.Context, a actor.Actor, comment string) (publish.Policy, error) {
	return filled[publish.Policy](), a.May(actor.PublishPolicy, actor.Target{})
}

func (f bundlesFake) Current(_ context.Context, a actor.Actor) (publish.Bundle, error) {
	return filled[publish.Bundle](), a.May(actor.ReadMachines, actor.Target{})
}

// accountsFake implements Accounts.
type accountsFake struct{ *fakes }

// all returns an Accounts that uses the fake for every service.
func (f accountsFake) all() Accounts {
	return Accounts{Tokens: f, Sessions: f, Registry: f, Recovery: f, PrintedCodes: f, Audit: f}
}

// errWrong is the error of package account for a wrong token. errMany is the error for too many wrong tokens.
var (
	errWrong = errors.New("token is wrong")
	errMany  = errors.New("too many attempts")
)

func (f accountsFake) FromToken(_ context.Context, text, _ string) (actor.Actor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wait > 0 {
		return actor.Actor{}, errMany
	}
	a, ok := f.tokens[text]
	if !ok {
		return a, errWrong
	}
	return a, nil
}

func (f accountsFake) List(_ context.Context, a actor.Actor, p account.Page) ([]account.Account, string, error) {
	return []account.Account{filled[account.Account]()}, "", a.May(actor.WriteAccounts, actor.Target{})
}

func (f accountsFake) Get(_ context.Context, a actor.Actor, id string) (account.Account, error) {
	return filled[account.Account](), a.May(actor.WriteAccounts, actor.Target{})
}

func (f accountsFake) Add(_ context.Context, a actor.Actor, in account.Account, _ string) (account.Account, error) {
	out := filled[account.Account]()
	out.Name = in.Name
	return out, a.May(actor.WriteAccounts, actor.Target{})
}

func (f accountsFake) Change(_ context.Context, a actor.Actor, id string, version int64,
	change func(*account.Account) error) (account.Account, error) {
	out := filled[account.Account]()
	if err := a.May(actor.WriteAccounts, actor.Target{}); err != nil {
		return out, err
	}
	if err := stale("account", id, 3, version); err != nil {
		return out, err
	}
	return out, change(&out)
}

func (f accountsFake) ResetCode(_ context.Context, a actor.Actor, id string) (string, error) {
	return "code", a.May(actor.WriteAccounts, actor.Target{})
}

// checkAccountAccess allows users to access their own account in a session, but not with a token.
func checkAccountAccess(a actor.Actor, id string) error {
	if a.Account != "" && a.Account == id && a.Scopes == nil {
		return nil
	}
	return a.May(actor.WriteAccounts, actor.Target{})
}

func (f accountsFake) Remove(_ context.Context, a actor.Actor, id string, version int64) error {
	if err := a.May(actor.WriteAccounts, actor.Target{}); err != nil {
		return err
	}
	return stale("account", id, 3, version)
}

func (f accountsFake) Print(_ context.Context, a actor.Actor, members []policy.MemberID,
	each int) ([]account.Printed, error) {
	f.note("print %v %d", members, each)
	return []account.Printed{filled[account.Printed]()}, a.May(actor.WriteMembers, actor.Target{})
}

func (f accountsFake) End(_ context.Context, a actor.Actor, id, session string) error {
	return checkAccountAccess(a, id)
}

func (f accountsFake) Issued(_ context.Context, a actor.Actor, id string) ([]account.Token, error) {
	return []account.Token{filled[account.Token]()}, checkAccountAccess(a, id)
}

func (f accountsFake) Issue(_ context.Context, a actor.Actor, name string, scopes []actor.Act,
	expires time.Time) (account.Token, error) {
	f.note("token %s %v %s", name, scopes, expires)
	if a.Account == "" || a.Scopes != nil {
		return account.Token{}, &actor.Denied{Act: actor.WriteAccounts, Actor: a}
	}
	return filled[account.Token](), nil
}

func (f accountsFake) Revoke(_ context.Context, a actor.Actor, id, token string) error {
	return checkAccountAccess(a, id)
}

func (f accountsFake) Active(_ context.Context, a actor.Actor, id string) ([]account.Session, error) {
	return []account.Session{filled[account.Session]()}, checkAccountAccess(a, id)
}

func (f accountsFake) EndAll(_ context.Context, a actor.Actor, id string) error {
	return checkAccountAccess(a, id)
}

func (f accountsFake) Entries(_ context.Context, a actor.Actor, p account.Page) ([]account.Entry, string, error) {
	return []account.Entry{filled[account.Entry]()}, "", a.May(actor.ReadAudit, actor.Target{})
}

func (f accountsFake) Export(_ context.Context, a actor.Actor, w io.Writer) error {
	if err := a.May(actor.ReadAudit, actor.Target{}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "tree")
	return err
}

// checkReportAccess returns an error if the actor may not read the reports of the machine m. If m is empty, access to
// any machine is sufficient.
func checkReportAccess(a actor.Actor, m policy.MachineID) error {
	err := a.May(actor.ReadReports, at(m))
	for id := range a.Machines {
		if m == "" && err != nil {
			err = a.May(actor.ReadReports, at(id))
		}
	}
	return err
}

// reportsFake implements Reports.
type reportsFake struct{ *fakes }

func (f reportsFake) Uses(_ context.Context, a actor.Actor, r report.Range, p report.Page) ([]report.Use, string,
	error) {
	f.note("uses %s %s %q", r.From, r.To, r.Machine)
	return []report.Use{filled[report.Use]()}, "9", checkReportAccess(a, r.Machine)
}

func (f reportsFake) UsesCSV(_ context.Context, a actor.Actor, r report.Range, w io.Writer) error {
	if err := checkReportAccess(a, r.Machine); err != nil {
		return err
	}
	if _, err := io.WriteString(w, "machine,member\r\n"); err != nil {
		return err
	}
	return f.csv
}

func (f reportsFake) Weeks(_ context.Context, a actor.Actor, r report.Range) ([]report.Week, error) {
	return []report.Week{filled[report.Week]()}, checkReportAccess(a, r.Machine)
}

func (f reportsFake) Refusals(_ context.Context, a actor.Actor, r report.Range) ([]report.Refusals, error) {
	out := filled[report.Refusals]()
	out.Reason = "=cmd()"
	return []report.Refusals{out}, checkReportAccess(a, r.Machine)
}

// maintenanceFake implements Maintenance.
type maintenanceFake struct{ *fakes }

func (f maintenanceFake) Overview(_ context.Context, a actor.Actor) (maintenance.Overview, error) {
	out := filled[maintenance.Overview]()
	out.Items[0].Report.Words = "=cmd()"
	return out, checkReportAccess(a, "")
}

func (f maintenanceFake) Machine(_ context.Context, a actor.Actor, id policy.MachineID) (maintenance.Machine, error) {
	return filled[maintenance.Machine](), checkReportAccess(a, id)
}

// hubFake implements Hub.
type hubFake struct{ *fakes }

func (f hubFake) State(_ context.Context, a actor.Actor) (State, error) {
	return filled[State](), a.May(actor.WriteSettings, actor.Target{})
}

func (f hubFake) Settings(_ context.Context, a actor.Actor) (Settings, error) {
	v := filled[Settings]()
	v.Language = "fr"
	return v, a.May(actor.WriteSettings, actor.Target{})
}

func (f hubFake) ChangeSettings(_ context.Context, a actor.Actor, version int64,
	change func(*Settings) error) (Settings, error) {
	v, err := f.Settings(context.Background(), a)
	if err != nil {
		return v, err
	}
	if err := stale("settings", "", 3, version); err != nil {
		return v, err
	}
	return v, change(&v)
}

// trainingsFake implements Trainings.
type trainingsFake struct{ *fakes }

func mayLead(a actor.Actor) error { return a.May(actor.LeadTraining, actor.Target{}) }

func (f trainingsFake) Choices(_ context.Context, a actor.Actor) ([]training.Choice, error) {
	return []training.Choice{filled[training.Choice](), {Machine: "saw"}}, mayLead(a)
}

func (f trainingsFake) List(_ context.Context, a actor.Actor) ([]training.Training, error) {
	return []training.Training{filled[training.Training](), {}}, mayLead(a)
}

func (f trainingsFake) Open(_ context.Context, a actor.Actor, at policy.MachineID,
	b policy.BadgeID) (training.Training, error) {
	f.note("training %s %s", at, b)
	return training.Training{ID: "t/1", Machine: at, Badge: b}, mayLead(a)
}

func (f trainingsFake) Get(_ context.Context, a actor.Actor, id string) (training.View, error) {
	if id == "t1" {
		out := filled[training.View]()
		out.People[0].Standing, out.Removed[0].Standing = training.Ready, training.Holder
		return out, mayLead(a)
	}
	return training.View{}, mayLead(a)
}

func (f trainingsFake) Find(_ context.Context, a actor.Actor, id, text string) ([]training.Person, error) {
	f.note("find %s %s", id, text)
	return []training.Person{{Member: "m-lea", Name: "Léa"}}, mayLead(a)
}

func (f trainingsFake) Join(_ context.Context, a actor.Actor, id string, m policy.MemberID, tap string) error {
	f.note("join %s %s %s", id, m, tap)
	return mayLead(a)
}

func (f trainingsFake) JoinNew(_ context.Context, a actor.Actor, id, name, email, tap string) error {
	f.note("join new %s %s %s %s", id, name, email, tap)
	return mayLead(a)
}

func (f trainingsFake) Remove(_ context.Context, a actor.Actor, id string, m policy.MemberID) error {
	f.note("remove %s %s", id, m)
	return mayLead(a)
}

func (f trainingsFake) Close(_ context.Context, a actor.Actor, id string) error {
	f.note("close %s", id)
	return mayLead(a)
}

func (f trainingsFake) Award(_ context.Context, a actor.Actor, id string, members []policy.MemberID, n int) error {
	f.note("award %s %v %d", id, members, n)
	return mayLead(a)
}

func (f trainingsFake) CheckLists(_ context.Context, a actor.Actor) ([]training.Checks, error) {
	return []training.Checks{filled[training.Checks](), {Badge: "laser-user"}}, mayAward(a)
}

func (f trainingsFake) SetChecks(_ context.Context, a actor.Actor, c training.Checks) error {
	f.note("checks %s %v %d", c.Badge, c.Items, c.Version)
	return mayAward(a)
}
