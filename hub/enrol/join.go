package enrol

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/keykind"
	"portillon/policy"
	"portillon/wire"
)

// joins enrols machines and renews their certificates. Each method checks the code or the machine's signature; the
// caller need not check them.
type joins struct {
	table     machineTable
	authority *Authority
	pins      wire.Pins
	broker    string // ssl://hub.local:8883
	codes     *Codes
	keys      cardKeys
	certs     certificates
	force     *enforcer
	log       *slog.Logger
}

// join enrols a machine with its one-time code. channel is the keying material of the TLS connection. The machine signs
// this material, so that its request cannot be replayed on another connection.
func (s *joins) join(ctx context.Context, ask wire.JoinAsk, channel []byte) (wire.JoinAnswer, error) {
	code, err := s.codes.find(ctx, ask.Secret)
	if err != nil {
		return wire.JoinAnswer{}, err
	}
	j, err := s.verifyJoin(code.machine, ask, channel)
	if err != nil {
		return wire.JoinAnswer{}, err
	}
	if j.Replace != code.replace {
		return wire.JoinAnswer{}, newBadAsk(
			"this code is %sto replace the machine %s: call portillond enrol %s--replace",
			map[bool]string{false: "not "}[code.replace],
			code.machine,
			map[bool]string{true: "with ", false: "without "}[code.replace],
		)
	}
	card, err := s.keys.all()
	if err != nil {
		return wire.JoinAnswer{}, err
	}
	cert, err := s.authority.Machine(code.machine, j.TLSKey, s.table.now())
	if err != nil {
		return wire.JoinAnswer{}, &badAsk{err.Error()}
	}
	// 130 random bits: the hub can store a fast hash (SHA-256), because nobody can guess the password
	password := rand.Text()
	err = s.storeMachine(ctx, entry{code: code, public: ask.Key, password: password, cardKey: card.Keys[0],
		program: j.Program,
		cert:    cert})
	// Apply the enrolment, and close the connections of the machine's previous computer.
	if err := s.force.afterCommit(ctx, code.machine, err); err != nil {
		return wire.JoinAnswer{}, err
	}
	s.log.Info("machine enrolled", "machine", code.machine, "key", fingerprint(ask.Key), "replace", code.replace)
	var signedBy []byte
	if !bytes.Equal(s.pins.CA, s.authority.Certificate()) {
		signedBy = s.authority.Certificate()
	}
	return wire.JoinAnswer{
		Site:        s.table.site.ID(),
		Machine:     code.machine,
		Certificate: cert.Raw,
		Authority:   signedBy,
		Broker:      s.broker,
		Username:    string(code.machine),
		Password:    password,
		CardKey:     card.Keys[0],
	}, nil
}

// verifyJoin checks that the client has the machine's private key and has signed this connection's keying material, and
// returns the signed request.
func (s *joins) verifyJoin(id policy.MachineID, ask wire.JoinAsk, channel []byte) (wire.Join, error) {
	place := keykind.Place{Kind: keykind.Machine, ID: string(id) + "." + string(s.table.site.ID())}
	if kind, name := keykind.KindOf(keykind.NameOf(ask.Key)); kind != keykind.Machine || name != place.ID {
		return wire.Join{}, newBadAsk("the key is named %.100q, want the machine key of %s", keykind.NameOf(ask.Key),
			place.ID)
	}
	key, err := note.NewVerifier(ask.Key)
	if err != nil {
		return wire.Join{}, newBadAsk("the key is no verifier key, want name+hash+key")
	}
	j, err := wire.OpenJoin(ask.Signed, key, channel)
	if err != nil {
		return wire.Join{}, &badAsk{err.Error()}
	}
	if j.Site != s.table.site.ID() || j.Machine != id {
		return wire.Join{}, newBadAsk("the request is of %.64s/%.64s, want %s/%s", j.Site, j.Machine, s.table.site.ID(), id)
	}
	return j, nil
}

// entry contains what the hub stores in the database about a joining machine.
type entry struct {
	code     openCode
	public   string // the public key that verifies the machine's records
	password string // password of the machine's account at the broker
	cardKey  string // in hexadecimal
	program  string // version of portillond
	cert     *x509.Certificate
}

