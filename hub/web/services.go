package web

import (
	"context"
	"io"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/cardkey"
	"portillon/hub/directory"
	"portillon/hub/display"
	"portillon/hub/enrol"
	"portillon/hub/issue"
	"portillon/hub/maintenance"
	"portillon/hub/publish"
	"portillon/hub/report"
	"portillon/hub/search"
	"portillon/hub/visitor"
	"portillon/openbadge"
	"portillon/policy"
)

// Directory has the services of package directory that the pages call. With the zero value, the hub does not manage
// the site and serves no pages of members.
type Directory struct {
	Members  Members
	Cards    Cards
	Taps     Taps
	Badges   Badges
	Imports  Imports
	Sources  Sources
	Exports  Exports
	Erasures Erasures
	Own      OwnAccess
}

// OwnAccess answers members' questions about their own access. Each method is about the actor's own member.
type OwnAccess interface {
	Machines(ctx context.Context, a actor.Actor) (directory.OwnAccess, error)
	Path(ctx context.Context, a actor.Actor) ([]directory.OwnPath, error)
	Records(ctx context.Context, a actor.Actor) ([]directory.OwnRecord, error)
}

// Members is the service for the members of the site.
type Members interface {
	List(ctx context.Context, a actor.Actor, f directory.Filter, p directory.Page) (list []directory.Member, next string,
		err error)
	Get(ctx context.Context, a actor.Actor, id policy.MemberID) (directory.Member, error)
	Own(ctx context.Context, a actor.Actor) (directory.Member, error)
	Add(ctx context.Context, a actor.Actor, m directory.Member) (directory.Member, error)
	Change(ctx context.Context, a actor.Actor, id policy.MemberID, version int64,
		change func(*directory.Member) error) (directory.Member, error)
	Merge(ctx context.Context, a actor.Actor, keep, drop policy.MemberID) (directory.Member, error)
	Endings(ctx context.Context, a actor.Actor) ([]directory.Ending, error)
}

// Cards is the service for the cards of members.
type Cards interface {
	Held(ctx context.Context, a actor.Actor, f directory.CardFilter, p directory.Page) (list []directory.HeldCard,
		next string, err error)
	AddCard(ctx context.Context, a actor.Actor, id policy.MemberID, c directory.Card) (directory.Card, error)
	SetCard(ctx context.Context, a actor.Actor, id policy.MemberID, card string, s directory.CardState, note string) error
	ReportLost(ctx context.Context, a actor.Actor, card string) error
}

// Taps is the service for unknown cards that were tapped at machines.
type Taps interface {
	Unknown(ctx context.Context, a actor.Actor, p directory.Page) (list []directory.Tap, next string, err error)
	Assign(ctx context.Context, a actor.Actor, tap string, id policy.MemberID) (directory.Card, error)
}

// Badges is the service for the badges of members.
type Badges interface {
	AddBadges(ctx context.Context, a actor.Actor, id policy.MemberID, name string, data []byte) ([]directory.Badge, error)
	AddBadgeURL(ctx context.Context, a actor.Actor, id policy.MemberID, url string) (directory.Badge, error)
	RemoveBadge(ctx context.Context, a actor.Actor, id policy.MemberID, badge string) error
}

// Imports is the service that imports lists of members from files.
type Imports interface {
	Preview(ctx context.Context, a actor.Actor, in directory.Import) (directory.Preview, error)
	// The user calls Confirm to state that the members who are missing from the list have left the site. Apply
	// requires this if many members are missing.
	Confirm(ctx context.Context, a actor.Actor, preview string) (directory.Preview, error)
	Apply(ctx context.Context, a actor.Actor, preview string) (directory.Preview, error)
	// Remap reads the list again with other fields for its columns.
	Remap(ctx context.Context, a actor.Actor, preview string, by directory.Mapping) (directory.Preview, error)
}

// Sources is the service that fetches lists of members from other programs.
type Sources interface {
	FetchedLists(ctx context.Context, a actor.Actor) ([]directory.SourceState, error)
	// FetchList fetches a list and returns its preview, which Imports applies.
	FetchList(ctx context.Context, a actor.Actor, name string) (directory.Preview, error)
}

