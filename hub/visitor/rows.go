package visitor

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// visits has what all services of this package share: the rows of visits, and the steps of a visit.
type visits struct {
	o        Options
	settings *Settings
}

// stored is a visit with the badge.
type stored struct {
	Visit
	hash         []byte // hash of the key of the visitor's own page; empty: there is no such page
	file, origin string
	data         []byte
}

// hashOf returns the hash by which the database finds the key of a visitor's own page.
func hashOf(key string) []byte {
	h := sha256.Sum256([]byte(key))
	return h[:]
}

// newID returns a new id of a visit: "v-" and 50 random bits.
func newID() string { return "v-" + strings.ToLower(rand.Text()[:10]) }

// errNoVisit returns the error for a visit that does not exist.
func errNoVisit(id string) error { return &fault.NotFound{What: "visit", ID: clip(id)} }

// The columns of a visit, in the order of scan. The badge has up to MaxBadge bytes, so lists read the hash in its
// place.
const (
	columns = beforeData + "data" + afterData
	listed  = beforeData + "hash" + afterData

	beforeData = `id, version, hash, made, name, language, address, file, origin, `
	afterData  = `, report, mailed, proof, proved, proved_by, consent_version, consent, member, until_day, erase_day,
		ended`
)

// scanner is a row of the table visitor.
type scanner interface{ Scan(to ...any) error }

// scan reads the columns of a visit.
func scan(row scanner) (v stored, err error) {
	var made, mailed, proved, consent, ended int64
	var report []byte
	var until, erase string
	err = row.Scan(&v.ID, &v.Version, &v.hash, &made, &v.Name, &v.Language, &v.Address, &v.file, &v.origin, &v.data,
		&report, &mailed, &v.Proof.Kind, &proved, &v.Proof.By, &v.Consent.Version, &consent, &v.Stay.Member, &until, &erase,
		&ended)
	if err != nil {
		return v, err
	}
	v.Made, v.Mailed, v.Proof.At, v.Consent.At, v.Stay.Ended = fromMillis(made), fromMillis(mailed), fromMillis(proved),
		fromMillis(consent), fromMillis(ended)
	if v.Stay.Until, err = dateOf(until); err != nil {
		return v, err
	}
	if v.Stay.Erase, err = dateOf(erase); err != nil {
		return v, err
	}
	if len(report) > 0 {
		err = json.Unmarshal(report, &v.Report)
	}
	return v, err
}

// rowReader reads one row, from a site or within a transaction.
type rowReader interface {
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
}

// load reads a visit. The error is *fault.NotFound if the visit does not exist.
func load(ctx context.Context, r rowReader, id string) (stored, error) {
	v, err := scan(r.QueryRow(ctx, `SELECT `+columns+` FROM visitor WHERE site = $1 AND id = $2`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return v, errNoVisit(id)
	}
	return v, err
}

// maxListed is the largest number of visits that one answer lists.
const maxListed = 1000

// all reads all visits without their badges, the newest first.
func (s *visits) all(ctx context.Context) (out []stored, err error) {
	rows, err := s.o.Site.Query(ctx, `SELECT `+listed+` FROM visitor WHERE site = $1 ORDER BY made DESC, id LIMIT $2`,
		int64(maxListed))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		v.data = nil
		out = append(out, v)
	}
	return out, rows.Err()
}

// insert writes a new visit.
func insert(ctx context.Context, tx *store.Tx, v *stored) error {
	report, err := json.Marshal(v.Report)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO visitor (site, `+columns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
		$12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)`,
		v.ID, v.Version, bytesOf(v.hash), millis(v.Made), v.Name, v.Language, v.Address, v.file, v.origin,
		bytesOf(v.data), string(report), millis(v.Mailed), string(v.Proof.Kind), millis(v.Proof.At), v.Proof.By,
		v.Consent.Version, millis(v.Consent.At), string(v.Stay.Member), dayOf(v.Stay.Until), dayOf(v.Stay.Erase),
		millis(v.Stay.Ended))
	return err
}

// update writes the parts of a visit that change, and increments the version. The error is *fault.Conflict if the
// visit was changed since it was read.
func update(ctx context.Context, tx *store.Tx, v *stored) error {
	done, err := tx.Exec(ctx, `UPDATE visitor SET version = version + 1, name = $4, mailed = $5, proof = $6, proved = $7,
		proved_by = $8, consent_version = $9, consent = $10, member = $11, until_day = $12, erase_day = $13, ended = $14
		WHERE site = $1 AND id = $2 AND version = $3`,
		v.ID, v.Version, v.Name, millis(v.Mailed), string(v.Proof.Kind), millis(v.Proof.At), v.Proof.By,
		v.Consent.Version, millis(v.Consent.At), string(v.Stay.Member), dayOf(v.Stay.Until), dayOf(v.Stay.Erase),
		millis(v.Stay.Ended))
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n != 1 {
		return cmp.Or(err, error(&fault.Conflict{What: "visit", ID: v.ID, Have: v.Version + 1, Got: v.Version}))
	}
	v.Version++
	return nil
}

// anonymise removes from a visit what names the person. The directory has the data now.
func anonymise(ctx context.Context, tx *store.Tx, id string) error {
	_, err := tx.Exec(ctx, `UPDATE visitor SET hash = $3, name = '', address = '', file = '', origin = '', data = $3,
		report = '' WHERE site = $1 AND id = $2`, id, []byte{})
	return err
}

// remove removes a visit.
func remove(ctx context.Context, tx *store.Tx, id string) error {
	_, err := tx.Exec(ctx, `DELETE FROM visitor WHERE site = $1 AND id = $2`, id)
	return err
}

// Forget removes the visits of members, in the transaction in which the directory erases or merges the members. A
// member with whom a visitor is merged is not a visitor any more.
func (s *Services) Forget(ctx context.Context, tx *store.Tx, members ...policy.MemberID) error {
	for _, m := range members {
		if m == "" {
			continue
		}
		if _, err := tx.Exec(ctx, `DELETE FROM visitor WHERE site = $1 AND member = $2`, string(m)); err != nil {
			return err
		}
	}
	return nil
}

// IsVisitor reports whether a member is a visitor.
func (s *Services) IsVisitor(ctx context.Context, id policy.MemberID) (bool, error) {
	var n int
	err := s.Desk.visits.o.Site.QueryRow(ctx, `SELECT count(*) FROM visitor WHERE site = $1 AND member = $2`,
		string(id)).Scan(&n)
	return n > 0 && id != "", err
}

// bytesOf returns an empty value instead of nil, which a database would store as NULL.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// millis returns a time as the database stores it: in milliseconds since 1970, 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// fromMillis is the inverse of millis.
func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// dayOf returns a date as the database stores it; empty: no date.
func dayOf(d policy.Date) string {
	if d == (policy.Date{}) {
		return ""
	}
	return d.String()
}

// dateOf is the inverse of dayOf.
func dateOf(s string) (policy.Date, error) {
	if s == "" {
		return policy.Date{}, nil
	}
	return policy.ParseDate(s)
}
