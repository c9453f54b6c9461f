package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

const (
	ingestMachines = 20
	ingestBatch    = 100
	// ingestRounds is how often each way is measured, in turn: the median of the ratios counts, so that a burst of
	// other work on the machine does not decide.
	ingestRounds = 9
	// ingestTogether is how many batches that wait the hub keeps in one transaction (hub/desk.go, maxTogether).
	ingestTogether = 16
	// ingestMust is the least ratio.
	ingestMust = 0.5
)

// batches are the messages of 20 machines, one machine after the other, as they come.
type batches struct {
	keys   ledger.Keys
	taken  []ledger.Batch
	parsed []wire.Batch
	bytes  int
}

func makeBatches(records int) (out batches, err error) {
	out.keys = ledger.Keys{}
	var machines []*machine
	for i := range ingestMachines {
		m, err := newMachine(policy.MachineID(fmt.Sprintf("machine-%02d", i)))
		if err != nil {
			return out, err
		}
		machines, out.keys[m.id] = append(machines, m), m.key
	}
	for i := range records / ingestBatch {
		m := machines[i%len(machines)]
		data, b, err := m.batch(ingestBatch)
		if err != nil {
			return out, err
		}
		out.taken, out.parsed = append(out.taken, ledger.Batch{Machine: m.id, Data: data}), append(out.parsed, b)
		for _, r := range b.Records {
			out.bytes += len(r.Salt) + len(r.Record)
		}
	}
	return out, nil
}

// ingest measures the ledger, with a batch to a commit and with as many as the hub takes at once where they wait, beside
// a bare insert of the same salts and records, a batch to a commit, into the same kind of file: WAL, FULL, one table whose key is machine and seq. The
// bare one verifies nothing: no JSON, no signature, no tree, no index.
func ingest(_ context.Context, o options) error {
	b, err := makeBatches(o.records)
	if err != nil {
		return err
	}
	n := float64(len(b.taken) * ingestBatch)
	o.out(fmt.Sprintf("  %.0f records of %d machines, %d bytes each, batches of %d; bare: a commit for each batch", n, ingestMachines,
		b.bytes/int(n), ingestBatch))
	var ratios []float64
	for range ingestRounds {
		bare, err := timed(o, "bare", b.bare)
		if err != nil {
			return err
		}
		one, err := timed(o, "ledger", b.take(1))
		if err != nil {
			return err
		}
		group, err := timed(o, "ledger", b.take(ingestTogether))
		if err != nil {
			return err
		}
		ratios = append(ratios, bare.wall/group.wall)
		o.out(fmt.Sprintf("  bare %7.0f/s   ledger %7.0f/s = %.2f (processor %.2f)   %d batches to a commit %7.0f/s = %.2f (processor %.2f)", n/bare.wall,
			n/one.wall, bare.wall/one.wall, bare.cpu/one.cpu, ingestTogether, n/group.wall, bare.wall/group.wall, bare.cpu/group.cpu))
	}
	slices.Sort(ratios)
	median := ratios[len(ratios)/2]
	o.out(fmt.Sprintf("  median as the hub takes batches that wait: %.2f × bare, must be ≥ %.2f", median, ingestMust))
	if median < ingestMust {
		return fmt.Errorf("ingest is %.2f × a bare insert, want at least %.2f", median, ingestMust)
	}
	return nil
}

// timed opens a database in a folder of its own, and runs and measures what open returns.
func timed(o options, name string, open func(path string) (run, end func() error, err error)) (c cost, err error) {
	dir, err := os.MkdirTemp(o.dir, "portillon-bench-")
	if err != nil {
		return cost{}, err
	}
	defer os.RemoveAll(dir)
	run, end, err := open(filepath.Join(dir, name+".db"))
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w", name, err)
	}
	defer func() { err = errors.Join(err, end()) }()
	runtime.GC() // what was measured before leaves nothing to collect
	began, cpu := time.Now(), cpuTime()
	if err := run(); err != nil {
		return cost{}, fmt.Errorf("%s: %w", name, err)
	}
	return cost{time.Since(began).Seconds(), (cpuTime() - cpu).Seconds()}, nil
}

// cost is what something took, in seconds: on the clock, and of the processors. The second hardly depends on what else
// the machine does.
type cost struct{ wall, cpu float64 }

// cpuTime is how long this process has had a processor (getrusage(2)).
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// take has a ledger take the batches, so many in each transaction.
func (b batches) take(group int) func(path string) (run, end func() error, err error) {
	return func(path string) (run, end func() error, err error) {
		l, err := ledger.Open(path, site, b.keys)
		if err != nil {
			return nil, nil, err
		}
		return func() error { return b.takeAll(l, group) }, l.Close, nil
	}
}

func (b batches) takeAll(l *ledger.Ledger, group int) error {
	for some := range slices.Chunk(b.taken, group) {
		for _, r := range l.TakeAll(some) {
			if r.Err != nil {
				return r.Err
			}
			if r.New != ingestBatch {
				return fmt.Errorf("%d records of a batch are new, want %d", r.New, ingestBatch)
			}
		}
	}
	return nil
}

// bare inserts the salts and records, a batch in each transaction.
func (b batches) bare(path string) (run, end func() error, err error) {
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.Exec("CREATE TABLE records (machine TEXT NOT NULL, seq BIGINT NOT NULL, salt BLOB NOT NULL, record BLOB NOT NULL, " +
		"PRIMARY KEY (machine, seq)) WITHOUT ROWID")
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	insert, err := db.Prepare("INSERT INTO records (machine, seq, salt, record) VALUES ($1, $2, $3, $4)")
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return func() error {
		seqs := map[policy.MachineID]int64{}
		for i, batch := range b.parsed {
			if err := bareBatch(db, insert, b.taken[i].Machine, seqs, batch); err != nil {
				return err
			}
		}
		return nil
	}, db.Close, nil
}

func bareBatch(db *sql.DB, insert *sql.Stmt, m policy.MachineID, seqs map[policy.MachineID]int64, b wire.Batch) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	in := tx.Stmt(insert)
	defer in.Close()
	for _, r := range b.Records {
		seqs[m]++
		if _, err := in.Exec(string(m), seqs[m], r.Salt[:], []byte(r.Record)); err != nil {
			return err
		}
	}
	return tx.Commit()
}
