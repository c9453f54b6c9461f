package web

import (
	"context"
	"io"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/cardkey"
	"portillon/hub/directory"
	"portillon/hub/enrol"
	"portillon/hub/publish"
	"portillon/hub/report"
	"portillon/policy"
)

// Directory are the services of package directory that the pages call, by duty. The zero value stands for a hub
// beside a site of files: no page of members is shown.
type Directory struct {
	Members  Members
	Cards    Cards
	Taps     Taps
	Badges   Badges
	Imports  Imports
	Exports  Exports
	Erasures Erasures
}

// Members are the people of the site.
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

// Cards are the cards of members.
type Cards interface {
	Held(ctx context.Context, a actor.Actor, f directory.CardFilter, p directory.Page) (list []directory.HeldCard,
		next string, err error)
	AddCard(ctx context.Context, a actor.Actor, id policy.MemberID, c directory.Card) (directory.Card, error)
	SetCard(ctx context.Context, a actor.Actor, id policy.MemberID, card string, s directory.CardState, note string) error
}

// Taps are the unknown cards that were tapped at machines.
type Taps interface {
	Unknown(ctx context.Context, a actor.Actor, p directory.Page) (list []directory.Tap, next string, err error)
	Assign(ctx context.Context, a actor.Actor, tap string, id policy.MemberID) (directory.Card, error)
}

// Badges are the badges of members.
type Badges interface {
	AddBadges(ctx context.Context, a actor.Actor, id policy.MemberID, name string, data []byte) ([]directory.Badge, error)
	AddBadgeURL(ctx context.Context, a actor.Actor, id policy.MemberID, url string) (directory.Badge, error)
	RemoveBadge(ctx context.Context, a actor.Actor, id policy.MemberID, badge string) error
}

// Imports are lists of members that come as files.
type Imports interface {
	Preview(ctx context.Context, a actor.Actor, in directory.Import) (directory.Preview, error)
	// Confirm says that the many members who are missing from the list have left the site.
	Confirm(ctx context.Context, a actor.Actor, preview string) (directory.Preview, error)
	Apply(ctx context.Context, a actor.Actor, preview string) (directory.Preview, error)
}

// Exports write all members as a file.
type Exports interface {
	Export(ctx context.Context, a actor.Actor, format string, w io.Writer) error
}

// Erasures remove a person's data.
type Erasures interface {
	Erase(ctx context.Context, a actor.Actor, id policy.MemberID, version int64) error
}

// Machines is what the pages need of enrol.Machines.
type Machines interface {
	List(ctx context.Context, a actor.Actor) ([]enrol.Machine, error)
	Get(ctx context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error)
	Add(ctx context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error)
	Revoke(ctx context.Context, a actor.Actor, id policy.MachineID, version int64, reason string) error
}

// Codes is what the pages need of enrol.Codes.
type Codes interface {
	New(ctx context.Context, a actor.Actor, id policy.MachineID, replace bool) (enrol.Code, error)
}

// Orders is what the pages need of enrol.Orders.
type Orders interface {
	Tag(ctx context.Context, a actor.Actor, id policy.MachineID, reason string) error
	Stop(ctx context.Context, a actor.Actor, id policy.MachineID) error
}

// CardKeys is what the pages need of cardkey.Service.
type CardKeys interface {
	Status(ctx context.Context, a actor.Actor) (cardkey.Status, error)
	Rotate(ctx context.Context, a actor.Actor, version int64, reason string) error
	End(ctx context.Context, a actor.Actor, version int64) error
}

// Policies is what the pages need of publish.Policies.
type Policies interface {
	Current(ctx context.Context, a actor.Actor) (publish.Policy, error)
	// Version returns one version with its text; Versions lists them without.
	Version(ctx context.Context, a actor.Actor, number int64) (publish.Policy, error)
	Versions(ctx context.Context, a actor.Actor, p publish.Page) (list []publish.Policy, next string, err error)
	Publish(ctx context.Context, a actor.Actor, text, comment string, of int64, signature []byte) (publish.Policy, error)
	Back(ctx context.Context, a actor.Actor, comment string) (publish.Policy, error)
}

// Drafts is what the pages need of publish.Drafts.
type Drafts interface {
	Check(ctx context.Context, a actor.Actor, text string) (publish.Draft, error)
}

// Bundles is what the pages need of publish.Bundles.
type Bundles interface {
	Current(ctx context.Context, a actor.Actor) (publish.Bundle, error)
}

// Accounts are the services of package account that the pages call, by duty. The zero value stands for a hub without
// accounts: no page of theirs is shown.
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

// Passwords sign people in by name and password. Like the other services that sign in, it begins a session in the
// browser whose request ctx comes from: account.Requests put the session into ctx.
type Passwords interface {
	SignIn(ctx context.Context, name, password, address string) (actor.Actor, error)
	ChangePassword(ctx context.Context, a actor.Actor, old, password string) error
}

// Links sign members in by a link in an e-mail.
type Links interface {
	MailLink(ctx context.Context, email string) error
	// Link says whom a link would sign in, and changes nothing. UseLink signs them in.
	Link(ctx context.Context, code string) ([]account.Person, error)
	UseLink(ctx context.Context, code string, member policy.MemberID) (actor.Actor, error)
}

// PrintedCodes sign members in by codes on paper.
type PrintedCodes interface {
	Print(ctx context.Context, a actor.Actor, members []policy.MemberID, each int) ([]account.Printed, error)
	UseCode(ctx context.Context, code string) (actor.Actor, error)
}

// Ownership makes the first owner from the code that the hub prints at its first start.
type Ownership interface {
	Redeem(ctx context.Context, code, name, password string) (actor.Actor, error)
}

// Recovery gives an account a new password by a code.
type Recovery interface {
	ResetCode(ctx context.Context, a actor.Actor, id string) (code string, err error)
	ResetPassword(ctx context.Context, code, password string) (actor.Actor, error)
}

// Sessions are the browsers in which an account is signed in.
type Sessions interface {
	Active(ctx context.Context, a actor.Actor, id string) ([]account.Session, error)
	End(ctx context.Context, a actor.Actor, id, session string) error
	EndAll(ctx context.Context, a actor.Actor, id string) error
	SignOut(ctx context.Context) error
}

// Tokens are the API tokens of an account.
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

// Audit is the log of what administrators did.
type Audit interface {
	Entries(ctx context.Context, a actor.Actor, p account.Page) ([]account.Entry, string, error)
	Export(ctx context.Context, a actor.Actor, w io.Writer) error
}

// Reports is what the pages need of report.Service.
type Reports interface {
	Uses(ctx context.Context, a actor.Actor, r report.Range, p report.Page) (list []report.Use, next string, err error)
	UsesCSV(ctx context.Context, a actor.Actor, r report.Range, w io.Writer) error
	Weeks(ctx context.Context, a actor.Actor, r report.Range) ([]report.Week, error)
	Refusals(ctx context.Context, a actor.Actor, r report.Range) ([]report.Refusals, error)
}
