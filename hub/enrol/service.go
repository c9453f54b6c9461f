package enrol

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/time/rate"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// Options are what the service works with. Site, Authority, Signer, Pins and Name are needed; of the rest, nil does
// nothing.
type Options struct {
	Site *store.Site
	Now  func() time.Time
	Log  *slog.Logger

	Authority *Authority
	Signer    note.Signer // the hub's key
	Pins      wire.Pins   // what machines trust; Pins.CA is the authority's, or the site's own
	Name      string      // of the hub, in its certificate
	// Server gives the hub's certificate, of the authority in Pins; nil: Authority signs one.
	Server  func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Address string // https://hub.local:8443, where machines reach MachineHandler
	Broker  string // ssl://hub.local:8883

	CardKeys func() (wire.CardKeys, error) // the site's, the one in force first
	Fixed    func() []Fixed                // machines of hub.yaml
	// GET /manifest, /chunks/HASH; GET and POST /chunks/HASH/parts
	Bundle     http.Handler
	Version    func() uint64                                         // of the bundle in force
	Credential func(ctx context.Context, sha string) ([]byte, error) // a badge by its hash; fs.ErrNotExist: there is none
	Members    func(ctx context.Context) ([]policy.MemberID, error)  // of the bundle in force

	// ReturnedManifest and ReturnedPolicy take what a machine works from, where it is newer than what the hub offers.
	ReturnedManifest func(ctx context.Context, id policy.MachineID, signed []byte) error
	ReturnedPolicy   func(ctx context.Context, id policy.MachineID, file []byte) error

	Standing func(policy.MachineID) Standing
	Command  func(context.Context, policy.MachineID, wire.Command) (wire.Reply, error)
	// Apply brings the enrolled machines into force: their keys, their accounts. It is called at each change, with all.
	Apply func(context.Context, []Enrolled) error
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
	Key      note.Verifier     // nil: it is revoked
	Public   string            // Key as text
	Password [sha256.Size]byte // SHA-256 of the password of its account at the broker
	Revoked  bool              // its records, its account and its requests are refused
	// Replacing is who let its next journal take the place of the one held; empty: nobody.
	Replacing string
}

// Service is the enrolment of one site's machines.
type Service struct {
	o     Options
	limit *rate.Limiter // of tried codes
	conns conns
	known knownCerts
	notes notes

	returns     chan struct{} // holds one for each machine that returns something now
	returnLimit *rate.Limiter

	mu    sync.Mutex
	noted map[policy.MachineID]uint64 // the bundle that was last noted as fetched
	apply sync.Mutex                  // one change at a time is brought into force

	noting map[policy.MachineID]bool // it is being noted; guarded by mu

	returnLimits map[policy.MachineID]*rate.Limiter // of each machine; guarded by mu
}

// tries bounds how many codes are tried in a second, after a burst: each costs some milliseconds.
const tries, triesBurst = 2, 20

// returnsASecond bounds what machines return: after a restore each returns two documents, once.
const returnsASecond, returnsBurst = 1, 20

// New makes the service, and brings the enrolled machines into force.
func New(ctx context.Context, o Options) (*Service, error) {
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
	s := &Service{o: o, limit: rate.NewLimiter(tries, triesBurst), noted: map[policy.MachineID]uint64{},
		noting: map[policy.MachineID]bool{}, returnLimits: map[policy.MachineID]*rate.Limiter{},
		conns:   conns{of: map[policy.MachineID]map[closer]bool{}},
		returns: make(chan struct{}, returnsWait), returnLimit: rate.NewLimiter(returnsASecond, returnsBurst)}
	return s, s.enforce(ctx)
}

// enforce brings the enrolled machines into force as they are now.
func (s *Service) enforce(ctx context.Context) error {
	if s.o.Apply == nil {
		return nil
	}
	s.apply.Lock()
	defer s.apply.Unlock()
	all, err := s.Enrolled(ctx)
	if err != nil {
		return err
	}
	return s.o.Apply(ctx, all)
}

