package enrol

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/keykind"
	"portillon/policy"
	"portillon/wire"
)

// badAsk is what a machine asked and cannot have, with a reason that it may read.
type badAsk struct{ why string }

func (e *badAsk) Error() string { return e.why }

func bad(format string, a ...any) error { return &badAsk{fmt.Sprintf(format, a...)} }

// join brings a machine in. channel is the connection's keying material.
func (s *Service) join(ctx context.Context, ask wire.JoinAsk, channel []byte) (wire.JoinAnswer, error) {
	code, err := s.openCode(ctx, ask.Secret)
	if err != nil {
		return wire.JoinAnswer{}, err
	}
	j, err := s.proven(code.machine, ask, channel)
	if err != nil {
		return wire.JoinAnswer{}, err
	}
	if j.Replace != code.replace {
		return wire.JoinAnswer{}, bad(
			"this code is %sto replace the machine %s: call portillond enrol %s--replace",
			map[bool]string{false: "not "}[code.replace],
			code.machine,
			map[bool]string{true: "with ", false: "without "}[code.replace],
		)
	}
	card, err := s.cardKeys()
	if err != nil {
		return wire.JoinAnswer{}, err
	}
	cert, err := s.o.Authority.Machine(code.machine, j.TLSKey, s.o.Now())
	if err != nil {
		return wire.JoinAnswer{}, &badAsk{err.Error()}
	}
	password := rand.Text() // 130 bits: its hash needs no rounds
	err = s.enter(ctx, code, ask.Key, password, cert, j, card.Keys[0])
	s.known.forget() // also after an error: it may have come after the commit
	if err != nil {
		return wire.JoinAnswer{}, err
	}
	s.conns.cut(code.machine) // the computer before, if there was one
	if err := s.enforce(ctx); err != nil {
		return wire.JoinAnswer{}, err
	}
	s.o.Log.Info("machine enrolled", "machine", code.machine, "key", fingerprint(ask.Key), "replace", code.replace)
	var signedBy []byte
	if !bytes.Equal(s.o.Pins.CA, s.o.Authority.Certificate()) {
		signedBy = s.o.Authority.Certificate()
	}
	return wire.JoinAnswer{
		Site:        s.o.Site.ID(),
		Machine:     code.machine,
		Certificate: cert.Raw,
		Authority:   signedBy,
		Broker:      s.o.Broker,
		Username:    string(code.machine),
		Password:    password,
		CardKey:     card.Keys[0],
	}, nil
}

// proven checks that the asker holds the private half of the machine's key, on this connection.
func (s *Service) proven(id policy.MachineID, ask wire.JoinAsk, channel []byte) (wire.Join, error) {
	place := keykind.Place{Kind: keykind.Machine, ID: string(id) + "." + string(s.o.Site.ID())}
	if kind, name := keykind.KindOf(keykind.NameOf(ask.Key)); kind != keykind.Machine || name != place.ID {
		return wire.Join{}, bad("the key is named %.100q, want the machine key of %s", keykind.NameOf(ask.Key), place.ID)
	}
	key, err := note.NewVerifier(ask.Key)
	if err != nil {
		return wire.Join{}, bad("the key is no verifier key, want name+hash+key")
	}
	j, err := wire.OpenJoin(ask.Signed, key, channel)
	if err != nil {
		return wire.Join{}, &badAsk{err.Error()}
	}
	if j.Site != s.o.Site.ID() || j.Machine != id {
		return wire.Join{}, bad("the request is of %.64s/%.64s, want %s/%s", j.Site, j.Machine, s.o.Site.ID(), id)
	}
	return j, nil
}

