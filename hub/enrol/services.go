package enrol

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// Options configure the Services. Site, Authority, Signer, Pins and Name are required. Every other field may be its
// zero value; the feature that needs the field is then disabled.
type Options struct {
	Site *store.Site
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: no logging

	Authority *Authority
	Signer    note.Signer // signs with the hub's key
	Pins      wire.Pins   // what machines trust; Pins.CA is the certificate of Authority, or the site's own
	Name      string      // the hub's name in its certificate
	// Server returns the hub's certificate, signed by the authority in Pins; nil: Authority signs one.
	Server  func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Address string // https://hub.local:8443, where machines reach the Listener; empty: no machine can join
	Broker  string // ssl://hub.local:8883

	CardKeys func() (wire.CardKeys, error) // the site's keys, the current one first
	Fixed    func() []Fixed                // machines of hub.yaml
	// Bundle answers GET /manifest and /chunks/HASH, and GET and POST /chunks/HASH/parts.
	Bundle     http.Handler
	Version    func() uint64                                         // version of the bundle in force
	Credential func(ctx context.Context, sha string) ([]byte, error) // a badge by its hash; fs.ErrNotExist: unknown
	Members    func(ctx context.Context) ([]policy.MemberID, error)  // members in the bundle in force

	// ReturnedManifest and ReturnedPolicy receive a document that a machine has in use, if it is newer than the one that
	// the hub offers.
	ReturnedManifest func(ctx context.Context, id policy.MachineID, signed []byte) error
	ReturnedPolicy   func(ctx context.Context, id policy.MachineID, file []byte) error

	Standing func(policy.MachineID) Standing
	Command  func(context.Context, policy.MachineID, wire.Command) (wire.Reply, error)
	// Apply applies the enrolled machines to the rest of the hub: their keys and their accounts. New calls it with all
	// machines, and each change calls it again, never concurrently.
	Apply func(context.Context, []Enrolled) error
	// Audit writes an entry of the audit log in the transaction of the change.
	Audit func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error
}

// Fixed is a machine that hub.yaml names.
type Fixed struct {
	ID  policy.MachineID
	Key string // the verifier key of its checkpoints
}

// Enrolled is a machine as the rest of the hub needs it.
type Enrolled struct {
	ID       policy.MachineID
	Key      note.Verifier     // nil: the machine is revoked
	Public   string            // Key as text
	Password [sha256.Size]byte // SHA-256 of the password of its account at the broker
	Revoked  bool              // its records, its account and its requests are refused
	// Replacing is the administrator who allowed the machine's next journal to replace the one in the ledger; empty: no
	// replacement is allowed.
	Replacing string
}

// Services are the services for the enrolment of one site's machines, by duty. Their methods are safe for concurrent
// use.
type Services struct {
	Machines *Machines // lists, adds and revokes machines
	Codes    *Codes    // makes one-time codes
	Orders   *Orders   // sends an administrator's orders to machines
	Listener *Listener // answers the machines themselves
}

// New returns the services, and applies the enrolled machines.
func New(ctx context.Context, o Options) (*Services, error) {
	if o.Site == nil || o.Authority == nil || o.Signer == nil || o.Name == "" || len(o.Pins.CA) == 0 {
		return nil, errors.New("enrol: site, authority, signer, name and pins are needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Server == nil {
		o.Server = o.Authority.Server(o.Name)
	}
	table := machineTable{site: o.Site, now: o.Now, fixed: o.Fixed, note: o.Audit}
	force := newEnforcer(o)
	keys := cardKeys{source: o.CardKeys, pins: o.Pins, site: o.Site}
	codes := &Codes{table: table, pins: o.Pins, address: o.Address}
	out := &Services{
		Machines: &Machines{table: table, force: force, keys: keys, standing: o.Standing, version: o.Version,
			members: o.Members},
		Codes:    codes,
		Orders:   &Orders{table: table, command: o.Command},
		Listener: newListener(o, table, force, keys, codes),
	}
	return out, force.all(ctx)
}
