package publish

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/site"
	"portillon/wire"
)

// Signer signs policies with the policy key. The package stores the signed document without changes.
type Signer interface {
	// SignPolicy signs a text, together with its issuers' documents, as the policy with this number.
	SignPolicy(number int64, text, documents []byte) (signed []byte, err error)
}

// SignedPolicy is the content of a signed document whose signature was verified.
type SignedPolicy struct {
	Number    int64
	Text      []byte
	Documents []byte
	By        string // name of the key that signed the document
}

// Installer stores the bundle that the hub serves, for example in a wire.Store.
type Installer interface {
	// Current returns the manifest in force. The error is fs.ErrNotExist if no bundle was installed.
	Current() (wire.Manifest, error)
	// Install brings a bundle into force. Install calls the function chunk for each chunk that is not stored yet. If
	// Install returns an error, the previous bundle stays in force.
	Install(signed []byte, chunk wire.Fetch) (wire.Manifest, error)
}

// Snapshot is the policy from which Options.Build builds a bundle, together with the directory.
type Snapshot struct {
	Number    int64
	Text      []byte
	Documents []byte
	Signed    []byte // signed document that the Signer returned
}

// Order contains the values of a new bundle's manifest that do not depend on the content of the bundle.
type Order struct {
	Version         uint64
	Issued, Expires time.Time
}

// Holder is a member with the member's badges under each of two policies. The badges may differ, because a badge that
// one policy accepts may not occur in the other policy.
type Holder struct {
	Name          string
	Before, After *policy.Member
}

// Options configure the Services. Site is required, and Signer or Verify. Builder.Run also requires Build and Install.
type Options struct {
	Site *store.Site
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: no logging
	// Audit writes an entry of the audit log in the transaction of the change. If Audit is nil, no entries are written.
	Audit func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error
	// Language returns the language of a Draft's texts. If Language is nil, the policy's language is used.
	Language func(ctx context.Context) policy.Language

	// Signer signs policies on this computer. If Signer is nil, the policy key is on another computer, and a published
	// policy waits for its signature.
	Signer   Signer
	SignedBy string // name of the Signer's key
	// Verify opens a signed policy, and returns an error if the site's policy key did not sign the policy. If Verify is
	// nil, signed policies are refused.
	Verify func(signed []byte) (SignedPolicy, error)
	// Documents returns the issuers' documents that are signed together with a policy. If Documents is nil, a policy
	// has no documents.
	Documents func(ctx context.Context, p *policy.Policy) ([]byte, error)

	// Holders returns all members of the site with their badges under both policies, and sentences about badges that
	// could not be determined. If Holders is nil, a Draft lists no members.
	Holders func(ctx context.Context, before, after *policy.Policy) (all []Holder, unknown []string, err error)

	// Records are the machines' records, over which a draft is replayed; nil: a Draft has no Replay.
	Records Records
	// Names returns the names of members, for the Replay; nil: no names are known.
	Names func(ctx context.Context, of []policy.MemberID) (map[policy.MemberID]string, error)

	// Build builds a bundle from the policy and the current directory.
	Build   func(ctx context.Context, s Snapshot, o Order) (*site.Built, error)
	Install Installer
	Life    time.Duration // time for which a bundle stays fresh; zero: 30 days
	// Keys verify the manifests that Bundles.Adopt receives. If Keys is nil, Adopt refuses all manifests.
	Keys note.Verifiers
	// States returns the bundle that each machine uses. If States is nil, Bundle.Taken is empty.
	States func(ctx context.Context) ([]Taken, error)
}

// Services contains the services that publish the policies and bundles of one site, one field per duty. All methods are
// safe for concurrent use, except Builder.Run and Builder.Once.
type Services struct {
	Policies *Policies // reads the policy's versions, and brings a new version into force
	Drafts   *Drafts   // checks a policy text that is not in force
	Bundles  *Bundles  // returns the state of the bundle in force, and receives manifests from machines
	Builder  *Builder  // builds and installs the next bundle
}

// defaultLife is the time for which a bundle stays fresh, as in the command "portillon bundle build".
const defaultLife = 30 * 24 * time.Hour

// New returns the services.
func New(o Options) (*Services, error) {
	if o.Site == nil {
		return nil, errors.New("publish: options have no site, want Options.Site")
	}
	if o.Signer == nil && o.Verify == nil {
		return nil, errors.New(
			"publish: options have neither Signer nor Verify, so that no policy could come into force",
		)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Life <= 0 {
		o.Life = defaultLife
	}
	drafts := &Drafts{site: o.Site, now: o.Now, language: o.Language, holders: o.Holders, turn: make(chan struct{}, 1),
		past: &past{records: o.Records, names: o.Names, decided: newDecidedPolicies(o.Site)}}
	rows, status := &bundleRows{site: o.Site}, &buildStatus{}
	builder := &Builder{site: o.Site, now: o.Now, log: o.Log, build: o.Build, install: o.Install, life: o.Life, rows: rows,
		status: status, wake: make(chan struct{}, 1)}
	return &Services{
		Drafts: drafts,
		Policies: &Policies{site: o.Site, now: o.Now, log: o.Log, audit: o.Audit, drafts: drafts, documents: o.Documents,
			signer: o.Signer, signedBy: o.SignedBy, verify: o.Verify},
		Builder: builder,
		Bundles: &Bundles{site: o.Site, now: o.Now, log: o.Log, keys: o.Keys, states: o.States, install: o.Install,
			rows: rows, status: status, builder: builder},
	}, nil
}

// installedManifest returns the manifest in force, or the zero Manifest if no bundle was installed.
func installedManifest(i Installer) (wire.Manifest, error) {
	if i == nil {
		return wire.Manifest{}, nil
	}
	m, err := i.Current()
	if errors.Is(err, fs.ErrNotExist) {
		return wire.Manifest{}, nil
	}
	return m, err
}
