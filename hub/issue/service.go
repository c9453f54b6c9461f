// Package issue issues the site's badges (Open Badges 3.0): it signs them with the site's issuer key, keeps the
// issuer's status lists, and serves the documents by which anybody can verify the badges.
//
// A person decides each badge. Award signs a badge for each chosen member, and stores all badges or none. Undo takes a
// badge back within an hour; Revoke revokes a badge at any time, with a reason. Award, Undo and Revoke change the
// members' badges in the directory in the same transaction, so that the hub publishes a new bundle at once and the
// machines obey.
//
// The policy in force says which badges can be awarded: those of the issuer that pins the key of this hub. The texts of
// a badge class that the policy does not have (description, criteria, alignments) are rows of this package.
//
// Each badge has a random entry in a bitstring status list, which reveals neither the member nor the order of issue.
package issue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
)

// Options are the dependencies of the service. All fields except ID, Now and Log are required.
type Options struct {
	Site *store.Site
	Key  *openbadge.Key
	ID   string   // id of the issuer in its badges; empty: that of the policy's issuer that pins the key
	URL  *url.URL // address of the hub's pages, with https
	Now  func() time.Time
	Log  *slog.Logger

	// Policy returns the policy in force; nil: there is no policy.
	Policy func(context.Context) (*policy.Policy, error)
	// Recipient returns a member to whom a badge may be issued. The error is *fault.NotFound for an unknown member.
	Recipient func(context.Context, policy.MemberID) (Recipient, error)
	// Audit writes an entry of the audit log.
	Audit func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error
	// Apply changes the members' badges, in one transaction with the function with, which returns the detail of the audit
	// entry. Apply refuses a new badge that is not valid for its member.
	Apply func(ctx context.Context, a actor.Actor, c Change, with func(*store.Tx) (detail string, err error)) error
}

// Recipient is a member to whom a badge may be issued.
type Recipient struct {
	ID      policy.MemberID
	Name    string
	Email   string // address to which badges are issued; empty: none
	Subject string // DID or URL to which badges are issued; empty: none
	Blocked bool
	Valid   []policy.BadgeID // badges of the policy that the member has and that are valid
}

// Change is a change of the members' badges in the directory.
type Change struct {
	Add    []Credential // new badges, which their members receive
	Remove []Credential // badges that their members lose
	Check  []Credential // badges whose status has changed
	// Lists and Documents are the status lists and the documents of the issuer; the key is the address.
	Lists, Documents map[string][]byte
}

// Credential is a signed badge of a member.
type Credential struct {
	Member policy.MemberID
	ID     string // SHA-256 of the bytes, in hexadecimal
	Name   string // file name
	Data   []byte // empty except for a new badge
}

// Service issues the badges of one site. The methods of a Service may be called by many goroutines.
type Service struct {
	o       Options
	classes catalogue
	lists   statusLists

	// changing is locked while badges or status lists change, so that each list is signed with all revocations.
	changing sync.Mutex
	pictures pictures
}

// Limits of an award.
const (
	maxAtOnce   = 100  // members of one award
	maxWhy      = 500  // bytes of a reason
	maxText     = 4000 // bytes of the evidence, of a description and of criteria
	maxURLs     = 10   // addresses of evidence, and alignments of a class
	maxURL      = 1000 // bytes of an address
	maxYears    = 20   // of validity
	undoWithin  = time.Hour
	renewEvery  = 24 * time.Hour   // age at which a status list is signed again
	renewCheck  = 30 * time.Minute // interval at which the ages are checked
	listTTL     = 5 * time.Minute  // time for which readers may use a list
	maxListSize = openbadge.MinStatusEntries / 2
)

// New returns the service.
func New(o Options) (*Service, error) {
	if o.Site == nil || o.Key == nil || o.URL == nil || o.Policy == nil || o.Recipient == nil || o.Audit == nil ||
		o.Apply == nil {
		return nil, errors.New("issue: options are incomplete, want Site, Key, URL, Policy, Recipient, Audit and Apply")
	}
	if o.URL.Scheme != "https" {
		return nil, fmt.Errorf("issue: the hub's address is %s, want an https address", o.URL)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{o: o, classes: catalogue{o}, lists: statusLists{o}}, nil
}

// now returns the current time, in UTC and in whole seconds, as the dates of badges and lists are.
func (o Options) now() time.Time { return o.Now().UTC().Truncate(time.Second) }

// issuer returns the issuer of the policy whose badges this hub issues. The error is *fault.Invalid if no issuer of the
// policy pins the key.
func (s catalogue) issuer(p *policy.Policy) (*policy.Issuer, error) {
	if p != nil {
		for i := range p.Issuers {
			if is := &p.Issuers[i]; (s.o.ID == "" || is.Profile == s.o.ID) && s.pinnedBy(is) {
				return is, nil
			}
		}
	}
	return nil, invalid("badge", s.o.Key.String(), "no issuer of the access policy has the key of this hub",
		"under issuers:, an issuer with this key")
}

// pinnedBy reports whether an issuer of the policy has the hub's key: the key itself, or an address at which the hub
// publishes the key. With Options.ID, an address elsewhere is enough, because only the verification of a badge shows
// what it contains.
func (s catalogue) pinnedBy(is *policy.Issuer) bool {
	own := s.o.addresses()
	for _, k := range is.Keys {
		switch {
		case k == s.o.Key.DID() && k != "", k == s.o.Key.Name(), k == own.did, k == own.profile, k == own.jwks:
			return true
		case s.o.ID != "" && (strings.HasPrefix(k, "did:web:") || strings.HasPrefix(k, "https://")):
			return true
		}
	}
	return false
}

// invalid returns an error about one value.
func invalid(field, given, wrong, right string) error {
	return &fault.Invalid{Faults: []fault.Field{{Field: field, Given: clip(given, 200), Wrong: wrong, Right: right}}}
}

// clip returns at most the first most bytes of s, without a part of a character.
func clip(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// millis returns a time as the database stores it: in milliseconds since 1970, 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMillis is the inverse of millis. fromMillis returns the time in UTC.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
