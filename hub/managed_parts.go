package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/audit"
	"portillon/hub/cardkey"
	"portillon/hub/directory"
	"portillon/hub/fault"
	"portillon/hub/ledger"
	"portillon/hub/publish"
	"portillon/hub/report"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/policy/file"
	"portillon/site"
	"portillon/wire"
)

// policies caches the parsed policy in force.
type policies struct {
	read func(context.Context) (number int64, text string, err error)

	changes *store.Subscription // subscription to published policies; nil: forNames reads the policy at each call

	mu     sync.Mutex
	number int64
	last   *policy.Policy
	stale  bool // true: a policy was published since forNames last read the database
}

// forNames returns the policy in force for callers that need only its names; nil: there is no policy, or the policy
// cannot be read. A page calls forNames hundreds of times, so forNames reads the database only after a policy was
// published.
func (p *policies) forNames() *policy.Policy {
	p.mu.Lock()
	p.stale = p.stale || p.changes == nil || len(p.changes.Take()) > 0
	last, stale := p.last, p.stale
	p.mu.Unlock()
	if last != nil && !stale {
		return last
	}
	now, err := p.current(context.Background())
	if err != nil {
		return last
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stale = false
	return now
}

// current returns the policy in force; nil: there is no policy.
func (p *policies) current(ctx context.Context) (*policy.Policy, error) {
	number, text, err := p.read(ctx)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if number == 0 {
		return nil, nil
	}
	if p.last != nil && p.number >= number { // a concurrent call has read a newer policy, which has a higher number
		return p.last, nil
	}
	parsed, err := file.Parse("policy.yaml", []byte(text))
	if err != nil {
		return nil, err
	}
	p.number, p.last = number, parsed
	return parsed, nil
}

// machineName returns the policy's name of a machine; empty: the policy does not name the machine.
func (p *policies) machineName(id policy.MachineID) policy.Text {
	if now := p.forNames(); now != nil {
		if m, ok := now.Machine(id); ok {
			return m.Name
		}
	}
	return policy.Text{}
}

// zone returns the time zone of the policy in force; nil: there is no policy.
func (p *policies) zone() *time.Location {
	if now := p.forNames(); now != nil {
		return now.Zone
	}
	return nil
}

// machineIDs returns the machines of the policy in force.
func (p *policies) machineIDs() (out []policy.MachineID) {
	if now := p.forNames(); now != nil {
		for i := range now.Machines {
			out = append(out, now.Machines[i].ID)
		}
	}
	return out
}

// badgeName returns the policy's name of a badge; empty: the policy does not name the badge.
func (p *policies) badgeName(id policy.BadgeID) policy.Text {
	if now := p.forNames(); now != nil {
		if b, ok := now.Badge(id); ok {
			return b.Name
		}
	}
	return policy.Text{}
}

// issuerName returns the policy's name of an issuer. as is the issuer's profile or one of the issuer's keys.
func (p *policies) issuerName(as string) string {
	if now := p.forNames(); now != nil {
		for _, i := range now.Issuers {
			if as == i.Profile || slices.Contains(i.Keys, as) {
				return i.Name
			}
		}
	}
	return ""
}

// services has the services of a hub that manages the site.
type services struct {
	core  *core
	fleet *fleet
	cards *cards

	// The following services are nil if the hub does not manage the site.
	audit     *audit.Log
	accounts  *account.Services
	directory *directory.Services
	publish   *publish.Services
	report    *report.Service
	policies  policies
	cardKey   *cardkey.Service
	settings  settings
	ownerCode string // code with which the first owner signs up; empty: there is an owner
}

// policyText returns the number and the text of the policy in force; number 0: there is no policy.
func (sv *services) policyText(ctx context.Context) (int64, string, error) {
	v, err := sv.publish.Policies.Current(ctx, actor.System("directory"))
	var none *fault.NotFound
	if errors.As(err, &none) {
		return 0, "", nil
	}
	return v.Number, v.Text, err
}

// zone returns the time zone of the policy in force; UTC if there is no policy.
func (sv *services) zone(ctx context.Context) (*time.Location, error) {
	p, err := sv.policies.current(ctx)
	if err != nil || p == nil || p.Zone == nil {
		return time.UTC, err
	}
	return p.Zone, nil
}

// names returns the names of members, for reports.
func (sv *services) names(ctx context.Context, of []policy.MemberID) (map[policy.MemberID]string, error) {
	return sv.directory.Lookup.Names(ctx, of)
}

// people returns the functions of the directory that the accounts call.
func (sv *services) people() account.People {
	d := sv.directory
	person := func(m directory.Member) account.Person {
		return account.Person{ID: m.ID, Name: m.Name, Language: m.Language}
	}
	return account.People{
		ByAddress: func(ctx context.Context, address string) (out []account.Person, err error) {
			all, err := d.Lookup.ByAddress(ctx, address)
			for _, m := range all {
				out = append(out, person(m))
			}
			return out, err
		},
		Member: func(ctx context.Context, id policy.MemberID) (account.Person, error) {
			m, err := d.Members.Get(ctx, actor.System("accounts"), id)
			return person(m), err
		},
		Roles: func(ctx context.Context, id policy.MemberID) (map[policy.MachineID]actor.Role, error) {
			x, err := d.Lookup.Standing(ctx, id)
			return x.Roles, err
		},
		Standing: func(ctx context.Context, id policy.MemberID) (account.Standing, error) {
			x, err := d.Lookup.Standing(ctx, id)
			switch {
			case err != nil || !x.Known:
				return "", err
			case x.Blocked:
				return account.Blocked, nil
			case x.Lapsed:
				return account.Lapsed, nil
			}
			return account.Current, nil
		},
	}
}

// forgetMember removes the data of an erased member from accounts, audit log and the warnings of bundles.
func (sv *services) forgetMember(
	ctx context.Context,
	tx *store.Tx,
	a actor.Actor,
	id policy.MemberID,
	addresses []string,
) error {
	if err := sv.publish.Bundles.Forget(ctx, tx, a); err != nil {
		return err
	}
	return sv.accounts.Registry.Forget(ctx, tx, a, id, addresses)
}

// mergeMember moves the account of a removed member to the member with whom the removed member was merged.
func (sv *services) mergeMember(ctx context.Context, tx *store.Tx, a actor.Actor, keep, drop policy.MemberID) error {
	return sv.accounts.Registry.Merge(ctx, tx, a, keep, drop)
}

// refreshEvery is the interval at which the hub fetches status lists and keys from issuers: several times a day,
// because the shortest useful status-grace is a day.
const refreshEvery = 6 * time.Hour

// refreshBadges fetches the current status of all badges from their issuers every refreshEvery, until ctx ends.
func (sv *services) refreshBadges(ctx context.Context) error {
	t := time.NewTicker(refreshEvery)
	defer t.Stop()
	for {
		if err := sv.directory.Verdicts.Verify(ctx, true); err != nil && ctx.Err() == nil {
			sv.core.log.Warn("badges not refreshed", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// holders returns all members with the badges that they have under policy before and under policy after.
func (sv *services) holders(ctx context.Context, before, after *policy.Policy) (out []publish.Holder, unknown []string,
	err error) {
	all, unknown, err := sv.directory.Lookup.Holders(ctx, before, after)
	for _, m := range all {
		out = append(out, publish.Holder{Name: m.Name, Before: m.Before, After: m.After})
	}
	return out, unknown, err
}

// practice returns the members' time at machines, from the same records as reports.
func (sv *services) practice(ctx context.Context, machines []policy.MachineID) (out directory.Practised, err error) {
	out.Of, out.Known, err = sv.report.Practice(ctx, machines)
	return out, err
}

// practiceOf returns the practice of one member, and the machines of which the hub has records.
func (sv *services) practiceOf(ctx context.Context, id policy.MemberID) ([]policy.Practice, map[policy.MachineID]bool,
	error) {
	return sv.report.PracticeOf(ctx, id)
}

// builder returns a function that builds a bundle from a policy and the current directory.
func (sv *services) builder() func(context.Context, publish.Snapshot, publish.Order) (*site.Built, error) {
	memory := &site.Memory{}
	var trusted string // text of the issuers at the previous build; empty: there was no build yet
	var text []byte    // policy text of the previous build; parsing 1,000 machines takes some ten milliseconds
	return func(ctx context.Context, p publish.Snapshot, o publish.Order) (*site.Built, error) {
		ring, release := sv.cardKey.Hold()
		defer release()
		trust := trusted
		if trusted == "" || !bytes.Equal(text, p.Text) {
			var err error
			if trust, err = trustOf(p.Text); err != nil {
				return nil, err
			}
		}
		// The hub verifies a badge when the badge is added, and all badges at each start (refreshBadges). Between these, a
		// verification result changes only if the issuers of the policy change. Verifying 10,000 badges at each build would
		// take seconds and delay the blocking of a card.
		if trusted != "" && trusted != trust {
			if err := sv.directory.Verdicts.Verify(ctx, false); err != nil {
				return nil, err
			}
		}
		trusted, text = trust, p.Text
		d, err := sv.directory.Exports.Snapshot(ctx)
		if err != nil {
			return nil, err
		}
		s, err := site.New(p.Text, d.Members, d.Badges, d.Status, d.Web)
		if err != nil {
			return nil, err
		}
		s.Load = d.Load
		order := site.Order{
			Memory:  memory,
			Version: o.Version,
			Issued:  o.Issued,
			Expires: o.Expires,
			Signer:  sv.core.signer,
			CardKey: ring.InForce,
		}
		if sv.core.c.Bundle.Policy != nil {
			order.Policy = site.PolicyOrder{Signed: p.Signed, Keys: sv.core.c.Bundle.policyKeys()}
		}
		return s.Build(order)
	}
}

// trustOf returns the issuers of a policy as one text, for comparison.
func trustOf(text []byte) (string, error) {
	p, err := file.Parse("policy.yaml", text)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%q", site.Trust(p)), nil
}

// bundleKeySigner signs policies with the key of bundles, in a site without a separate policy key.
type bundleKeySigner struct{ signer note.Signer }

// SignPolicy implements publish.Signer. SignPolicy ignores the issuers' documents, because only a separate policy key
// signs documents.
func (k bundleKeySigner) SignPolicy(number int64, text, _ []byte) ([]byte, error) {
	signed, _, err := site.SignPolicyText(text, uint64(number), k.signer)
	return signed, err
}

// verifyPolicy verifies and parses a policy that "portillon policy sign" signed.
func (sv *services) verifyPolicy(signed []byte) (publish.SignedPolicy, error) {
	f, err := wire.ReadPolicyFile(bytes.NewReader(signed), sv.core.c.Bundle.policyKeys())
	if err != nil {
		return publish.SignedPolicy{}, err
	}
	if f.Policy.Site != sv.core.c.Site {
		return publish.SignedPolicy{}, fmt.Errorf(
			"the policy was signed for the site %q, want %q",
			f.Policy.Site,
			sv.core.c.Site,
		)
	}
	return publish.SignedPolicy{Number: int64(f.Policy.Number), Text: f.Chunks[wire.PolicyChunk],
		Documents: f.Chunks[wire.DocumentsChunk], By: sv.core.c.Bundle.Policy.Name()}, nil
}

// taken returns the version of the bundle that each machine uses.
func (sv *services) taken(context.Context) (out []publish.Taken, err error) {
	for _, m := range sv.fleet.list() {
		t := publish.Taken{Machine: m.ID}
		if m.State != nil {
			t.Version, t.Refused = m.State.Bundle, m.State.BundleRefused
		}
		out = append(out, t)
	}
	return out, nil
}

// unknownTaps returns the unknown cards that were tapped since a time. unknownTaps leaves out records with card
// numbers that the hub cannot decrypt.
func (sv *services) unknownTaps(ctx context.Context, since time.Time) (out []directory.UnknownTap, err error) {
	keys, err := sv.core.c.SealKeys(sv.core.now())
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	err = sv.core.ledger.Records(
		ctx,
		ledger.Query{Kinds: []wire.Kind{wire.Refused}, Since: since},
		func(e ledger.Entry) error {
			if e.Wall.Before(since) || e.Member != "" {
				return nil
			}
			var body wire.RefusedBody
			if json.Unmarshal(e.Body, &body) != nil || body.Sealed == "" {
				return nil
			}
			if card, err := wire.OpenCard(body.Sealed, sv.core.c.Site, e.Machine, keys); err == nil {
				sv.cards.markTap(&card, e.Machine)
				out = append(
					out,
					directory.UnknownTap{EnrolCard: card, Machine: e.Machine, Generation: e.Generation, Seq: e.Seq, At: e.Wall},
				)
			}
			return nil
		},
	)
	return out, err
}

// ledgerMachines returns all machines of which the ledger may contain records, including revoked ones.
func (en *enrolments) ledgerMachines(ctx context.Context) (out []policy.MachineID, err error) {
	for _, m := range en.core.c.Machines {
		out = append(out, m.ID)
	}
	if en.machines == nil {
		return out, nil
	}
	all, err := en.machines.Machines.Enrolled(ctx)
	for _, m := range all {
		if !slices.Contains(out, m.ID) {
			out = append(out, m.ID)
		}
	}
	return out, err
}
