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

// The hub stores the last state of each machine in the database, so that a restarted hub can load the states. The hub
// cannot rely on the broker for this: the broker inside this program stores no times of states, and a separate broker
// may have lost the states.

const (
	// statesEvery is the interval at which the hub writes changed states. A power cut loses the state changes of at most
	// this time, and no other data.
	statesEvery = 30 * time.Second
	// statesBye is the timeout for the last write of the states, when the hub stops.
	statesBye = 5 * time.Second
)

// loadState loads the last state of a machine from the database. loadState ignores a state that it cannot parse.
func (fl *fleet) loadState(ctx context.Context, m *Machine) error {
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
	m.Seen, m.TroubleAt, m.TroubleSince = timeOfMillis(seen), timeOfMillis(troubleAt), timeOfMillis(troubleSince)
	if s, err := wire.ParseState([]byte(text)); err == nil && s.Machine == m.ID {
		m.notes.last = &s
	}
	return nil
}

// newest returns the last state that the hub received from the machine or loaded from the database; nil: there is no
// state.
func (m *Machine) newest() *wire.State {
	if m.State != nil {
		return m.State
	}
	return m.notes.last
}

// timeOfMillis converts milliseconds since 1970, as the database stores them, to a time, and 0 to the zero Time.
func timeOfMillis(millis int64) time.Time {
	if millis == 0 {
		return time.Time{}
	}
	return time.UnixMilli(millis).UTC()
}

// millisOf converts a time to milliseconds since 1970, as the database stores them, and the zero Time to 0.
func millisOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// keepStates writes the changed states of machines to the database every statesEvery until ctx ends, and a last time
// after that.
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

// keptState is a machine's state as a row of the table machine_state.
type keptState struct {
	seen, troubleAt, troubleSince int64
	state, trouble                string
}

// writeStates writes the changed states in one transaction. If the transaction fails, the next call writes the states
// again.
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
		fl.core.log.Warn("storing the states of machines failed", "err", err)
		return
	}
	// Mark only committed states as written. The next call repeats a failed write.
	for id, k := range changed {
		fl.change(id, func(m *Machine) { m.notes.kept = k })
	}
}
