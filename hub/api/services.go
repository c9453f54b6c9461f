package api

import (
	"context"
	"io"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/cardkey"
	"portillon/hub/directory"
	"portillon/hub/enrol"
	"portillon/hub/issue"
	"portillon/hub/maintenance"
	"portillon/hub/publish"
	"portillon/hub/report"
	"portillon/hub/search"
	"portillon/hub/store"
	"portillon/hub/visitor"
	"portillon/policy"
)

// Directory contains the services of package directory that the API calls, one field for each task.
type Directory struct {
	Members  Members
	Cards    Cards
	Taps     Taps
	Badges   Badges
	Imports  Imports
	Sources  Sources
	Exports  Exports
	Erasures Erasures
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
	AddCard(ctx context.Context, a actor.Actor, id policy.MemberID, c directory.Card) (directory.Card, error)
	SetCard(ctx context.Context, a actor.Actor, id policy.MemberID, card string, s directory.CardState, note string) error
	RemoveCard(ctx context.Context, a actor.Actor, id policy.MemberID, card string) error
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
	BadgeData(ctx context.Context, a actor.Actor, id policy.MemberID, badge string) (file string, data []byte, err error)
	RemoveBadge(ctx context.Context, a actor.Actor, id policy.MemberID, badge string) error
}

// Imports is the service that imports lists of members from files.
type Imports interface {
	Preview(ctx context.Context, a actor.Actor, in directory.Import) (directory.Preview, error)
	// Confirm confirms that the many members who are missing from the list have left the site.
	Confirm(ctx context.Context, a actor.Actor, preview string) (directory.Preview, error)
	Apply(ctx context.Context, a actor.Actor, preview string) (directory.Preview, error)
	// Remap reads the list of an import again, with its columns assigned to other fields.
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

// Erasures is the service that erases a member's personal data.
type Erasures interface {
	Erase(ctx context.Context, a actor.Actor, id policy.MemberID, version int64) error
}

// Machines lists the methods of enrol.Machines that the API calls.
type Machines interface {
	List(ctx context.Context, a actor.Actor) ([]enrol.Machine, error)
	Get(ctx context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error)
	Add(ctx context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error)
	Revoke(ctx context.Context, a actor.Actor, id policy.MachineID, version int64, reason string) error
	Held(ctx context.Context, a actor.Actor, id policy.MachineID) (enrol.Held, error)
}

// Codes lists the methods of enrol.Codes that the API calls.
type Codes interface {
	New(ctx context.Context, a actor.Actor, id policy.MachineID, replace bool) (enrol.Code, error)
}

// Orders lists the methods of enrol.Orders that the API calls.
type Orders interface {
	Tag(ctx context.Context, a actor.Actor, id policy.MachineID, reason string) error
	Stop(ctx context.Context, a actor.Actor, id policy.MachineID) error
}

// CardKeys lists the methods of cardkey.Service that the API calls.
type CardKeys interface {
	Status(ctx context.Context, a actor.Actor) (cardkey.Status, error)
	Rotate(ctx context.Context, a actor.Actor, version int64, reason string) error
	End(ctx context.Context, a actor.Actor, version int64) error
}

// Issuing lists the methods of issue.Service that the API calls.
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

// Policies lists the methods of publish.Policies that the API calls.
type Policies interface {
	Current(ctx context.Context, a actor.Actor) (publish.Policy, error)
	// Version returns one version with its text. Versions lists the versions of the policy without texts.
	Version(ctx context.Context, a actor.Actor, number int64) (publish.Policy, error)
	Versions(ctx context.Context, a actor.Actor, p publish.Page) (list []publish.Policy, next string, err error)
	Publish(ctx context.Context, a actor.Actor, text, comment string, of int64, signature []byte) (publish.Policy, error)
	Back(ctx context.Context, a actor.Actor, comment string) (publish.Policy, error)
}

// Drafts lists the methods of publish.Drafts that the API calls.
type Drafts interface {
	Check(ctx context.Context, a actor.Actor, text string) (publish.Draft, error)
}

// Bundles lists the methods of publish.Bundles that the API calls.
type Bundles interface {
	Current(ctx context.Context, a actor.Actor) (publish.Bundle, error)
}

// Accounts contains the services of package account that the API calls, one field for each task.
type Accounts struct {
	Tokens       Tokens
	Sessions     Sessions
	Registry     Registry
	Recovery     Recovery
	PrintedCodes PrintedCodes
	Audit        Audit
}

// Tokens is the service that authenticates API tokens and manages the tokens of an account.
type Tokens interface {
	// FromToken returns the actor of an API token. For an invalid token the result is the zero Actor, *fault.NotFound,
	// *actor.Denied, or an error for which Options.Status returns 401.
	FromToken(ctx context.Context, text, address string) (actor.Actor, error)
	Issued(ctx context.Context, a actor.Actor, id string) ([]account.Token, error)
	Issue(ctx context.Context, a actor.Actor, name string, scopes []actor.Act, expires time.Time) (account.Token, error)
	Revoke(ctx context.Context, a actor.Actor, id, token string) error
}

// Sessions is the service for the signed-in browsers of an account.
type Sessions interface {
	Active(ctx context.Context, a actor.Actor, id string) ([]account.Session, error)
	End(ctx context.Context, a actor.Actor, id, session string) error
	EndAll(ctx context.Context, a actor.Actor, id string) error
}

// Registry lists, adds, changes and removes accounts.
type Registry interface {
	List(ctx context.Context, a actor.Actor, p account.Page) (list []account.Account, next string, err error)
	Get(ctx context.Context, a actor.Actor, id string) (account.Account, error)
	// Add creates an account. If password is empty, the account's owner sets a password with a code of ResetCode.
	Add(ctx context.Context, a actor.Actor, in account.Account, password string) (account.Account, error)
	// Change changes an account's name, member and roles, and whether the account is disabled.
	Change(ctx context.Context, a actor.Actor, id string, version int64,
		change func(*account.Account) error) (account.Account, error)
	Remove(ctx context.Context, a actor.Actor, id string, version int64) error
}

// Recovery creates codes with which an account's owner sets a new password.
type Recovery interface {
	ResetCode(ctx context.Context, a actor.Actor, id string) (code string, err error)
}

// PrintedCodes creates codes on paper with which members sign in.
type PrintedCodes interface {
	Print(ctx context.Context, a actor.Actor, members []policy.MemberID, each int) ([]account.Printed, error)
}

// Audit reads the log of administrators' actions.
type Audit interface {
	Entries(ctx context.Context, a actor.Actor, p account.Page) (list []account.Entry, next string, err error)
	Export(ctx context.Context, a actor.Actor, w io.Writer) error
}

// Reports lists the methods of report.Service that the API calls.
type Reports interface {
	Uses(ctx context.Context, a actor.Actor, r report.Range, p report.Page) (list []report.Use, next string, err error)
	UsesCSV(ctx context.Context, a actor.Actor, r report.Range, w io.Writer) error
	Weeks(ctx context.Context, a actor.Actor, r report.Range) ([]report.Week, error)
	Refusals(ctx context.Context, a actor.Actor, r report.Range) ([]report.Refusals, error)
}

// Maintenance lists the methods of maintenance.Service that the API calls.
type Maintenance interface {
	Overview(ctx context.Context, a actor.Actor) (maintenance.Overview, error)
	Machine(ctx context.Context, a actor.Actor, id policy.MachineID) (maintenance.Machine, error)
}

// Hub reads and changes the hub's settings, and reads the hub's state. Each method checks a.May.
type Hub interface {
	State(ctx context.Context, a actor.Actor) (State, error)
	Settings(ctx context.Context, a actor.Actor) (Settings, error)
	ChangeSettings(ctx context.Context, a actor.Actor, version int64, change func(*Settings) error) (Settings, error)
}

// Search is the method of search.Service that the API calls.
type Search interface {
	Search(ctx context.Context, a actor.Actor, text string) ([]search.Group, error)
}

// VisitorDesk lists the methods of visitor.Desk that the API calls.
type VisitorDesk interface {
	List(ctx context.Context, a actor.Actor) (visitor.Overview, error)
	Get(ctx context.Context, a actor.Actor, id string) (visitor.Visit, error)
	Bring(ctx context.Context, a actor.Actor, b visitor.Brought, p visitor.Person) (visitor.Visit, error)
	MailCode(ctx context.Context, a actor.Actor, id string) error
	LetIn(ctx context.Context, a actor.Actor, id string, version int64, e visitor.Entry) (visitor.Visit, error)
	Dismiss(ctx context.Context, a actor.Actor, id string) error
	End(ctx context.Context, a actor.Actor, id string) error
}

// Events announces changes. *store.Site implements it.
type Events interface {
	Subscribe(topics ...store.Topic) (sub *store.Subscription, cancel func())
}
