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

// Signer signs policies with the policy key. What it returns is kept and passed on as it is.
type Signer interface {
	// SignPolicy signs a text and the issuers' documents that belong to it, as the policy of this number.
	SignPolicy(number int64, text, documents []byte) (signed []byte, err error)
}

// SignedPolicy is what a signed document says, once its signature is known to be good.
type SignedPolicy struct {
	Number    int64
	Text      []byte
	Documents []byte
	By        string // name of the key
}

// Installer keeps the bundle that the hub serves. wire.Store is most of one.
type Installer interface {
	// Current is the manifest in force; fs.ErrNotExist where there is none.
	Current() (wire.Manifest, error)
	// Install brings a bundle into force. It asks chunk for those that it does not hold. On an error, the bundle
	// that was in force stays.
	Install(signed []byte, chunk wire.Fetch) (wire.Manifest, error)
}

// Snapshot is the policy that a bundle is made of. Options.Build adds the directory.
type Snapshot struct {
	Number    int64
	Text      []byte
	Documents []byte
	Signed    []byte // as the Signer made it
}

// Order says what the manifest of a bundle shall say.
type Order struct {
	Version         uint64
	Issued, Expires time.Time
}

// Holder is a member with what they hold under two policies: a badge that the one believes may be nothing to the other.
type Holder struct {
	Name          string
	Before, After *policy.Member
}

// Options configure the Services. Site and either Signer or Verify are required; Builder.Run also needs Build and
// Install.
type Options struct {
	Site *store.Site
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: nothing is logged
	// Audit notes an act in the transaction that does it; nil: nothing is noted.
	Audit func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error
	// Language is that of the words in a Draft; nil: the policy's.
	Language func(ctx context.Context) policy.Language

	// Signer signs policies here; nil: the policy key is not on this computer, and Publish waits for its signature.
	Signer   Signer
	SignedBy string // name of the Signer's key
	// Verify opens a signed policy, and returns an error unless the site's policy key signed it; nil: none is accepted.
	Verify func(signed []byte) (SignedPolicy, error)
	// Documents are the issuers' documents that are signed with a policy; nil: none.
	Documents func(ctx context.Context, p *policy.Policy) ([]byte, error)

	// Holders are all members of the site, with what they hold under either policy, and sentences on what is not known
	// of them; nil: Draft names nobody.
	Holders func(ctx context.Context, before, after *policy.Policy) (all []Holder, unknown []string, err error)

	// Build makes a bundle of the policy and of the directory as it is now.
	Build   func(ctx context.Context, s Snapshot, o Order) (*site.Built, error)
	Install Installer
	Life    time.Duration // how long a bundle is fresh; zero: 30 days
	// Keys sign the site's manifests: Adopt opens them with these; nil: none is accepted.
	Keys note.Verifiers
	// States say which bundle each machine works from; nil: nothing is known of them.
	States func(ctx context.Context) ([]Taken, error)
}

// Services publish the policies and the bundles of one site, by duty. Their methods may be called by many goroutines,
// except for Builder.Run and Builder.Once.
type Services struct {
	Policies *Policies // the versions of the policy: reads them, and brings the next one into force
	Drafts   *Drafts   // checks a policy text that is not in force
	Bundles  *Bundles  // the state of the bundle in force, and bundles that machines returned
	Builder  *Builder  // builds and installs the next bundle
}

// defaultLife is how long a bundle is fresh; "portillon bundle build" uses the same.
const defaultLife = 30 * 24 * time.Hour

// New returns the services.
func New(o Options) (*Services, error) {
	if o.Site == nil {
		return nil, errors.New("publish: no site")
	}
	if o.Signer == nil && o.Verify == nil {
		return nil, errors.New(
			"publish: neither a policy key nor a way to check its signatures: no policy could come into force",
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
	drafts := &Drafts{site: o.Site, now: o.Now, language: o.Language, holders: o.Holders, turn: make(chan struct{}, 1)}
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

// installed is the manifest in force; the zero Manifest: there is none.
func installed(i Installer) (wire.Manifest, error) {
	if i == nil {
		return wire.Manifest{}, nil
	}
	m, err := i.Current()
	if errors.Is(err, fs.ErrNotExist) {
		return wire.Manifest{}, nil
	}
	return m, err
}
