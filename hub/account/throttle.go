package account

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"portillon/hub/store"
)

// rate permits a burst of attempts, and one more attempt after each period every: the token bucket of
// golang.org/x/time/rate. The wait for the next attempt is at most every, so that no limit locks out for ever.
type rate struct {
	name  string
	burst int64
	every time.Duration
}

// rates returns the limits of each kind of attempt.
func rates() (r struct{ name, known, address, code, token, mailFrom, mailTo rate }) {
	r.name = rate{"password/name", 10, time.Minute}            // wrong passwords, from new addresses
	r.known = rate{"password/known", 10, time.Minute}          // wrong passwords, from an address known to the account
	r.address = rate{"password/address", 30, 20 * time.Second} // wrong passwords from an address, for any name
	r.code = rate{"code/address", 10, time.Minute}             // wrong codes and links from an address
	r.token = rate{"token/address", 60, 10 * time.Second}      // wrong tokens from an address
	r.mailFrom = rate{"mail/from", 10, time.Minute}            // mails requested by a client address
	r.mailTo = rate{"mail/to", 3, 5 * time.Minute}             // mails to a recipient
	return r
}

// limit is a rate applied to one name or address.
type limit struct {
	rate
	who string // hashed before it is stored: people type passwords into the field for names
}

// key returns the name of the limit's row. It contains a hash of who, so that the database holds neither names nor
// addresses.
func (l limit) key() string {
	return l.name + "/" + hex.EncodeToString(hashOf(l.name + "\x00" + l.who)[:12])
}

// next returns when the bucket is full again after one more attempt, and how long that attempt must wait; 0: the
// attempt is permitted now. until is when the bucket is full again without the attempt. All times are milliseconds.
func (r rate) next(now, until int64) (then, wait int64) {
	every := r.every.Milliseconds()
	then = max(now, min(until, now+r.burst*every)) + every // setting the clock back must not lengthen the wait
	return then, max(0, then-now-r.burst*every)
}

// Limits of the table.
const (
	maxLimits  = 20000
	pruneEvery = 64
)

// oneRow reads one row, from a site or within a transaction.
type oneRow interface {
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
}

// until reads the time when a limit's bucket is full again.
func until(ctx context.Context, q oneRow, l limit) (ms int64, err error) {
	err = q.QueryRow(ctx, `SELECT until FROM account_throttle WHERE site = $1 AND name = $2`, l.key()).Scan(&ms)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return ms, err
}

// throttle stores the remaining attempts of each limit in the database.
type throttle struct {
	core  *core
	most  int           // maximum number of stored rows
	spent atomic.Uint64 // number of used attempts: prune runs after every pruneEvery
}

// allowed returns *Throttled if one of the limits is used up. It writes nothing, so that a flood of refused attempts
// only reads.
func (s *throttle) allowed(ctx context.Context, q oneRow, limits ...limit) error {
	for _, l := range limits {
		full, err := until(ctx, q, l)
		if err != nil {
			return err
		}
		if _, wait := l.next(s.core.now(), full); wait > 0 {
			return &Throttled{Wait: time.Duration(wait) * time.Millisecond}
		}
	}
	return nil
}

// spend uses one attempt of each limit; if one limit is used up, it uses none and returns *Throttled. Parallel attempts
// are all counted, because write transactions run one after another.
func (s *throttle) spend(ctx context.Context, limits ...limit) error {
	if err := s.allowed(ctx, s.core.site, limits...); err != nil {
		return err
	}
	return s.core.site.Write(ctx, func(tx *store.Tx) error { return s.spendIn(ctx, tx, limits...) })
}

// spendIn is spend within the caller's transaction.
func (s *throttle) spendIn(ctx context.Context, tx *store.Tx, limits ...limit) error {
	if err := s.allowed(ctx, tx, limits...); err != nil {
		return err
	}
	for _, l := range limits {
		full, err := until(ctx, tx, l)
		if err != nil {
			return err
		}
		then, _ := l.next(s.core.now(), full)
		_, err = tx.Exec(ctx, `INSERT INTO account_throttle (site, name, until) VALUES ($1, $2, $3)
			ON CONFLICT (site, name) DO UPDATE SET until = excluded.until`, l.key(), then)
		if err != nil {
			return err
		}
	}
	if s.spent.Add(1)%pruneEvery == 0 {
		return s.prune(ctx, tx)
	}
	return nil
}

// refund restores the attempt of each limit after the attempt succeeded.
func (s *throttle) refund(ctx context.Context, tx *store.Tx, limits ...limit) error {
	for _, l := range limits {
		_, err := tx.Exec(ctx, `UPDATE account_throttle SET until = until - $3 WHERE site = $1 AND name = $2`, l.key(),
			l.every.Milliseconds())
		if err != nil {
			return err
		}
	}
	return nil
}

// prune removes limits that are full again, and expired codes. Beyond most rows it removes the limits with the shortest
// wait.
func (s *throttle) prune(ctx context.Context, tx *store.Tx) error {
	if _, err := tx.Exec(ctx, `DELETE FROM account_throttle WHERE site = $1 AND until <= $2`, s.core.now()); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM account_throttle WHERE site = $1 AND name IN (SELECT name FROM account_throttle
		WHERE site = $1 ORDER BY until DESC LIMIT 1000000 OFFSET $2)`, s.most)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `DELETE FROM account_code WHERE site = $1 AND expires <= $2`, s.core.now())
	return err
}

// network returns the part of a client's address that limits count: an IPv4 address itself, or the 64-bit network of an
// IPv6 address, which is what one customer has (RFC 6177, section 2). A text that is not an address becomes "unknown".
func network(address string) string {
	a, err := netip.ParseAddr(strings.TrimSpace(address))
	if err != nil {
		return "unknown"
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a.String()
	}
	p, err := a.Prefix(64)
	if err != nil {
		return "unknown"
	}
	return p.String()
}

// guess counts an attempt with a code of any kind. goodGuess restores the attempt.
func (s *throttle) guess(ctx context.Context) error { return s.spend(ctx, s.guessLimit(ctx)) }

// goodGuess restores the attempt that guess counted, because the code was right.
func (s *throttle) goodGuess(ctx context.Context) error {
	return s.core.site.Write(ctx, func(tx *store.Tx) error { return s.refund(ctx, tx, s.guessLimit(ctx)) })
}

// guessLimit returns the limit on wrong codes from the address of the request that ctx belongs to.
func (s *throttle) guessLimit(ctx context.Context) limit {
	return limit{rates().code, network(visitorOf(ctx).address)}
}
