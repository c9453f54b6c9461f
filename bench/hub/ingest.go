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
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	_ "modernc.org/sqlite" // this import registers the driver "sqlite"

	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

const (
	ingestMachines = 20  // number of machines that send records
	ingestBatch    = 100 // number of records in one batch
	// ingestRounds is how often each variant is measured. The result is the median of these ratios, so that a short load
	// by other programs does not change it.
	ingestRounds = 9
	// ingestGroup is how many waiting batches the hub stores in one transaction (maxTogether in package hub).
	ingestGroup = 16
	// ingestMinimum is the smallest accepted ratio: the ledger's speed divided by the speed of a bare insert.
	ingestMinimum = 0.5
)

// batches contains the messages of ingestMachines machines, which take turns.
type batches struct {
	keys   ledger.Keys    // of the machines
	taken  []ledger.Batch // messages as the hub receives them from the broker
	parsed []wire.Batch   // taken, parsed

	records [][]wire.Record // records of each batch
	leaves  [][]tlog.Hash   // leaf hashes of each batch
	bytes   int             // total size of the salts and the records of all batches, in bytes
}

// makeBatches generates all messages before the measurement, so that the time of signing is not measured.
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
		_, records, err := wire.ParseBatch(data)
		if err != nil {
			return out, err
		}
		out.taken, out.parsed = append(out.taken, ledger.Batch{Machine: m.id, Data: data}), append(out.parsed, b)
		var leaves []tlog.Hash
		for _, r := range b.Records {
			out.bytes += len(r.Salt) + len(r.Record)
			leaves = append(leaves, wire.Leaf(r.Salt, r.Record))
		}
		out.records, out.leaves = append(out.records, records), append(out.leaves, leaves)
	}
	return out, nil
}

// ingest compares the speed of the ledger with the speed of a bare insert. The bare insert writes the same salts and
// records into a file of the same kind: WAL, FULL, one table with the key (machine, seq). The ledger and the bare
// inserts are measured with two sizes of transaction: one batch, and ingestGroup batches. The bare insert parses no
// JSON, verifies no signature and no tree, and has no index. A second bare insert also stores all columns and the
// index of the ledger. The difference between this insert and the ledger is the cost of the checks.
func ingest(_ context.Context, o options) error {
	b, err := makeBatches(o.records)
	if err != nil {
		return err
	}
	n := float64(len(b.taken) * ingestBatch)
	o.out(
		fmt.Sprintf("  %.0f records of %d machines, %d bytes each, batches of %d; medians of %d rounds, each way in turn",
			n, ingestMachines, b.bytes/int(n), ingestBatch, ingestRounds),
	)
	var failed error
	for _, group := range []int{1, ingestGroup} {
		failed = errors.Join(failed, b.compare(o, group, n))
	}
	return failed
}

// compare measures the three variants one after the other; each transaction stores group batches.
func (b batches) compare(o options, group int, n float64) error {
	ways := []struct {
		name string
		open func(path string) (run, end func() error, err error)
	}{{"bare", b.bareVariant(group, bareBytes)}, {"same-rows", b.bareVariant(group, bareRows)}, {"ledger",
		b.ledgerVariant(group)}}
	// In each round, measure every variant once.
	costs := map[string][]cost{}
	for range ingestRounds {
		for _, w := range ways {
			c, err := timed(o, w.name, w.open)
			if err != nil {
				return err
			}
			costs[w.name] = append(costs[w.name], c)
		}
	}
	for _, w := range ways {
		c := medianCost(costs[w.name])
		o.out(fmt.Sprintf("  %2d batches to a commit: %-9s %7.0f/s, %5.1f µs of processor a record", group, w.name, n/c.wall,
			c.cpu/n*1e6))
	}
	// On a busy computer, compare only processor times.
	bare, rows := ratios(costs["bare"], costs["ledger"]), ratios(costs["same-rows"], costs["ledger"])
	counts, by := bare.wall, "by the clock"
	if busy() {
		counts, by = bare.cpu, "by processor time, as the machine is busy"
	}
	o.out(fmt.Sprintf("  %2d batches to a commit: ledger is %.2f × the same bytes (processor %.2f), %.2f × the same rows "+
		"(processor %.2f); must be ≥ %.2f × the same bytes, %s",
		group, bare.wall, bare.cpu, rows.wall, rows.cpu, ingestMinimum,
		by))
	if counts < ingestMinimum {
		return fmt.Errorf(
			"ledger's speed with %d batches to a commit is %.2f × that of a bare insert of the same bytes %s, want at least "+
				"%.2f",
			group,
			counts,
			by,
			ingestMinimum,
		)
	}
	return nil
}

// busy reports whether the computer has more runnable processes than processors. On a busy computer, wall times
// depend on other programs.
func busy() bool {
	one, _, _ := strings.Cut(load(), " ")
	n, err := strconv.ParseFloat(one, 64)
	return err == nil && n > float64(runtime.NumCPU())
}

// ratios returns how many times faster b is than a: the median of the ratios of all rounds.
func ratios(a, b []cost) cost {
	out := make([]cost, len(a))
	for i := range a {
		out[i] = cost{a[i].wall / b[i].wall, a[i].cpu / b[i].cpu}
	}
	return medianCost(out)
}

// medianCost returns the median of the wall times, and the median of the processor times.
func medianCost(all []cost) cost {
	var wall, cpu []float64
	for _, c := range all {
		wall, cpu = append(wall, c.wall), append(cpu, c.cpu)
	}
	slices.Sort(wall)
	slices.Sort(cpu)
	return cost{wall[len(wall)/2], cpu[len(cpu)/2]}
}

