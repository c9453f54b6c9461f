// Package display shows the machines of a site to people who are not signed in: the public status of the site, if an
// administrator switches it on, and wall screens in the workshop.
//
// The public status contains the name and the state of each machine, and no data about people. Without the setting
// Public, Board answers *fault.NotFound, as for an address that does not exist. A wall screen also shows who uses a
// machine, in the form of names that the policy permits, and why a machine is out of service. A wall screen has a
// secret key, which an administrator creates and revokes. The database stores only a hash of the key.
//
// Board reads the machines at most once per freshness, however many requests arrive, so that strangers cannot load the
// database.
package display

import (
	"context"
	"errors"
	"time"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/policy"
)

// Machine is a machine of the site, as the hub knows it.
type Machine struct {
	ID      policy.MachineID
	Name    policy.Text // name in the policy; empty: the policy does not name the machine
	Online  bool
	Stopped bool      // the machine stopped because of a fault
	Seen    time.Time // time of the machine's last message
	Session *Session  // nil: nobody uses the machine
	Tags    []Tag     // tags that put the machine out of service
}

// Session is the current use of a machine.
type Session struct {
	Member policy.MemberID
	Role   string
	Since  time.Time
	Until  time.Time // zero: the session has no planned end
}

// Tag is a reason for which a person put a machine out of service.
type Tag struct {
	Reason string
	At     time.Time
}

// Options are the dependencies of New. Site, Machines and Audit are required.
type Options struct {
	Site *store.Site
	Now  func() time.Time // nil: time.Now
	// Audit writes an entry of the audit log in the transaction of a change.
	Audit func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error
	// Machines returns the machines that belong to the site now, sorted by id.
	Machines func(context.Context) ([]Machine, error)
	// Names returns the names of members in the form that the policy permits; nil: wall screens show no names.
	Names func(ctx context.Context, of []policy.MemberID) (map[policy.MemberID]string, error)
	// Wrong counts an attempt with a wrong key from a client's address, and returns an error after too many attempts.
	// If Wrong is nil, attempts are not counted.
	Wrong func(ctx context.Context, address string) error
	Title func() string         // returns the site's name; nil: the site's id
	Zone  func() *time.Location // returns the policy's time zone; nil, or a nil result: unknown
	URL   func() string         // returns the hub's address for browsers; nil: unknown
}

// Services contains the services of this package. The methods of the services may be called concurrently.
type Services struct {
	Settings *Settings // what the site shows without a sign-in
	Screens  *Screens  // keys of wall screens
	Board    *Board    // the machines, for people who are not signed in
}

// New reads the settings and returns the services.
func New(ctx context.Context, o Options) (*Services, error) {
	if o.Site == nil || o.Machines == nil || o.Audit == nil {
		return nil, errors.New("display: options are incomplete, want Site, Machines and Audit")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Title == nil {
		o.Title = func() string { return string(o.Site.ID()) }
	}
	if o.URL == nil {
		o.URL = func() string { return "" }
	}
	settings := &Settings{site: o.Site, audit: o.Audit}
	if err := settings.read(ctx); err != nil {
		return nil, err
	}
	screens := &Screens{site: o.Site, now: o.Now, audit: o.Audit, wrong: o.Wrong, url: o.URL}
	return &Services{Settings: settings, Screens: screens,
		Board: &Board{o: o, settings: settings, screens: screens}}, nil
}
