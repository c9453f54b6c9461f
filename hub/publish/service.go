package publish

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
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

// Snapshot is the policy that a bundle is made of. Whoever builds adds the directory.
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

// Options are what a Service works with. Site and either Signer or Verify are required; Run requires Build and Install.
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

// Service publishes policies and bundles of one site. Its methods may be called by many goroutines; Run by one.
type Service struct {
	o        Options
	analysis chan struct{} // holds one: an analysis of a policy may take seconds of a processor
	wake     chan struct{} // Run shall build a bundle, whether or not its content is new
	forgot   atomic.Int32  // builds that are still to remove what may name somebody who was erased

	mu      sync.Mutex
	wanted  *Wanted
	problem string // why the newest build failed; empty: it did not
	since   time.Time
	// trying is the policy of the newest build, finished or under way, and tried of the newest whose outcome is noted.
	trying, tried int64
}

// defaultLife is how long a bundle is fresh, as of "portillon bundle build".
const defaultLife = 30 * 24 * time.Hour

// New returns a Service.
func New(o Options) (*Service, error) {
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
	return &Service{o: o, analysis: make(chan struct{}, 1), wake: make(chan struct{}, 1)}, nil
}

func (s *Service) audit(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error {
	if s.o.Audit == nil {
		return nil
	}
	return s.o.Audit(ctx, tx, a, act, on, detail)
}

// language is that of the words for whoever asks.
func (s *Service) language(ctx context.Context, p *policy.Policy) policy.Language {
	if s.o.Language != nil {
		return s.o.Language(ctx)
	}
	return p.Language
}

// installed is the manifest in force; the zero Manifest: there is none.
func (s *Service) installed() (wire.Manifest, error) {
	if s.o.Install == nil {
		return wire.Manifest{}, nil
	}
	m, err := s.o.Install.Current()
	if errors.Is(err, fs.ErrNotExist) {
		return wire.Manifest{}, nil
	}
	return m, err
}