// timed opens a database in a new folder with the function open, and measures how long the function run takes.
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
	runtime.GC() // collect the garbage of earlier measurements, so that this is not measured
	began, cpu := time.Now(), cpuTime()
	if err := run(); err != nil {
		return cost{}, fmt.Errorf("%s: %w", name, err)
	}
	return cost{time.Since(began).Seconds(), (cpuTime() - cpu).Seconds()}, nil
}

// cost is a duration in seconds, as wall time and as processor time. Other programs hardly change the processor time.
type cost struct{ wall, cpu float64 }

// cpuTime returns the processor time that this process has used (getrusage(2)).
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ledgerVariant returns the variant in which the ledger stores the batches; each transaction stores group batches.
func (b batches) ledgerVariant(group int) func(path string) (run, end func() error, err error) {
	return func(path string) (run, end func() error, err error) {
		l, err := ledger.Open(path, site, b.keys)
		if err != nil {
			return nil, nil, err
		}
		return func() error { return b.storeAll(l, group) }, l.Close, nil
	}
}

// storeAll stores all batches, and checks that all their records are new to the ledger.
func (b batches) storeAll(l *ledger.Ledger, group int) error {
	for some := range slices.Chunk(b.taken, group) {
		for _, r := range l.TakeAll(some) {
			if r.Err != nil {
				return r.Err
			}
			if r.New != ingestBatch {
				return fmt.Errorf("ledger stored %d new records of a batch, want %d", r.New, ingestBatch)
			}
		}
	}
	return nil
}

// bareTable is a table for a bare insert, without checks.
type bareTable struct {
	make   []string // statements that create the table
	insert string   // statement that inserts a row
	values func(m policy.MachineID, seq int64, l wire.Leafed, r *wire.Record, leaf []byte) []any
}

// bareBytes is a table that contains only salts and records.
var bareBytes = bareTable{
	make: []string{
		"CREATE TABLE records (machine TEXT NOT NULL, seq BIGINT NOT NULL, salt BLOB NOT NULL, record BLOB NOT NULL, " +
			"PRIMARY KEY (machine, seq)) WITHOUT ROWID",
	},
	insert: "INSERT INTO records (machine, seq, salt, record) VALUES ($1, $2, $3, $4)",
	values: func(m policy.MachineID, seq int64, l wire.Leafed, _ *wire.Record, _ []byte) []any {
		return []any{string(m), seq, l.Salt[:], []byte(l.Record)}
	},
}

// bareRows is a table that has the columns and the index of the ledger's table
// (hub/store/migrations/00010_ledger.sql).
var bareRows = bareTable{
	make: []string{
		"CREATE TABLE records (site TEXT NOT NULL, journal BIGINT NOT NULL, seq BIGINT NOT NULL, kind TEXT NOT NULL, " +
			"member TEXT NOT NULL, session TEXT NOT NULL, wall BIGINT NOT NULL, salt BLOB NOT NULL, leaf BLOB NOT NULL, " +
			"record BLOB NOT NULL, PRIMARY KEY (site, journal, seq)) WITHOUT ROWID",
		"CREATE INDEX records_kind ON records (site, kind, journal, wall)",
	},
	insert: "INSERT INTO records (site, journal, seq, kind, member, session, wall, salt, leaf, record) " +
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
	values: func(m policy.MachineID, seq int64, l wire.Leafed, r *wire.Record, leaf []byte) []any {
		journal, _ := strconv.ParseInt(strings.TrimPrefix(string(m), "machine-"), 10, 64)
		return []any{
			string(site),
			journal,
			seq,
			string(r.Kind),
			string(r.Member),
			r.Session,
			r.Wall.UnixMilli(),
			l.Salt[:],
			leaf,
			[]byte(l.Record),
		}
	},
}

// bareVariant returns a variant that inserts rows without checks; each transaction stores group batches.
func (b batches) bareVariant(group int, t bareTable) func(path string) (run, end func() error, err error) {
	return func(path string) (run, end func() error, err error) {
		q := url.Values{
			"_txlock": {"immediate"},
			"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"},
		}
		db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String())
		if err != nil {
			return nil, nil, err
		}
		db.SetMaxOpenConns(1)
		for _, s := range t.make {
			if _, err = db.Exec(s); err != nil {
				return nil, nil, errors.Join(err, db.Close())
			}
		}
		insert, err := db.Prepare(t.insert)
		if err != nil {
			return nil, nil, errors.Join(err, db.Close())
		}
		return func() error { return b.insertAll(db, insert, group, t) }, db.Close, nil
	}
}

// insertAll inserts all batches; each transaction stores group batches.
func (b batches) insertAll(db *sql.DB, insert *sql.Stmt, group int, t bareTable) error {
	seqs := map[policy.MachineID]int64{}
	for at := 0; at < len(b.parsed); at += group {
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		in := tx.Stmt(insert)
		for i := at; i < min(at+group, len(b.parsed)); i++ {
			if err := b.insert(in, i, seqs, t); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
		if err := errors.Join(in.Close(), tx.Commit()); err != nil {
			return err
		}
	}
	return nil
}

// insert inserts the records of one batch.
func (b batches) insert(in *sql.Stmt, i int, seqs map[policy.MachineID]int64, t bareTable) error {
	m := b.taken[i].Machine
	for k, r := range b.parsed[i].Records {
		seqs[m]++
		if _, err := in.Exec(t.values(m, seqs[m], r, &b.records[i][k], b.leaves[i][k][:])...); err != nil {
			return err
		}
	}
	return nil
}