// storeMachine stores a joining machine in one transaction. Only one computer can use a code, and that computer may
// repeat its request until the code expires.
func (s *joins) storeMachine(ctx context.Context, e entry) error {
	id := e.code.machine
	return s.table.site.Write(ctx, func(tx *store.Tx) error {
		r, err := s.table.readRow(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.useCode(ctx, tx, r, e.public); err != nil {
			return err
		}
		if err := s.writeRow(ctx, tx, e); err != nil {
			return err
		}
		if err := s.table.changeKey(ctx, tx, id, r.public, e.public); err != nil {
			return err
		}
		// Remove the certificates of the previous computer.
		if _, err := tx.Exec(ctx, `DELETE FROM machine_certificate WHERE site = $1 AND machine = $2`,
			string(id)); err != nil {
			return err
		}
		tx.Changed(store.Machines)
		return errors.Join(
			s.certs.insert(ctx, tx, id, e.cert),
			s.table.audit(ctx, tx, actor.System("machine "+string(id)), actor.EnrolMachines, id,
				"joined: key "+fingerprint(e.public)),
		)
	})
}

// useCode marks a machine's enrolment code as used. The parameter public is the public key of the computer that uses
// the code. If another computer used the code, or the code has expired, the error is errOtherKey.
func (s *joins) useCode(ctx context.Context, tx *store.Tx, r row, public string) error {
	done, err := tx.Exec(
		ctx,
		`UPDATE machine_code SET used = $3 WHERE site = $1 AND machine = $2 AND (used = 0 OR $4 = 1) AND expires > $3`,
		string(r.id),
		s.table.millis(),
		boolToInt(r.public == public && r.revoked == 0),
	)
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, errOtherKey)
	}
	return nil
}

// writeRow marks the row of a machine as enrolled, and stores the machine's new key, password and program version.
func (s *joins) writeRow(ctx context.Context, tx *store.Tx, e entry) error {
	replacing := ""
	if e.code.replace {
		// The name of the code's creator may be unknown. "?" stands for an unknown name, because an empty name means
		// that no journal is replaced.
		replacing = cmp.Or(e.code.maker, "?")
	}
	hash := sha256.Sum256([]byte(e.password))
	_, err := tx.Exec(ctx, `UPDATE machine SET version = version + 1, enrolled = $3, revoked = 0, reason = '',
		public = $4,
		password = $5, program = $6, replacing = $7, card_key = $8, authority = $9 WHERE site = $1 AND machine = $2`,
		string(e.code.machine), s.table.millis(), e.public, hash[:], wire.OneLine(e.program, 64), replacing,
		checkValue(e.cardKey), authorityFingerprint(s.pins.CA))
	return err
}

// keepCertificates is the number of valid certificates per machine: the newest certificate, and earlier certificates
// until the machine has stored the newest.
const keepCertificates = 3

// renew issues a new certificate to a machine that has signed the request with its key. The machine's current
// certificate may be expired or missing.
func (s *joins) renew(ctx context.Context, ask wire.RenewAsk, channel []byte) (wire.Renewed, error) {
	key, public, err := s.keyOf(ctx, ask.Machine)
	if err != nil {
		return wire.Renewed{}, err
	}
	r, err := wire.OpenRenew(ask.Signed, key, s.table.site.ID(), ask.Machine, channel)
	if err != nil {
		return wire.Renewed{}, errNotMachine
	}
	cert, err := s.authority.Machine(ask.Machine, r.TLSKey, s.table.now())
	if err != nil {
		return wire.Renewed{}, &badAsk{err.Error()}
	}
	err = s.table.site.Write(ctx, func(tx *store.Tx) error {
		row, err := s.table.readRow(ctx, tx, ask.Machine)
		if err != nil {
			return err
		}
		// Refuse the request if another computer has joined since the signature was checked.
		if row.revoked > 0 || row.enrolled == 0 || row.public != public {
			return errNotMachine
		}
		if err := s.certs.insert(ctx, tx, ask.Machine, cert); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM machine_certificate WHERE site = $1 AND machine = $2 AND serial NOT IN
			(SELECT c.serial FROM machine_certificate AS c WHERE c.site = $1 AND c.machine = $2 ORDER BY c.issued DESC,
			c.serial LIMIT $3)`,
			string(ask.Machine), int64(keepCertificates))
		tx.Changed(store.Machines)
		return err
	})
	s.force.known.clear() // Clear the cache even if err is not nil, because the error may have occurred after the commit
	if err != nil {
		return wire.Renewed{}, err
	}
	s.log.Info("certificate renewed", "machine", ask.Machine, "until", cert.NotAfter)
	return wire.Renewed{Certificate: cert.Raw}, nil
}

// keyOf returns the public key of an enrolled machine, once as a verifier and once as text.
func (s *joins) keyOf(ctx context.Context, id policy.MachineID) (key note.Verifier, public string, err error) {
	err = s.table.site.QueryRow(ctx, `SELECT public FROM machine WHERE site = $1 AND machine = $2
		AND enrolled > 0 AND revoked = 0`, string(id)).Scan(&public)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, "", errNotMachine
	}
	if err != nil {
		return nil, "", fmt.Errorf("enrol: %w", err)
	}
	key, err = note.NewVerifier(public)
	return key, public, err
}
