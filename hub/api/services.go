package api

import (
	"context"
	"io"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/enrol"
	"portillon/hub/publish"
	"portillon/hub/report"
	"portillon/hub/store"
	"portillon/policy"
)

// Directory is what the API needs of directory.Service.
type Directory interface {
	Members(ctx context.Context, a actor.Actor, f directory.Filter, p directory.Page) (list []directory.Member, next string, err error)
	Member(ctx context.Context, a actor.Actor, id policy.MemberID) (directory.Member, error)
	Own(ctx context.Context, a actor.Actor) (directory.Member, error)
	Add(ctx context.Context, a actor.Actor, m directory.Member) (directory.Member, error)
	Change(ctx context.Context, a actor.Actor, id policy.MemberID, version int64, change func(*directory.Member) error) (directory.Member, error)
	Merge(ctx context.Context, a actor.Actor, keep, drop policy.MemberID) (directory.Member, error)
	Erase(ctx context.Context, a actor.Actor, id policy.MemberID, version int64) error
	Endings(ctx context.Context, a actor.Actor) ([]directory.Ending, error)
	Cards
	Badges
	Imports
}

// Cards are the cards of members, and those of nobody.
type Cards interface {
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
	Apply(ctx context.Context, a actor.Actor, preview string) (directory.Preview, error)
	Export(ctx context.Context, a actor.Actor, format string, w io.Writer) error
}

// Machines is what the API needs of enrol.Service.
type Machines interface {
	Machines(ctx context.Context, a actor.Actor) ([]enrol.Machine, error)
	Machine(ctx context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error)
	Add(ctx context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error)
	NewCode(ctx context.Context, a actor.Actor, id policy.MachineID, replace bool) (enrol.Code, error)
	Revoke(ctx context.Context, a actor.Actor, id policy.MachineID, version int64, reason string) error
	Tag(ctx context.Context, a actor.Actor, id policy.MachineID, reason string) error
	Stop(ctx context.Context, a actor.Actor, id policy.MachineID) error
}

// Policies is what the API needs of publish.Service.
type Policies interface {
	Current(ctx context.Context, a actor.Actor) (publish.Policy, error)
	Versions(ctx context.Context, a actor.Actor, p publish.Page) (list []publish.Policy, next string, err error)
	Draft(ctx context.Context, a actor.Actor, text string) (publish.Draft, error)
	Publish(ctx context.Context, a actor.Actor, text, comment string, of int64, signature []byte) (publish.Policy, error)
	Back(ctx context.Context, a actor.Actor, comment string) (publish.Policy, error)
	Bundle(ctx context.Context, a actor.Actor) (publish.Bundle, error)
}

// Accounts is what the API needs of account.Service.
type Accounts interface {
	// FromToken says whose the API token is. *actor.Denied and *fault.NotFound: nobody's.
	FromToken(ctx context.Context, text, address string) (actor.Actor, error)
	Accounts(ctx context.Context, a actor.Actor, p account.Page) (list []account.Account, next string, err error)
	Account(ctx context.Context, a actor.Actor, id string) (account.Account, error)
	Add(ctx context.Context, a actor.Actor, in account.Account) (account.Account, error)
	Change(ctx context.Context, a actor.Actor, id string, version int64, change func(*account.Account) error) (account.Account, error)
	ResetPassword(ctx context.Context, a actor.Actor, id string) (code string, err error)
	Tokens(ctx context.Context, a actor.Actor) ([]account.Token, error)
	NewToken(ctx context.Context, a actor.Actor, t account.Token) (account.Token, error)
	RevokeToken(ctx context.Context, a actor.Actor, id string) error
	Sessions(ctx context.Context, a actor.Actor) ([]account.Session, error)
	SignOutEverywhere(ctx context.Context, a actor.Actor) error
	AuditLog(ctx context.Context, a actor.Actor, p account.Page) (list []account.Entry, next string, err error)
	ExportAudit(ctx context.Context, a actor.Actor, w io.Writer) error
}

// Reports is what the API needs of report.Service.
type Reports interface {
	Uses(ctx context.Context, a actor.Actor, r report.Range, p report.Page) (list []report.Use, next string, err error)
	UsesCSV(ctx context.Context, a actor.Actor, r report.Range, w io.Writer) error
	Weeks(ctx context.Context, a actor.Actor, r report.Range) ([]report.Week, error)
	Refusals(ctx context.Context, a actor.Actor, r report.Range) ([]report.Refusals, error)
}

// Hub is the hub itself: its settings and how it runs. Each method asks a.May.
type Hub interface {
	State(ctx context.Context, a actor.Actor) (State, error)
	Settings(ctx context.Context, a actor.Actor) (Settings, error)
	ChangeSettings(ctx context.Context, a actor.Actor, version int64, change func(*Settings) error) (Settings, error)
}

// Events tells what changed: *store.Site.
type Events interface {
	Subscribe(topics ...store.Topic) (sub *store.Subscription, cancel func())
}
