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

// Options configure the Services. Site, Authority, Signer, Pins and Name are required. A feature is disabled if its
// field has the zero value.
type Options struct {
	Site *store.Site
	Now  func() time.Time // nil: time.Now
	Log  *slog.Logger     // nil: no logging

	Authority *Authority
	Signer    note.Signer // signs messages to machines with the hub's key
	// Pins contains the keys that machines trust. Pins.CA is the certificate of Authority or of the site's own authority.
	Pins wire.Pins
	Name string // host name of the hub in its certificate
	// Server returns the hub's certificate, signed by the authority in Pins. If Server is nil, Authority signs the
	// certificate.
	Server  func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Address string // URL of the Listener, such as https://hub.local:8443; empty: no machine can join
	Broker  string // ssl://hub.local:8883

	CardKeys func() (wire.CardKeys, error) // returns the site's card keys, the current key first
	Fixed    func() []Fixed                // machines of hub.yaml
	// Bundle handles GET /manifest and /chunks/HASH, and GET and POST /chunks/HASH/parts.
	Bundle     http.Handler
	Version    func() uint64                                         // returns the version of the bundle in force
	Credential func(ctx context.Context, sha string) ([]byte, error) // returns the badge with a hash, or fs.ErrNotExist
	// returns the number of members in the bundle in force
	Members func(ctx context.Context) ([]policy.MemberID, error)

	// ReturnedManifest and ReturnedPolicy receive a document that a machine uses, if the machine's document is newer
	// than the hub's document.
	ReturnedManifest func(ctx context.Context, id policy.MachineID, signed []byte) error
	ReturnedPolicy   func(ctx context.Context, id policy.MachineID, file []byte) error

	Standing func(policy.MachineID) Standing
	Command  func(context.Context, policy.MachineID, wire.Command) (wire.Reply, error)
	// Apply applies the keys and broker accounts of all enrolled machines to the rest of the hub. New and each change of a
	// machine call Apply with the list of all enrolled machines. Two calls never run at the same time.
	Apply func(context.Context, []Enrolled) error
	// Audit writes an entry to the audit log, in the transaction that makes the change.
	Audit func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error
}

// Fixed is a machine that hub.yaml names.
type Fixed struct {
	ID  policy.MachineID
	Key string // public key that verifies the machine's checkpoints
}

// Enrolled contains the data of a machine that the rest of the hub needs.
type Enrolled struct {
	ID       policy.MachineID
	Key      note.Verifier     // verifier of the machine's records; nil: the machine is revoked
	Public   string            // Key as text
	Password [sha256.Size]byte // SHA-256 of the password of the machine's account at the broker
	Revoked  bool              // true if the hub refuses the machine's records, broker account and requests
	// Replacing is the name of the administrator who allowed the machine's next journal to replace the machine's
	// journal in the ledger. If Replacing is empty, no replacement is allowed.
	Replacing string
}

// Services contains the services for the enrolment of one site's machines, one field per duty. All methods are safe for
// concurrent use.
type Services struct {
	Machines *Machines // lists, adds and revokes machines
	Codes    *Codes    // makes one-time codes
	Orders   *Orders   // sends an administrator's commands to machines
	Listener *Listener // serves the machines' requests
}

// New returns the services, and calls Options.Apply with the enrolled machines.
func New(ctx context.Context, o Options) (*Services, error) {
	if o.Site == nil || o.Authority == nil || o.Signer == nil || o.Name == "" || len(o.Pins.CA) == 0 {
		return nil, errors.New("enrol: options are incomplete, want Site, Authority, Signer, Name and Pins")
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
	return out, force.applyAll(ctx)
}