// Exports is the service that writes all members to a file.
type Exports interface {
	Export(ctx context.Context, a actor.Actor, format string, w io.Writer) error
}

// Erasures is the service that erases a person's data.
type Erasures interface {
	Erase(ctx context.Context, a actor.Actor, id policy.MemberID, version int64) error
	// Request and Withdraw are about the actor's own member. Requested returns when this member asked for the erasure;
	// zero: the member did not ask. Requests lists the open requests of all members.
	Request(ctx context.Context, a actor.Actor) error
	Withdraw(ctx context.Context, a actor.Actor) error
	Requested(ctx context.Context, a actor.Actor) (time.Time, error)
	Requests(ctx context.Context, a actor.Actor) ([]directory.ErasureRequest, error)
}

// Machines are the methods of enrol.Machines that the pages call.
type Machines interface {
	List(ctx context.Context, a actor.Actor) ([]enrol.Machine, error)
	Get(ctx context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error)
	Add(ctx context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error)
	Revoke(ctx context.Context, a actor.Actor, id policy.MachineID, version int64, reason string) error
}

// Codes are the methods of enrol.Codes that the pages call.
type Codes interface {
	New(ctx context.Context, a actor.Actor, id policy.MachineID, replace bool) (enrol.Code, error)
}

// Orders are the methods of enrol.Orders that the pages call.
type Orders interface {
	Tag(ctx context.Context, a actor.Actor, id policy.MachineID, reason string) error
	Stop(ctx context.Context, a actor.Actor, id policy.MachineID) error
}

// CardKeys are the methods of cardkey.Service that the pages call.
type CardKeys interface {
	Status(ctx context.Context, a actor.Actor) (cardkey.Status, error)
	Rotate(ctx context.Context, a actor.Actor, version int64, reason string) error
	End(ctx context.Context, a actor.Actor, version int64) error
}

// Issuing are the methods of issue.Service that the pages call.
type Issuing interface {
	Classes(ctx context.Context, a actor.Actor) ([]issue.Class, error)
	Class(ctx context.Context, a actor.Actor, id policy.BadgeID) (issue.Class, error)
	SetClass(ctx context.Context, a actor.Actor, id policy.BadgeID, version int64, t issue.Texts) (issue.Class, error)
	Award(ctx context.Context, a actor.Actor, w issue.Award) ([]issue.Issued, error)
	Issued(ctx context.Context, a actor.Actor, f issue.Filter, p issue.Page) (list []issue.Issued, next string, err error)
	Get(ctx context.Context, a actor.Actor, id string) (issue.Issued, error)
	Baked(ctx context.Context, a actor.Actor, id string) (name string, data []byte, err error)
	Undo(ctx context.Context, a actor.Actor, id string) error
	Revoke(ctx context.Context, a actor.Actor, id, reason string) error
}

// OwnBadges are the methods of issue.OwnBadges that the pages call. Own and Show are about the actor's own member.
// Public and Verify are for everybody.
type OwnBadges interface {
	Own(ctx context.Context, a actor.Actor) ([]issue.Own, error)
	Show(ctx context.Context, a actor.Actor, id string, on bool, name string) error
	Public(ctx context.Context, id string) (issue.Shown, error)
	Verify(ctx context.Context, id string) (openbadge.Verdict, error)
}

// Policies are the methods of publish.Policies that the pages call.
type Policies interface {
	Current(ctx context.Context, a actor.Actor) (publish.Policy, error)
	// Version returns one version of the policy with its text. Versions lists all versions without texts.
	Version(ctx context.Context, a actor.Actor, number int64) (publish.Policy, error)
	Versions(ctx context.Context, a actor.Actor, p publish.Page) (list []publish.Policy, next string, err error)
	Publish(ctx context.Context, a actor.Actor, text, comment string, of int64, signature []byte) (publish.Policy, error)
	Back(ctx context.Context, a actor.Actor, comment string) (publish.Policy, error)
}

