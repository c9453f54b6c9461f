package enrol

import (
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

const (
	codeLife = time.Hour
	// maxAttempts is the number of wrong secrets after which an open code stops working. A wrong secret does not show
	// which code the sender meant, so each wrong attempt counts against every open code.
	maxAttempts = 10
	// maxOpen is the maximum number of open codes. Because of maxOpen and maxAttempts, the chance to guess a code is at
	// most 32 × 10 in 2^50.
	maxOpen = 32
	// hashRounds is the number of PBKDF2 iterations. With this number, an attacker with a copy of the database needs
	// longer to try all 2^50 secrets than a code is valid.
	hashRounds = 20_000
)

// Codes creates one-time codes and checks them. The database stores only the hash of a code's secret.
type Codes struct {
	table   machineTable
	pins    wire.Pins
	address string // URL at which machines join, such as https://hub.local:8443; empty: no machine can join
}

// New creates a one-time code for a machine, and replaces the machine's previous code. replace must be true if the
// machine was enrolled before and begins a new journal, for example on a new SD card. A machine that begins a new
// journal receives its tags, hours and practice from the ledger. The actor needs actor.EnrolMachines.
func (s *Codes) New(ctx context.Context, a actor.Actor, id policy.MachineID, replace bool) (Code, error) {
	if err := a.May(actor.EnrolMachines, actor.Target{Machine: id}); err != nil {
		return Code{}, err
	}
	if s.address == "" {
		return Code{}, &fault.Invalid{Faults: []fault.Field{{Field: "machine", Given: string(id),
			Wrong: "no machine joins this hub over the network",
			Right: "machines-listen: in hub.yaml"}}}
	}
	secret, err := wire.NewJoinSecret(rand.Reader)
	if err != nil {
		return Code{}, err
	}
	c := wire.JoinCode{Pins: s.pins.Hash(), Secret: secret}
	hash, err := s.hash(c.SecretText())
	if err != nil {
		return Code{}, err
	}
	until := s.table.now().Add(codeLife)
	err = s.table.site.Write(ctx, func(tx *store.Tx) error {
		if err := s.checkNewCode(ctx, tx, id, replace); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO machine_code (site, machine, hash, made, expires, replaces, maker)
			VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (site, machine) DO UPDATE SET hash = excluded.hash, made =
			excluded.made,
			expires = excluded.expires, replaces = excluded.replaces, maker = excluded.maker, attempts = 0, used = 0`,
			string(id), hash, s.table.millis(), until.UnixMilli(), boolToInt(replace), wire.OneLine(a.Name, maxReason))
		tx.Changed(store.Machines)
		return errors.Join(err, s.table.audit(ctx, tx, a, actor.EnrolMachines, id, "code made"))
	})
	if err != nil {
		return Code{}, err
	}
	command := fmt.Sprintf("sudo portillond enrol %s %s", s.address, c)
	if replace {
		command += " --replace"
	}
	return Code{Machine: id, Text: c.String(), Command: command, Expires: until.UTC(), Replace: replace}, nil
}

// boolToInt returns 1 for true and 0 for false, as the database stores booleans.
func boolToInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// checkNewCode returns an error if the hub must not create a code for a machine. The error states the reason.
func (s *Codes) checkNewCode(ctx context.Context, tx *store.Tx, id policy.MachineID, replace bool) error {
	r, err := s.table.readRow(ctx, tx, id)
	if err != nil {
		return err
	}
	if r.enrolled > 0 && r.revoked == 0 && !replace {
		return &fault.Invalid{
			Faults: []fault.Field{{Field: "replace", Given: "false", Wrong: "the machine is enrolled and not revoked",
				Right: "true, if its computer or SD card is replaced"}},
		}
	}
	var open int
	err = tx.QueryRow(ctx, `SELECT count(*) FROM machine_code WHERE site = $1 AND used = 0 AND expires > $2 AND
		machine <> $3`,
		s.table.millis(), string(id)).
		Scan(&open)
	if err == nil && open >= maxOpen {
		err = &fault.Invalid{
			Faults: []fault.Field{{Field: "machine", Given: string(id), Wrong: fmt.Sprintf("%d codes are open", open),
				Right: fmt.Sprintf("at most %d at once: they end within an hour", maxOpen)}},
		}
	}
	return errors.Join(err, s.table.insertIfMissing(ctx, tx, r))
}

// hash returns the hash of a secret, as the database stores it. All codes of a site have the same salt, so that a code
// can be found by its hash.
func (s *Codes) hash(secret string) ([]byte, error) {
	return pbkdf2.Key(
		sha256.New,
		secret,
		fmt.Appendf(nil, "portillon code %s %x", s.table.site.ID(), s.pins.Hash()),
		hashRounds,
		sha256.Size,
	)
}

// Errors that state why the hub refuses a code. The hub sends the text of the error to the computer.
var (
	errNoCode   = errors.New("the code was already used, is older than an hour, or is from another hub")
	errWorn     = errors.New("too many wrong codes were tried, create a new code at the hub")
	errOtherKey = errors.New("the code was used by another computer")
)

// openCode is an enrolment code that the hub found by the secret that a computer sent.
type openCode struct {
	machine policy.MachineID
	replace bool
	used    bool
	maker   string
}

// find finds the unexpired code of a secret, and counts a wrong secret against every open code. find also returns a
// used code, because a machine repeats a request whose response was lost.
func (s *Codes) find(ctx context.Context, secret string) (openCode, error) {
	if b, err := hex.DecodeString("0" + secret); err != nil || len(b) != 7 {
		return openCode{}, errNoCode
	}
	hash, err := s.hash(secret)
	if err != nil {
		return openCode{}, err
	}
	var o openCode
	var refused error
	err = s.table.site.Write(ctx, func(tx *store.Tx) error {
		var attempts, used, replace int64
		err := tx.QueryRow(ctx, `SELECT machine, attempts, used, replaces, maker FROM machine_code
			WHERE site = $1 AND hash = $2 AND expires > $3`, hash, s.table.millis()).Scan(&o.machine, &attempts, &used, &replace,
			&o.maker)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			refused = errNoCode
			_, err = tx.Exec(
				ctx,
				`UPDATE machine_code SET attempts = attempts + 1 WHERE site = $1 AND used = 0 AND expires > $2`,
				s.table.millis(),
			)
			return err
		case err == nil && attempts >= maxAttempts:
			refused = errWorn
		}
		o.used, o.replace = used > 0, replace > 0
		return err
	})
	if err != nil {
		return openCode{}, fmt.Errorf("enrol: %w", err)
	}
	return o, refused
}