// Enrolled are all machines that joined, and all that were revoked.
func (s *Service) Enrolled(ctx context.Context) (out []Enrolled, err error) {
	rows, err := s.o.Site.Query(ctx, `SELECT machine, public, password, revoked, replacing FROM machine
		WHERE site = $1 AND (enrolled > 0 OR revoked > 0) ORDER BY machine`)
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var e Enrolled
		var password []byte
		var revoked int64
		if err := rows.Scan(&e.ID, &e.Public, &password, &revoked, &e.Replacing); err != nil {
			return nil, fmt.Errorf("enrol: %w", err)
		}
		e.Revoked = revoked > 0
		copy(e.Password[:], password)
		if e.Public != "" && !e.Revoked {
			if e.Key, err = note.NewVerifier(e.Public); err != nil {
				return nil, fmt.Errorf("enrol: the key of the machine %s: %w", e.ID, err)
			}
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// Replaced notes that the machine's new journal has taken the place of the one held.
func (s *Service) Replaced(ctx context.Context, id policy.MachineID) error {
	err := s.o.Site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(
			ctx,
			`UPDATE machine SET replacing = '', version = version + 1 WHERE site = $1 AND machine = $2`,
			string(id),
		)
		tx.Changed(store.Machines)
		return err
	})
	if err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	return nil
}

// slug is a machine's id, as yamlfile reads it. Two ids are topics of the site (wire.Topics).
var slug = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$`)

func validID(id policy.MachineID) error {
	if slug.MatchString(string(id)) && !wire.Reserved(id) {
		return nil
	}
	return &fault.Invalid{
		Faults: []fault.Field{{Field: "machine", Given: fmt.Sprintf("%.80s", id), Wrong: "this cannot be a machine's id",
			Right: "lower-case letters, digits and hyphens, as in the policy; not ack, not bundle"}},
	}
}

// row is a machine's row.
type row struct {
	id                                policy.MachineID
	version, added, enrolled, revoked int64
	public, replacing                 string
}

func (s *Service) fixed() []Fixed {
	if s.o.Fixed == nil {
		return nil
	}
	return s.o.Fixed()
}

// rowOf reads a machine in a transaction. A machine of hub.yaml without a row has version 0.
func (s *Service) rowOf(ctx context.Context, tx *store.Tx, id policy.MachineID) (r row, err error) {
	r.id = id
	err = tx.QueryRow(ctx, `SELECT version, added, enrolled, revoked, public, replacing FROM machine WHERE site = $1 AND
		machine = $2`, string(id)).
		Scan(&r.version, &r.added, &r.enrolled, &r.revoked, &r.public, &r.replacing)
	if errors.Is(err, sql.ErrNoRows) {
		for _, f := range s.fixed() {
			if f.ID == id {
				r.public = f.Key
				return r, nil
			}
		}
		return r, &fault.NotFound{What: "machine", ID: fmt.Sprintf("%.80s", id)}
	}
	return r, err
}

// put writes a machine's row where there is none, so that it can be changed.
func (s *Service) put(ctx context.Context, tx *store.Tx, r row) error {
	_, err := tx.Exec(ctx, `INSERT INTO machine (site, machine, version, added, public) VALUES ($1, $2, 0, $3, $4)
		ON CONFLICT (site, machine) DO NOTHING`, string(r.id), s.millis(), r.public)
	return err
}

func (s *Service) millis() int64 { return s.o.Now().UnixMilli() }

func (s *Service) audit(
	ctx context.Context,
	tx *store.Tx,
	a actor.Actor,
	act actor.Act,
	on policy.MachineID,
	detail string,
) error {
	if s.o.Audit == nil {
		return nil
	}
	return s.o.Audit(ctx, tx, a, act, "machine/"+string(on), detail)
}

func timeOf(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}