// Drafts are the methods of publish.Drafts that the pages call.
type Drafts interface {
	Check(ctx context.Context, a actor.Actor, text string) (publish.Draft, error)
	// Try answers whether a member may use a machine at a time. Outline and Edit serve the form for usual changes.
	Try(ctx context.Context, a actor.Actor, t publish.Trial) (publish.Answer, error)
	Outline(ctx context.Context, a actor.Actor, text string) (publish.Outline, error)
	Edit(ctx context.Context, a actor.Actor, text string, c publish.TextChange) (string, error)
}

// Bundles are the methods of publish.Bundles that the pages call.
type Bundles interface {
	Current(ctx context.Context, a actor.Actor) (publish.Bundle, error)
}

// Accounts has the services of package account that the pages call. With the zero value, the hub has no accounts and
// serves no pages of accounts.
type Accounts struct {
	Passwords    Passwords
	Links        Links
	PrintedCodes PrintedCodes
	Ownership    Ownership
	Recovery     Recovery
	Sessions     Sessions
	Tokens       Tokens
	Registry     Registry
	Audit        Audit
}

// Passwords signs people in by name and password. The service, as all services for sign-in, begins a session in the
// browser that sent the request of ctx: account.Requests has put the session into ctx.
type Passwords interface {
	SignIn(ctx context.Context, name, password, address string) (actor.Actor, error)
	ChangePassword(ctx context.Context, a actor.Actor, old, password string) error
}

// Links signs members in by a link in an e-mail.
type Links interface {
	MailLink(ctx context.Context, email string) error
	// Link returns the members whom a link can sign in, without using up the link. UseLink signs a member in.
	Link(ctx context.Context, code string) ([]account.Person, error)
	UseLink(ctx context.Context, code string, member policy.MemberID) (actor.Actor, error)
}

// PrintedCodes signs members in by codes on paper.
type PrintedCodes interface {
	Print(ctx context.Context, a actor.Actor, members []policy.MemberID, each int) ([]account.Printed, error)
	UseCode(ctx context.Context, code string) (actor.Actor, error)
}

// Ownership creates the first owner with the code that the hub prints at its first start.
type Ownership interface {
	Redeem(ctx context.Context, code, name, password string) (actor.Actor, error)
}

// Recovery sets a new password for an account with a code.
type Recovery interface {
	ResetCode(ctx context.Context, a actor.Actor, id string) (code string, err error)
	ResetPassword(ctx context.Context, code, password string) (actor.Actor, error)
}

// Sessions is the service that lists and ends the sessions of an account.
type Sessions interface {
	Active(ctx context.Context, a actor.Actor, id string) ([]account.Session, error)
	End(ctx context.Context, a actor.Actor, id, session string) error
	EndAll(ctx context.Context, a actor.Actor, id string) error
	SignOut(ctx context.Context) error
}

// Tokens is the service for the API tokens of an account.
type Tokens interface {
	Issued(ctx context.Context, a actor.Actor, id string) ([]account.Token, error)
	Issue(ctx context.Context, a actor.Actor, name string, scopes []actor.Act, expires time.Time) (account.Token, error)
	Revoke(ctx context.Context, a actor.Actor, id, token string) error
}

// Registry lists, adds and changes accounts.
type Registry interface {
	List(ctx context.Context, a actor.Actor, p account.Page) (list []account.Account, next string, err error)
	Add(ctx context.Context, a actor.Actor, in account.Account, password string) (account.Account, error)
	Change(ctx context.Context, a actor.Actor, id string, version int64,
		change func(*account.Account) error) (account.Account, error)
}

// Audit reads the log of administrators' actions.
type Audit interface {
	Entries(ctx context.Context, a actor.Actor, p account.Page) ([]account.Entry, string, error)
	OwnEntries(ctx context.Context, a actor.Actor) ([]account.OwnEntry, error)
	Export(ctx context.Context, a actor.Actor, w io.Writer) error
}

