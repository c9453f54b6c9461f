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

// Directory is what the pages need of directory.Service.
type Directory interface {
	Members(ctx context.Context, a actor.Actor, f directory.Filter, p directory.Page) (list []directory.Member,
		next string, err error)
	Member(ctx context.Context, a actor.Actor, id policy.MemberID) (directory.Member, error)
	Own(ctx context.Context, a actor.Actor) (directory.Member, error)
	Add(ctx context.Context, a actor.Actor, m directory.Member) (directory.Member, error)
	Change(ctx context.Context, a actor.Actor, id policy.MemberID, version int64,
		change func(*directory.Member) error) (directory.Member, error)
	Merge(ctx context.Context, a actor.Actor, keep, drop policy.MemberID) (directory.Member, error)
	Erase(ctx context.Context, a actor.Actor, id policy.MemberID, version int64) error
	Endings(ctx context.Context, a actor.Actor) ([]directory.Ending, error)
	Cards
	Badges
	Imports
}

// Cards are the cards of members, and those of nobody.
type Cards interface {
	Cards(ctx context.Context, a actor.Actor, f directory.CardFilter, p directory.Page) (list []directory.HeldCard,
		next string, err error)
	AddCard(ctx context.Context, a actor.Actor, id policy.MemberID, c directory.Card) (directory.Card, error)
	SetCard(ctx context.Context, a actor.Actor, id policy.MemberID, card string, s directory.CardState, note string) error
	Taps(ctx context.Context, a actor.Actor, p directory.Page) (list []directory.Tap, next string, err error)
	Assign(ctx context.Context, a actor.Actor, tap string, id policy.MemberID) (directory.Card, error)
}

// Badges are the badges of members.
type Badges interface {
	AddBadges(ctx context.Context, a actor.Actor, id policy.MemberID, name string, data []byte) ([]directory.Badge, error)
	AddBadgeURL(ctx context.Context, a actor.Actor, id policy.MemberID, url string) (directory.Badge, error)
	RemoveBadge(ctx context.Context, a actor.Actor, id policy.MemberID, badge string) error
}

// Imports are lists of members that come and go as files.
type Imports interface {
	Preview(ctx context.Context, a actor.Actor, in directory.Import) (directory.Preview, error)
	// Confirm says that so many members are gone indeed.
	Confirm(ctx context.Context, a actor.Actor, preview string) (directory.Preview, error)
	Apply(ctx context.Context, a actor.Actor, preview string) (directory.Preview, error)
	Export(ctx context.Context, a actor.Actor, format string, w io.Writer) error
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

// SignIns begin and end sessions of browsers. The session itself is in ctx, put there by the service's middleware.
type SignIns interface {
	SignIn(ctx context.Context, name, password, address string) (actor.Actor, error)
	SignOut(ctx context.Context) error
	// Redeem makes the first owner, ResetPassword sets a new password, UseCode signs in by a printed code.
	Redeem(ctx context.Context, code, name, password string) (actor.Actor, error)
	ResetPassword(ctx context.Context, code, password string) (actor.Actor, error)
	UseCode(ctx context.Context, code string) (actor.Actor, error)
	MailLink(ctx context.Context, email string) error
	// Link says whom a link would sign in, and changes nothing. UseLink signs them in.
	Link(ctx context.Context, code string) ([]account.Person, error)
	UseLink(ctx context.Context, code string, member policy.MemberID) (actor.Actor, error)
}

// People are those who sign in.
type People interface {
	Accounts(ctx context.Context, a actor.Actor, p account.Page) (list []account.Account, next string, err error)
	Add(ctx context.Context, a actor.Actor, in account.Account, password string) (account.Account, error)
	Change(ctx context.Context, a actor.Actor, id string, version int64,
		change func(*account.Account) error) (account.Account, error)
	ResetCode(ctx context.Context, a actor.Actor, id string) (code string, err error)
	PrintedCodes(ctx context.Context, a actor.Actor, members []policy.MemberID, each int) ([]account.Printed, error)
}

// Accounts is what the pages need of account.Service.
type Accounts interface {
	SignIns
	People
	ChangePassword(ctx context.Context, a actor.Actor, old, password string) error
	Tokens(ctx context.Context, a actor.Actor, id string) ([]account.Token, error)
	NewToken(ctx context.Context, a actor.Actor, name string, scopes []actor.Act, expires time.Time) (account.Token, error)
	RevokeToken(ctx context.Context, a actor.Actor, id, token string) error
	Sessions(ctx context.Context, a actor.Actor, id string) ([]account.Session, error)
	EndSession(ctx context.Context, a actor.Actor, id, session string) error
	SignOutEverywhere(ctx context.Context, a actor.Actor, id string) error
	AuditLog(ctx context.Context, a actor.Actor, p account.Page) ([]account.Entry, string, error)
	ExportAudit(ctx context.Context, a actor.Actor, w io.Writer) error
}

// Reports is what the pages need of report.Service.
type Reports interface {
	Uses(ctx context.Context, a actor.Actor, r report.Range, p report.Page) (list []report.Use, next string, err error)
	UsesCSV(ctx context.Context, a actor.Actor, r report.Range, w io.Writer) error
	Weeks(ctx context.Context, a actor.Actor, r report.Range) ([]report.Week, error)
	Refusals(ctx context.Context, a actor.Actor, r report.Range) ([]report.Refusals, error)
}
