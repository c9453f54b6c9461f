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

	records [][]wire.Record // of each batch
	leaves  [][]tlog.Hash
	bytes   int
}

// makeBatches signs batches of records from several machines before the measurement begins.
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

// ingest measures the ledger beside a bare insert of the same salts and records into the same kind of file: WAL, FULL,
// one table whose key is machine and seq. Both sides commit in the same rhythm: once with each batch, and once with as
// many batches as the hub takes at once where they wait. The bare insert verifies nothing: no JSON, no signature, no
// tree, no index. A second bare insert keeps all columns and the index that the ledger keeps: what is between it and
// the ledger is the price of the checks.
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
	for _, group := range []int{1, ingestTogether} {
		failed = errors.Join(failed, b.compare(o, group, n))
	}
	return failed
}

// compare measures the three ways in turn, with so many batches in each transaction.
func (b batches) compare(o options, group int, n float64) error {
	ways := []struct {
		name string
		open func(path string) (run, end func() error, err error)
	}{{"bare", b.bare(group, bareBytes)}, {"same-rows", b.bare(group, bareRows)}, {"ledger", b.take(group)}}
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
	bare, rows := ratios(costs["bare"], costs["ledger"]), ratios(costs["same-rows"], costs["ledger"])
	counts, by := bare.wall, "by the clock"
	if busy() {
		counts, by = bare.cpu, "by processor time, as the machine is busy"
	}
	o.out(fmt.Sprintf("  %2d batches to a commit: ledger is %.2f × the same bytes (processor %.2f), %.2f × the same rows "+
		"(processor %.2f); must be ≥ %.2f × the same bytes, %s", group, bare.wall, bare.cpu, rows.wall, rows.cpu, ingestMust,
		by))
	if counts < ingestMust {
		return fmt.Errorf(
			"ingest with %d batches to a commit is %.2f × a bare insert of the same bytes %s, want at least %.2f",
			group,
			counts,
			by,
			ingestMust,
		)
	}
	return nil
}

// busy reports whether more programs want a processor than there are: then wall times say more of the others than of
// what is measured.
func busy() bool {
	one, _, _ := strings.Cut(load(), " ")
	n, err := strconv.ParseFloat(one, 64)
	return err == nil && n > float64(runtime.NumCPU())
}

// ratios are how fast b is, in terms of a: the median of the rounds, in which both were measured one after the other.
func ratios(a, b []cost) cost {
	out := make([]cost, len(a))
	for i := range a {
		out[i] = cost{a[i].wall / b[i].wall, a[i].cpu / b[i].cpu}
	}
	return medianCost(out)
}

// medianCost is the median of the wall times and that of the processor times.
func medianCost(all []cost) cost {
	var wall, cpu []float64
	for _, c := range all {
		wall, cpu = append(wall, c.wall), append(cpu, c.cpu)
	}
	slices.Sort(wall)
	slices.Sort(cpu)
	return cost{wall[len(wall)/2], cpu[len(cpu)/2]}
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

// takeAll has the ledger take all batches, group of them in a transaction.
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

// bareTable is how a bare insert keeps records.
type bareTable struct {
	make   []string // statements
	insert string
	values func(m policy.MachineID, seq int64, l wire.Leafed, r *wire.Record, leaf []byte) []any
}

// bareBytes keeps salts and records.
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

// bareRows keeps the rows and the index of the ledger's table (hub/store/migrations/00010_ledger.sql).
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

// bare inserts rows, so many batches in each transaction.
func (b batches) bare(group int, t bareTable) func(path string) (run, end func() error, err error) {
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

// insertAll inserts the same bytes without any check, for comparison.
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