// Maintenance are the methods of maintenance.Service that the pages call.
type Maintenance interface {
	Overview(ctx context.Context, a actor.Actor) (maintenance.Overview, error)
	Machine(ctx context.Context, a actor.Actor, id policy.MachineID) (maintenance.Machine, error)
	Own(ctx context.Context, a actor.Actor) (maintenance.Own, error)
	SetInitial(ctx context.Context, a actor.Actor, id policy.MachineID, hours int64, day policy.Date) error
	CloseReport(ctx context.Context, a actor.Actor, id policy.MachineID, report, words string) error
}

// Reports are the methods of report.Service that the pages call.
type Reports interface {
	Uses(ctx context.Context, a actor.Actor, r report.Range, p report.Page) (list []report.Use, next string, err error)
	UsesCSV(ctx context.Context, a actor.Actor, r report.Range, w io.Writer) error
	Weeks(ctx context.Context, a actor.Actor, r report.Range) ([]report.Week, error)
	Refusals(ctx context.Context, a actor.Actor, r report.Range) ([]report.Refusals, error)
	// OwnUses returns all sessions of the actor's own member. OwnMonths returns the hours of the last n months.
	OwnUses(ctx context.Context, a actor.Actor) ([]report.Use, error)
	OwnMonths(ctx context.Context, a actor.Actor, n int) ([]report.Month, error)
}

// Display has the services of package display that the pages call. With the zero value, the hub shows nothing to people
// who are not signed in.
type Display struct {
	Settings DisplaySettings
	Screens  Screens
	Board    Board
}

// DisplaySettings are the settings of the public status.
type DisplaySettings interface {
	Get(ctx context.Context, a actor.Actor) (display.Values, error)
	Change(ctx context.Context, a actor.Actor, version int64, change func(*display.Values) error) (display.Values, error)
}

// Screens is the service for the keys of wall screens.
type Screens interface {
	List(ctx context.Context, a actor.Actor) ([]display.Screen, error)
	Add(ctx context.Context, a actor.Actor, name string) (display.Screen, error)
	Revoke(ctx context.Context, a actor.Actor, id string) error
}

// Board shows the machines to people who are not signed in.
type Board interface {
	Public(ctx context.Context) (display.Public, error)
	SpaceAPI(ctx context.Context) ([]byte, error)
	Wall(ctx context.Context, key, address string) (display.Wall, error)
}

// Search is the method of search.Service that the pages call.
type Search interface {
	Search(ctx context.Context, a actor.Actor, text string) ([]search.Group, error)
}

// Visitors has the services of package visitor that the pages call. With the zero value, the hub has no visitors.
type Visitors struct {
	Settings VisitorSettings
	Desk     VisitorDesk
	Arrivals Arrivals
}

// VisitorSettings are the settings of visits.
type VisitorSettings interface {
	Get(ctx context.Context, a actor.Actor) (visitor.Values, error)
	Change(ctx context.Context, a actor.Actor, version int64, change func(*visitor.Values) error) (visitor.Values, error)
}

// VisitorDesk lets visitors in.
type VisitorDesk interface {
	List(ctx context.Context, a actor.Actor) (visitor.Overview, error)
	Get(ctx context.Context, a actor.Actor, id string) (visitor.Visit, error)
	Bring(ctx context.Context, a actor.Actor, b visitor.Brought, p visitor.Person) (visitor.Visit, error)
	MailCode(ctx context.Context, a actor.Actor, id string) error
	LetIn(ctx context.Context, a actor.Actor, id string, version int64, e visitor.Entry) (visitor.Visit, error)
	Dismiss(ctx context.Context, a actor.Actor, id string) error
	End(ctx context.Context, a actor.Actor, id string) error
}

// Arrivals are visits on the visitor's own phone. A key is the secret of one visit.
type Arrivals interface {
	Form(ctx context.Context) (keep int, err error)
	Bring(ctx context.Context, b visitor.Brought, p visitor.Person) (key string, err error)
	Get(ctx context.Context, key string) (visitor.Visit, error)
	Confirm(ctx context.Context, key, code string, consent bool) (visitor.Visit, error)
}
