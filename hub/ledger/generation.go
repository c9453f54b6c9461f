package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/policy"
	"portillon/wire"
)

// Generation is one of a machine's journals, as the ledger took it.
type Generation struct {
	wire.Generation
	Epoch   int       // 0: the machine's first
	Records uint64    // that are held
	Root    tlog.Hash // of the tree over them; zero: there are none
	By, Why string    // who let it take the place of the one before, and why; empty for a machine's first
	At      time.Time // when; zero for a machine's first
}

// Replacement is an administrator's act: the next journal of a machine takes the place of the one that is held.
type Replacement struct {
	Machine    policy.MachineID
	Generation wire.Generation // of the next journal, as the machine's state says it
	By         string          // the administrator
	Why        string
	At         time.Time
}

// maxWords bounds By and Why, in bytes.
const maxWords = 500

// Replace lets the next generation of a machine in. The records of the generations before stay, and can be read and proven. From now on
// only the next one is taken. Of a wrong generation, no record of which has come, the one before takes the place again: a machine's state
// is not signed, so that whoever has its account at the broker can name any. The act is on the disk when Replace returns.
func (l *Ledger) Replace(r Replacement) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := r.check(); err != nil {
		return fmt.Errorf("ledger: replace: %w", err)
	}
	if l.w == nil {
		return errors.New("ledger: replace: the ledger is open for reading only")
	}
	tx, err := l.w.Begin()
	if err != nil {
		return fmt.Errorf("ledger: replace: %w", err)
	}
	defer tx.Rollback()
	all, err := generationsOf(context.Background(), tx, form2, r.Machine)
	if err != nil {
		return fmt.Errorf("ledger: replace: %w", err)
	}
	if len(all) == 0 {
		return fmt.Errorf("ledger: replace: nothing of %.64q is held: its first journal is taken without this", r.Machine)
	}
	if n := len(all); n > 1 && all[n-1].Records == 0 && all[n-2].Generation == r.Generation {
		_, err = tx.Exec("DELETE FROM generations WHERE machine = ? AND epoch = ?", string(r.Machine), all[n-1].Epoch)
	} else {
		err = r.follow(tx, all)
	}
	if err != nil {
		return fmt.Errorf("ledger: replace: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("ledger: replace: %w", err)
	}
	return nil
}

// follow has the next generation come after all that were taken.
func (r Replacement) follow(tx *sql.Tx, all []Generation) error {
	for _, g := range all {
		if g.Generation == r.Generation {
			return fmt.Errorf("generation %q of %.64q was taken before, want one that is new: at the machine, stop portillond, move its "+
				"journal.db and journal.db-wal to another name, and start it: it begins a new journal", string(r.Generation), r.Machine)
		}
	}
	return begin(tx, r.Machine, Generation{Generation: r.Generation, Epoch: len(all), By: r.By, Why: r.Why, At: r.At})
}

func (r Replacement) check() error {
	switch {
	case r.Machine == "":
		return errors.New("the machine is missing")
	case r.By == "" || len(r.By) > maxWords || len(r.Why) > maxWords:
		return fmt.Errorf("who does it has %d bytes, want 1 to %d; why has %d, want at most %d", len(r.By), maxWords, len(r.Why), maxWords)
	case r.At.IsZero():
		return errors.New("the time is missing")
	}
	return r.Generation.Check()
}

// Generations are a machine's journals, in the order in which the ledger took them.
func (l *Ledger) Generations(ctx context.Context, m policy.MachineID) ([]Generation, error) {
	out, err := generationsOf(ctx, l.r, l.from, m)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	return out, nil
}

// begin notes that a machine's journal g is taken from now on.
func begin(tx *sql.Tx, m policy.MachineID, g Generation) error {
	at := int64(0)
	if !g.At.IsZero() {
		at = g.At.UnixMilli()
	}
	_, err := tx.Exec("INSERT INTO generations (machine, epoch, generation, who, why, at) VALUES (?,?,?,?,?,?)",
		string(m), g.Epoch, string(g.Generation), g.By, g.Why, at)
	return err
}

func generationsOf(ctx context.Context, q interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}, from tables, m policy.MachineID) (out []Generation, err error) {
	rows, err := q.QueryContext(ctx, "SELECT g.generation, g.epoch, g.who, g.why, g.at, coalesce(c.size, 0), coalesce(c.root, x'') FROM "+from.generations+" AS g LEFT JOIN "+
		from.checkpoints+" AS c ON c.machine = g.machine AND c.generation = g.generation WHERE g.machine = ? ORDER BY g.epoch", string(m))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var g Generation
		var name string
		var at, size int64
		var root []byte
		if err := rows.Scan(&name, &g.Epoch, &g.By, &g.Why, &at, &size, &root); err != nil {
			return nil, err
		}
		g.Generation, g.Records = wire.Generation(name), uint64(size)
		copy(g.Root[:], root)
		if at != 0 {
			g.At = time.UnixMilli(at).UTC()
		}
		out = append(out, g)
	}
	return out, rows.Err()
}
