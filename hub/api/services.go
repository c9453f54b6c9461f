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
	"portillon/hub/publish"
	"portillon/hub/report"
	"portillon/hub/store"
	"portillon/policy"
)

// Directory are the services of package directory that the API calls, by duty.
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
	AddCard(ctx context.Context, a actor.Actor, id policy.MemberID, c directory.Card) (directory.Card, error)
	SetCard(ctx context.Context, a actor.Actor, id policy.MemberID, card string, s directory.CardState, note string) error
	RemoveCard(ctx context.Context, a actor.Actor, id policy.MemberID, card string) error
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
	BadgeData(ctx context.Context, a actor.Actor, id policy.MemberID, badge string) (file string, data []byte, err error)
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

// Machines is what the API needs of enrol.Machines.
type Machines interface {
	List(ctx context.Context, a actor.Actor) ([]enrol.Machine, error)
	Get(ctx context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error)
	Add(ctx context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error)
	Revoke(ctx context.Context, a actor.Actor, id policy.MachineID, version int64, reason string) error
	Held(ctx context.Context, a actor.Actor, id policy.MachineID) (enrol.Held, error)
}

// Codes is what the API needs of enrol.Codes.
type Codes interface {
	New(ctx context.Context, a actor.Actor, id policy.MachineID, replace bool) (enrol.Code, error)
}

// Orders is what the API needs of enrol.Orders.
type Orders interface {
	Tag(ctx context.Context, a actor.Actor, id policy.MachineID, reason string) error
	Stop(ctx context.Context, a actor.Actor, id policy.MachineID) error
}

// CardKeys is the part of cardkey.Service that the API uses.
type CardKeys interface {
	Status(ctx context.Context, a actor.Actor) (cardkey.Status, error)
	Rotate(ctx context.Context, a actor.Actor, version int64, reason string) error
	End(ctx context.Context, a actor.Actor, version int64) error
}

// Policies is what the API needs of publish.Policies.
type Policies interface {
	Current(ctx context.Context, a actor.Actor) (publish.Policy, error)
	// Version returns one version with its text; Versions lists them without.
	Version(ctx context.Context, a actor.Actor, number int64) (publish.Policy, error)
	Versions(ctx context.Context, a actor.Actor, p publish.Page) (list []publish.Policy, next string, err error)
	Publish(ctx context.Context, a actor.Actor, text, comment string, of int64, signature []byte) (publish.Policy, error)
	Back(ctx context.Context, a actor.Actor, comment string) (publish.Policy, error)
}

// Drafts is what the API needs of publish.Drafts.
type Drafts interface {
	Check(ctx context.Context, a actor.Actor, text string) (publish.Draft, error)
}

// Bundles is what the API needs of publish.Bundles.
type Bundles interface {
	Current(ctx context.Context, a actor.Actor) (publish.Bundle, error)
}

// Accounts are the services of package account that the API calls, by duty.
type Accounts struct {
	Tokens       Tokens
	Sessions     Sessions
	Registry     Registry
	Recovery     Recovery
	PrintedCodes PrintedCodes
	Audit        Audit
}

// Tokens are API tokens: whom one speaks for, and those of an account.
type Tokens interface {
	// FromToken says whose the API token is. The zero Actor, *fault.NotFound, *actor.Denied, and an error that
	// Options.Status calls 401: nobody's.
	FromToken(ctx context.Context, text, address string) (actor.Actor, error)
	Issued(ctx context.Context, a actor.Actor, id string) ([]account.Token, error)
	Issue(ctx context.Context, a actor.Actor, name string, scopes []actor.Act, expires time.Time) (account.Token, error)
	Revoke(ctx context.Context, a actor.Actor, id, token string) error
}

// Sessions are the browsers in which an account is signed in.
type Sessions interface {
	Active(ctx context.Context, a actor.Actor, id string) ([]account.Session, error)
	End(ctx context.Context, a actor.Actor, id, session string) error
	EndAll(ctx context.Context, a actor.Actor, id string) error
}

// Registry lists, adds, changes and removes accounts.
type Registry interface {
	List(ctx context.Context, a actor.Actor, p account.Page) (list []account.Account, next string, err error)
	Get(ctx context.Context, a actor.Actor, id string) (account.Account, error)
	// Add makes an account. Without a password its owner sets one with a code of ResetCode.
	Add(ctx context.Context, a actor.Actor, in account.Account, password string) (account.Account, error)
	// Change changes the name, the member, the roles, and whether the account is disabled.
	Change(ctx context.Context, a actor.Actor, id string, version int64,
		change func(*account.Account) error) (account.Account, error)
	Remove(ctx context.Context, a actor.Actor, id string, version int64) error
}

// Recovery makes the code with which an account sets a new password.
type Recovery interface {
	ResetCode(ctx context.Context, a actor.Actor, id string) (code string, err error)
}

// PrintedCodes makes codes on paper with which members sign in.
type PrintedCodes interface {
	Print(ctx context.Context, a actor.Actor, members []policy.MemberID, each int) ([]account.Printed, error)
}

// Audit is the log of what administrators did.
type Audit interface {
	Entries(ctx context.Context, a actor.Actor, p account.Page) (list []account.Entry, next string, err error)
	Export(ctx context.Context, a actor.Actor, w io.Writer) error
}

// Reports is what the API needs of report.Service.
type Reports interface {
	Uses(ctx context.Context, a actor.Actor, r report.Range, p report.Page) (list []report.Use, next string, err error)
	UsesCSV(ctx context.Context, a actor.Actor, r report.Range, w io.Writer) error
	Weeks(ctx context.Context, a actor.Actor, r report.Range) ([]report.Week, error)
	Refusals(ctx context.Context, a actor.Actor, r report.Range) ([]report.Refusals, error)
}

// Hub is the hub itself: its settings and its state. Each method checks a.May.
type Hub interface {
	State(ctx context.Context, a actor.Actor) (State, error)
	Settings(ctx context.Context, a actor.Actor) (Settings, error)
	ChangeSettings(ctx context.Context, a actor.Actor, version int64, change func(*Settings) error) (Settings, error)
}

// Events announces changes. *store.Site implements it.
type Events interface {
	Subscribe(topics ...store.Topic) (sub *store.Subscription, cancel func())
}