// enter writes a machine that joins. The code is used once; the same computer may ask again until the code expires.
func (s *Service) enter(
	ctx context.Context,
	code opened,
	public, password string,
	cert *x509.Certificate,
	j wire.Join,
	cardKey string,
) error {
	hash := sha256.Sum256([]byte(password))
	return s.o.Site.Write(ctx, func(tx *store.Tx) error {
		r, err := s.rowOf(ctx, tx, code.machine)
		if err != nil {
			return err
		}
		done, err := tx.Exec(
			ctx,
			`UPDATE machine_code SET used = $3 WHERE site = $1 AND machine = $2 AND (used = 0 OR $4 = 1) AND expires > $3`,
			string(code.machine),
			s.millis(),
			boolOf(r.public == public && r.revoked == 0),
		)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, errOtherKey)
		}
		replacing := ""
		if code.replace {
			replacing = code.maker
			if replacing == "" {
				replacing = "?"
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE machine SET version = version + 1, enrolled = $3, revoked = 0, reason = '',
			public = $4,
			password = $5, program = $6, replacing = $7, card_key = $8, authority = $9 WHERE site = $1 AND machine = $2`,
			string(code.machine),
			s.millis(), public, hash[:], wire.OneLine(j.Program, 64), replacing, checkOf(cardKey),
			authorityOf(s.o.Pins.CA)); err != nil {
			return err
		}
		if err := s.changeKey(ctx, tx, code.machine, r.public, public); err != nil {
			return err
		}
		// Certificates of the computer before are worth nothing from now on.
		if _, err := tx.Exec(ctx, `DELETE FROM machine_certificate WHERE site = $1 AND machine = $2`,
			string(code.machine)); err != nil {
			return err
		}
		tx.Changed(store.Machines)
		return errors.Join(
			s.certified(ctx, tx, code.machine, cert),
			s.audit(
				ctx,
				tx,
				actor.System("machine "+string(code.machine)),
				actor.EnrolMachines,
				code.machine,
				"joined: key "+fingerprint(public),
			),
		)
	})
}

func (s *Service) certified(ctx context.Context, tx *store.Tx, id policy.MachineID, cert *x509.Certificate) error {
	_, err := tx.Exec(
		ctx,
		`INSERT INTO machine_certificate (site, serial, machine, issued, expires) VALUES ($1, $2, $3, $4, $5)`,
		serialOf(cert),
		string(id),
		s.millis(),
		cert.NotAfter.UnixMilli(),
	)
	return err
}

func serialOf(c *x509.Certificate) string { return hex.EncodeToString(c.SerialNumber.Bytes()) }

// keepCertificates is how many certificates of a machine are known at once: the newest, and those before it while a
// renewal is under way.
const keepCertificates = 3

// renew gives a machine another certificate, by proof of its key. It may have no certificate, or an expired one.
func (s *Service) renew(ctx context.Context, ask wire.RenewAsk, channel []byte) (wire.Renewed, error) {
	key, public, err := s.keyOf(ctx, ask.Machine)
	if err != nil {
		return wire.Renewed{}, err
	}
	r, err := wire.OpenRenew(ask.Signed, key, s.o.Site.ID(), ask.Machine, channel)
	if err != nil {
		return wire.Renewed{}, errNotMachine
	}
	cert, err := s.o.Authority.Machine(ask.Machine, r.TLSKey, s.o.Now())
	if err != nil {
		return wire.Renewed{}, &badAsk{err.Error()}
	}
	err = s.o.Site.Write(ctx, func(tx *store.Tx) error {
		row, err := s.rowOf(ctx, tx, ask.Machine)
		if err != nil {
			return err
		}
		if row.revoked > 0 || row.enrolled == 0 || row.public != public { // another computer may have joined meanwhile
			return errNotMachine
		}
		if err := s.certified(ctx, tx, ask.Machine, cert); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `DELETE FROM machine_certificate WHERE site = $1 AND machine = $2 AND serial NOT IN
			(SELECT c.serial FROM machine_certificate AS c WHERE c.site = $1 AND c.machine = $2 ORDER BY c.issued DESC,
			c.serial LIMIT $3)`,
			string(ask.Machine), int64(keepCertificates))
		tx.Changed(store.Machines)
		return err
	})
	s.known.forget() // also after an error: it may have come after the commit
	if err != nil {
		return wire.Renewed{}, err
	}
	s.o.Log.Info("certificate renewed", "machine", ask.Machine, "until", cert.NotAfter)
	return wire.Renewed{Certificate: cert.Raw}, nil
}

// errNotMachine says that a request is not of an enrolled machine of this site.
var errNotMachine = errors.New("this is no enrolled machine of this hub, or it was revoked")

// keyOf is the key of a machine that may ask something, also as text.
func (s *Service) keyOf(ctx context.Context, id policy.MachineID) (key note.Verifier, public string, err error) {
	err = s.o.Site.QueryRow(ctx, `SELECT public FROM machine WHERE site = $1 AND machine = $2
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

// certificateOf is the machine of a certificate that this authority signed; expired says that only a renewal may
// follow.
func (s *Service) certificateOf(
	ctx context.Context,
	c *x509.Certificate,
) (id policy.MachineID, expired bool, err error) {
	id, known, generation := s.known.find(c)
	if known {
		return id, s.o.Now().After(c.NotAfter), nil
	}
	if !s.o.Authority.isMachine(c) {
		return "", false, errNotMachine
	}
	err = s.o.Site.QueryRow(ctx, `SELECT c.machine FROM machine_certificate AS c JOIN machine AS m ON m.site = $1 AND
		m.machine = c.machine
		WHERE c.site = $1 AND c.serial = $2 AND m.enrolled > 0 AND m.revoked = 0`, serialOf(c)).
		Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, errNotMachine
	}
	if err != nil {
		return "", false, fmt.Errorf("enrol: %w", err)
	}
	s.known.keep(c, id, generation)
	return id, s.o.Now().After(c.NotAfter), nil
}
