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

// rate contains the settings of a token bucket, as in golang.org/x/time/rate. rate permits a burst of attempts, and
// then one attempt per period every. A refused visitor waits at most one period for the next attempt, so that no
// visitor is locked out permanently.
type rate struct {
	name  string
	burst int64
	every time.Duration
}

// rates returns the limits of each kind of attempt.
func rates() (r struct{ name, known, address, code, subject, token, mailFrom, mailTo, arrival rate }) {
	// Wrong passwords for a name, from addresses that are not known to the account.
	r.name = rate{"password/name", 10, time.Minute}
	// wrong passwords for a name, from an address known to the account
	r.known = rate{"password/known", 10, time.Minute}
	r.address = rate{"password/address", 30, 20 * time.Second} // wrong passwords for any name, from one address
	r.code = rate{"code/address", 10, time.Minute}             // wrong codes and links, from one address
	r.subject = rate{"code/subject", 5, 3 * time.Minute}       // wrong codes for one subject (AddressCodes)
	r.token = rate{"token/address", 60, 10 * time.Second}      // wrong tokens, from one address
	r.mailFrom = rate{"mail/from", 10, time.Minute}            // mails that one client address requested
	r.mailTo = rate{"mail/to", 3, 5 * time.Minute}             // mails that one recipient got
	r.arrival = rate{"arrival/from", 20, 30 * time.Second}     // badges that one client address brought
	return r
}

// limit is a rate limit for one name or address.
type limit struct {
	rate
	who string // name or address; stored as a hash, because people type passwords into the field for names
}

// key returns the name of the limit's row in the database. The key contains a hash of who, so that the database
// contains neither names nor addresses.
func (l limit) key() string {
	return l.name + "/" + hex.EncodeToString(hashOf(l.name + "\x00" + l.who)[:12])
}

// next computes what happens if one more attempt is made at the time now. then is the time at which the bucket is full
// again after the attempt. wait is the time until the attempt is permitted, or 0 if the attempt is permitted now. until
// is the time at which the bucket is full again without the attempt. All times are in milliseconds.
func (r rate) next(now, until int64) (then, wait int64) {
	every := r.every.Milliseconds()
	then = max(now, min(until, now+r.burst*every)) + every // min limits the wait if the clock was set back
	return then, max(0, then-now-r.burst*every)
}

// Limits of the table of rate limits.
const (
	maxLimits  = 20000
	pruneEvery = 64
)

// rowReader reads one row, from a site or within a transaction.
type rowReader interface {
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
}

// fullTime reads the time at which a limit's bucket is full again.
func fullTime(ctx context.Context, q rowReader, l limit) (ms int64, err error) {
	err = q.QueryRow(ctx, `SELECT until FROM account_throttle WHERE site = $1 AND name = $2`, l.key()).Scan(&ms)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return ms, err
}

// throttle applies rate limits. The database stores how many attempts of each limit remain.
type throttle struct {
	core  *core
	most  int           // maximum number of limits in the database
	spent atomic.Uint64 // number of used attempts; prune runs once per pruneEvery attempts
}

// check returns *Throttled if one of the limits is used up. check only reads the database, so that a flood of refused
// attempts causes no writes.
func (s *throttle) check(ctx context.Context, q rowReader, limits ...limit) error {
	for _, l := range limits {
		full, err := fullTime(ctx, q, l)
		if err != nil {
			return err
		}
		if _, wait := l.next(s.core.now(), full); wait > 0 {
			return &Throttled{Wait: time.Duration(wait) * time.Millisecond}
		}
	}
	return nil
}

// spend uses one attempt of each limit. If a limit is used up, spend uses no attempt and returns *Throttled. Parallel
// attempts are all counted, because write transactions run one after another.
func (s *throttle) spend(ctx context.Context, limits ...limit) error {
	if err := s.check(ctx, s.core.site, limits...); err != nil {
		return err
	}
	return s.core.site.Write(ctx, func(tx *store.Tx) error { return s.spendIn(ctx, tx, limits...) })
}

// spendIn does the work of spend within the caller's transaction.
func (s *throttle) spendIn(ctx context.Context, tx *store.Tx, limits ...limit) error {
	if err := s.check(ctx, tx, limits...); err != nil {
		return err
	}
	for _, l := range limits {
		full, err := fullTime(ctx, tx, l)
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

// refund restores the attempt that spend used of each limit, because the attempt succeeded.
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

// prune removes limits whose bucket is full again, and expired codes. If more than the maximum number of rows remain,
// prune also removes the rows whose buckets are full again soonest.
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

// clientNetwork returns the part of a client's address to which rate limits apply: a whole IPv4 address, or the 64-bit
// network of an IPv6 address, because one customer has such a network (RFC 6177, section 2). A text that is not an
// address becomes "unknown".
func clientNetwork(address string) string {
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

// spendGuess counts an attempt with a code of any kind. If the code is right, the caller restores the attempt with
// refundGuess.
func (s *throttle) spendGuess(ctx context.Context) error { return s.spend(ctx, s.guessLimit(ctx)) }

// refundGuess restores the attempt that spendGuess counted, because the code was right.
func (s *throttle) refundGuess(ctx context.Context) error {
	return s.core.site.Write(ctx, func(tx *store.Tx) error { return s.refund(ctx, tx, s.guessLimit(ctx)) })
}

// guessLimit returns the limit on wrong codes from the client address of the request of ctx.
func (s *throttle) guessLimit(ctx context.Context) limit {
	return limit{rates().code, clientNetwork(visitorOf(ctx).address)}
}
