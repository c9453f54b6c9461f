package hub

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// The last state of each machine is stored in the database, so that a restarted hub has it. The broker inside this
// program also keeps states, but not their times, and a separate broker may have lost them.

const (
	// statesEvery is how often changed states are written. A power cut loses the changes of at most this time, and no
	// other data.
	statesEvery = 30 * time.Second
	// statesBye is the timeout for the last write when the hub ends.
	statesBye = 5 * time.Second
)

// recall loads the last state of a machine. It ignores a state that it cannot parse.
func (fl *fleet) recall(ctx context.Context, m *Machine) error {
	var seen, troubleAt, troubleSince int64
	var text string
	err := fl.core.db.Site(fl.core.c.Site).
		QueryRow(ctx, `SELECT seen, state, trouble, trouble_at, trouble_since FROM machine_state
		WHERE site = $1 AND machine = $2`, string(m.ID)).
		Scan(&seen, &text, &m.Trouble, &troubleAt, &troubleSince)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("state of %s: %w", m.ID, err)
	}
	m.Seen, m.TroubleAt, m.TroubleSince = momentOf(seen), momentOf(troubleAt), momentOf(troubleSince)
	if s, err := wire.ParseState([]byte(text)); err == nil && s.Machine == m.ID {
		m.notes.last = &s
	}
	return nil
}

// newest returns the newest known state; nil: none.
func (m *Machine) newest() *wire.State {
	if m.State != nil {
		return m.State
	}
	return m.notes.last
}

// momentOf converts a column in milliseconds to a time; 0 is the zero Time.
func momentOf(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}

// millisOf converts a time to the milliseconds that the database stores; the zero Time is 0.
func millisOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// keepStates writes the states of machines to the database until ctx ends, and a last time after that.
func (fl *fleet) keepStates(ctx context.Context) error {
	clock := time.NewTicker(statesEvery)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), statesBye)
			defer cancel()
			fl.writeStates(bye)
			return ctx.Err()
		case <-clock.C:
			fl.writeStates(ctx)
		}
	}
}

// keptState is a row of the table machine_state.
type keptState struct {
	seen, troubleAt, troubleSince int64
	state, trouble                string
}

// writeStates writes the changed states in one transaction. If the database rejects them, the next call tries again;
// the reason is already logged for the records.
func (fl *fleet) writeStates(ctx context.Context) {
	// Collect the states that differ from those in the database.
	changed := map[policy.MachineID]keptState{}
	fl.mu.Lock()
	for id, m := range fl.machines {
		k := keptState{
			seen:         millisOf(m.Seen),
			trouble:      m.Trouble,
			troubleAt:    millisOf(m.TroubleAt),
			troubleSince: millisOf(m.TroubleSince),
		}
		if s := m.newest(); s != nil {
			if b, err := json.Marshal(s); err == nil {
				k.state = string(b)
			}
		}
		if k != m.notes.kept {
			changed[id] = k
		}
	}
	fl.mu.Unlock()
	if len(changed) == 0 {
		return
	}
	// Write them in one transaction.
	err := fl.core.db.Site(fl.core.c.Site).Write(ctx, func(tx *store.Tx) error {
		for id, k := range changed {
			_, err := tx.Exec(ctx, `INSERT INTO machine_state (site, machine, seen, state, trouble, trouble_at, trouble_since)
				VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (site, machine) DO UPDATE SET seen = $3, state = $4, trouble = $5,
				trouble_at = $6, trouble_since = $7 WHERE machine_state.site = $1`,
				string(id), k.seen, k.state, k.trouble, k.troubleAt, k.troubleSince)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		fl.core.log.Warn("states of machines not saved", "err", err)
		return
	}
	// Only a committed state counts as written. A failed write is repeated at the next call.
	for id, k := range changed {
		fl.change(id, func(m *Machine) { m.notes.kept = k })
	}
}
