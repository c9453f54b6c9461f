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

// A rate allows a burst of attempts, and one more whenever every has passed: the bucket of golang.org/x/time/rate.
// Nobody waits longer than every for the next attempt, so no limit locks out for ever.
type rate struct {
	name  string
	burst int64
	every time.Duration
}

// What is limited.
func rates() (r struct{ name, known, address, code, token, mailFrom, mailTo rate }) {
	r.name = rate{"password/name", 10, time.Minute}            // wrong passwords of a name, from new addresses
	r.known = rate{"password/known", 10, time.Minute}          // and from each address that it came from before
	r.address = rate{"password/address", 30, 20 * time.Second} // wrong passwords from an address, whatever the name
	r.code = rate{"code/address", 10, time.Minute}             // wrong codes and links from an address
	r.token = rate{"token/address", 60, 10 * time.Second}      // wrong tokens from an address
	r.mailFrom = rate{"mail/from", 10, time.Minute}            // mails that an address asks for
	r.mailTo = rate{"mail/to", 3, 5 * time.Minute}             // mails to a recipient
	return r
}

// limit is a rate of somebody.
type limit struct {
	rate
	who string // hashed before it is stored: people type passwords into the field for names
}

// key is the name of the limit's row. It holds a hash of who: the database keeps neither names nor addresses of those
// who guess.
func (l limit) key() string {
	return l.name + "/" + hex.EncodeToString(hashOf(l.name + "\x00" + l.who)[:12])
}

// next is when the bucket is full again after one more attempt, and how long that attempt must wait; 0: it may be made.
// until is when the bucket is full again now. All times are milliseconds.
func (r rate) next(now, until int64) (then, wait int64) {
	every := r.every.Milliseconds()
	then = max(now, min(until, now+r.burst*every)) + every // a clock that was set back makes nobody wait longer
	return then, max(0, then-now-r.burst*every)
}

// Bounds of the table.
const (
	maxLimits  = 20000
	pruneEvery = 64
)

// oneRow reads one row, of a site or of a transaction.
type oneRow interface {
	QueryRow(ctx context.Context, query string, args ...any) *sql.Row
}

// until reads when a limit's bucket is full again.
func until(ctx context.Context, q oneRow, l limit) (ms int64, err error) {
	err = q.QueryRow(ctx, `SELECT until FROM account_throttle WHERE site = $1 AND name = $2`, l.key()).Scan(&ms)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return ms, err
}

// throttle keeps how many attempts the limits still allow, in the database.
type throttle struct {
	core  *core
	most  int           // rows of limits that are kept
	spent atomic.Uint64 // how often a limit was used, for pruning
}

// allowed returns *Throttled if one of the limits is used up. It writes nothing: a flood of refused attempts costs
// reads only.
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

// spend uses one attempt of each limit; if one limit is used up, it uses none and returns *Throttled. Attempts in
// parallel are counted one by one, since transactions that write are.
func (s *throttle) spend(ctx context.Context, limits ...limit) error {
	if err := s.allowed(ctx, s.core.site, limits...); err != nil {
		return err
	}
	return s.core.site.Write(ctx, func(tx *store.Tx) error { return s.spendIn(ctx, tx, limits...) })
}

// spendIn is spend within a transaction of the caller.
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

// refund gives an attempt back that turned out to be right.
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

// prune removes limits that are full again, and codes that have expired. Beyond most rows it removes those limits
// whose wait is shortest.
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

// network is what a client's address counts as in limits: an IPv4 address itself, or the 64-bit network of an IPv6
// address, which is what one customer has (RFC 6177, section 2). A text that is no address counts as
// "unknown".
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

// guess counts an attempt with a code, whatever the code is for. goodGuess gives the attempt back.
func (s *throttle) guess(ctx context.Context) error { return s.spend(ctx, s.guessLimit(ctx)) }

// goodGuess gives the attempt of guess back: the code was right.
func (s *throttle) goodGuess(ctx context.Context) error {
	return s.core.site.Write(ctx, func(tx *store.Tx) error { return s.refund(ctx, tx, s.guessLimit(ctx)) })
}

// guessLimit is the limit on wrong codes from the address of the request that ctx comes from.
func (s *throttle) guessLimit(ctx context.Context) limit {
	return limit{rates().code, network(visitorOf(ctx).address)}
}
