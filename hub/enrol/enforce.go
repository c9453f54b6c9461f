package enrol

import (
	"context"
	"fmt"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/store"
	"portillon/policy"
)

// After a change of the enrolled machines is committed, enforcer clears the certificate cache, closes connections, and
// calls Options.Apply.
type enforcer struct {
	site  *store.Site
	apply func(context.Context, []Enrolled) error // Options.Apply, or nil
	known knownCerts
	conns conns
	mu    sync.Mutex // locked during apply, so that an older list is never applied after a newer list
}

func newEnforcer(o Options) *enforcer {
	return &enforcer{site: o.Site, apply: o.Apply, conns: conns{of: map[policy.MachineID]map[closer]bool{}}}
}

// applyAll calls apply with the list of enrolled machines in the database.
func (e *enforcer) applyAll(ctx context.Context) error {
	if e.apply == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	all, err := readEnrolled(ctx, e.site)
	if err != nil {
		return err
	}
	return e.apply(ctx, all)
}

// afterCommit applies a change of one machine's certificate or rights after a transaction that ended with err. If err
// is not nil, afterCommit only clears the certificate cache, because the error may have occurred after the commit.
func (e *enforcer) afterCommit(ctx context.Context, id policy.MachineID, err error) error {
	e.known.clear()
	if err != nil {
		return err
	}
	e.conns.closeAll(id)
	return e.applyAll(ctx)
}

// readEnrolled reads all machines that joined or were revoked, sorted by id.
func readEnrolled(ctx context.Context, site *store.Site) (out []Enrolled, err error) {
	rows, err := site.Query(ctx, `SELECT machine, public, password, revoked, replacing FROM machine
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
				return nil, fmt.Errorf("enrol: stored key of the machine %s is invalid: %w", e.ID, err)
			}
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// closer is a connection: conns only needs to close it.
type closer interface{ Close() error }

// conns contains the connections on which a machine's request is in progress.
type conns struct {
	mu sync.Mutex
	of map[policy.MachineID]map[closer]bool
}

// add registers a connection of a machine. The returned function done removes the connection.
func (c *conns) add(id policy.MachineID, conn closer) (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[id] == nil {
		c.of[id] = map[closer]bool{}
	}
	c.of[id][conn] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.of[id], conn)
	}
}

// closeAll closes all registered connections of a machine.
func (c *conns) closeAll(id policy.MachineID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.of[id] {
		conn.Close()
	}
}
