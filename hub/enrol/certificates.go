package enrol

import (
	"context"
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"portillon/hub/store"
	"portillon/policy"
)

// certificates stores the certificates of machines, and finds the machine to which a certificate was issued.
type certificates struct {
	table     machineTable
	authority *Authority
	known     *knownCerts
}

// insert stores a machine's new certificate, in the transaction that issues the certificate.
func (s certificates) insert(ctx context.Context, tx *store.Tx, id policy.MachineID, cert *x509.Certificate) error {
	_, err := tx.Exec(
		ctx,
		`INSERT INTO machine_certificate (site, serial, machine, issued, expires) VALUES ($1, $2, $3, $4, $5)`,
		serialOf(cert),
		string(id),
		s.table.millis(),
		cert.NotAfter.UnixMilli(),
	)
	return err
}

// serialOf returns a certificate's serial number in hexadecimal.
func serialOf(c *x509.Certificate) string { return hex.EncodeToString(c.SerialNumber.Bytes()) }

// machineOf returns the enrolled machine of a certificate that this authority signed. For a certificate of another
// authority, and for a revoked machine, the error is errNotMachine. If expired is true, the machine may send only a
// request to renew its certificate.
func (s certificates) machineOf(
	ctx context.Context,
	c *x509.Certificate,
) (id policy.MachineID, expired bool, err error) {
	id, known, generation := s.known.find(c)
	if known {
		return id, s.table.now().After(c.NotAfter), nil
	}
	if !s.authority.isMachineCert(c) {
		return "", false, errNotMachine
	}
	err = s.table.site.QueryRow(ctx, `SELECT c.machine FROM machine_certificate AS c JOIN machine AS m ON m.site = $1 AND
		m.machine = c.machine
		WHERE c.site = $1 AND c.serial = $2 AND m.enrolled > 0 AND m.revoked = 0`, serialOf(c)).
		Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, errNotMachine
	}
	if err != nil {
		return "", false, fmt.Errorf("enrol: %w", err)
	}
	s.known.add(c, id, generation)
	return id, s.table.now().After(c.NotAfter), nil
}
