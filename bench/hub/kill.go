package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/ledger"
	"portillon/hub/store"
	"portillon/policy"
)

// childArgument is the argument that makes this program run the process that will be killed.
const childArgument = "child-of-kill"

const (
	killMachines = 4  // number of machines whose batches a folder contains
	killBatches  = 60 // number of batches of each machine in a folder
	killRecords  = 20 // number of records in one batch
	// killLines is how many lines of output a child process may write before it is killed.
	killLines = 24
)

// killFolder is a folder in which one child process after another stores batches and makes changes until it is
// killed.
type killFolder struct {
	dir     string
	machine []policy.MachineID
	Keys    map[policy.MachineID]string
	Batches map[policy.MachineID][][]byte
	roots   map[policy.MachineID][]tlog.Hash // the root of the machine's tree after each batch
	// for each machine, how many records the child processes have reported as acknowledged
	acked   map[policy.MachineID]uint64
	changed int64 // number of the last change that a child process has reported

	Private, Public string // private key and public key of the hub
	// ids of the objects that the child processes have reported as created, by kind of change
	did map[string]map[string]bool
}

// kill kills a process at random moments, o.times times, while the process stores records and makes changes. After
// each kill, kill checks that everything the process has reported is stored exactly once and completely.
func kill(ctx context.Context, o options) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	records, changes, services := uint64(0), int64(0), map[string]int{}
	for n := 0; n < o.times; {
		dir, err := os.MkdirTemp(o.dir, "portillon-kill-")
		if err != nil {
			return err
		}
		k, err := newKilled(dir)
		if err == nil {
			n, err = k.run(ctx, self, n, o.times)
		}
		if err != nil {
			return fmt.Errorf("data check after kill %d failed: %w; database kept in %s", n, err, dir)
		}
		for _, seq := range k.acked {
			records += seq
		}
		changes += k.changed
		for kind, ids := range k.did {
			services[kind] += len(ids)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	o.out(
		fmt.Sprintf(
			"  killed %d times: %d acknowledged records and %d changes of two tables are there, once, and none is half",
			o.times,
			records,
			changes,
		),
	)
	o.out(
		fmt.Sprintf(
			"  of what services made, all is there with its audit entry: %d members, %d cards, %d machines with codes, "+
				"%d accounts, %d policies",
			services["member"],
			services["card"],
			services["machine_code"],
			services["account"],
			services["policy"],
		),
	)
	return nil
}

// newKilled creates a folder that contains signed batches for the child processes and an empty database.
func newKilled(dir string) (*killFolder, error) {
	k := &killFolder{dir: dir, Keys: map[policy.MachineID]string{}, Batches: map[policy.MachineID][][]byte{},
		roots: map[policy.MachineID][]tlog.Hash{}, acked: map[policy.MachineID]uint64{}, did: map[string]map[string]bool{}}
	var err error
	if k.Private, k.Public, err = hubKey(); err != nil {
		return nil, err
	}
	for i := range killMachines {
		m, err := newMachine(policy.MachineID(fmt.Sprintf("machine-%d", i)))
		if err != nil {
			return nil, err
		}
		k.machine, k.Keys[m.id] = append(k.machine, m.id), m.vkey
		for range killBatches {
			data, _, err := m.batch(killRecords)
			if err != nil {
				return nil, err
			}
			root, err := tlog.TreeHash(m.n, m)
			if err != nil {
				return nil, err
			}
			k.Batches[m.id], k.roots[m.id] = append(k.Batches[m.id], data), append(k.roots[m.id], root)
		}
	}
	// Write the batches and keys to a file, from which the child processes read them.
	b, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "batches.json"), b, 0o600); err != nil {
		return nil, err
	}
	return k, k.makeTables()
}

// makeTables creates the database and two additional tables, which one change always modifies together.
func (k *killFolder) makeTables() error {
	db, err := store.Open(context.Background(), k.path())
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	raw, err := sql.Open("sqlite", k.path())
	if err != nil {
		return err
	}
	_, err = raw.Exec(
		"CREATE TABLE bench_left (site TEXT PRIMARY KEY, n BIGINT NOT NULL); CREATE TABLE bench_right (site TEXT PRIMARY " +
			"KEY, n BIGINT NOT NULL)",
	)
	return errors.Join(err, raw.Close())
}

// path returns the path of the database file.
func (k *killFolder) path() string { return filepath.Join(k.dir, store.Name) }

// run starts and kills child processes until all kills are done, or until all batches of the folder are stored. The
// result is how many kills have been done so far.
func (k *killFolder) run(ctx context.Context, self string, from, to int) (n int, err error) {
	for n = from; n < to; n++ {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		ended, err := k.killOneChild(ctx, self)
		if err != nil {
			return n, err
		}
		if err := k.check(); err != nil {
			return n, err
		}
		if ended { // the child process had nothing left to do and exited before the kill
			return n, nil
		}
	}
	return n, nil
}

// killOneChild starts a child process, reads some lines of its output, and kills it. The result ended is true if the
// child process exited before the kill.
func (k *killFolder) killOneChild(ctx context.Context, self string) (ended bool, err error) {
	c := exec.CommandContext(ctx, self, childArgument, k.dir)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := c.Start(); err != nil {
		return false, err
	}
	lines := bufio.NewScanner(out)
	for range rand.IntN(killLines) {
		if !lines.Scan() {
			break
		}
		k.recordLine(lines.Text())
	}
	// Wait for a random time, so that the kill may interrupt a transaction.
	time.Sleep(time.Duration(rand.IntN(5000)) * time.Microsecond)
	killErr := c.Process.Kill()
	for lines.Scan() { // read the lines that the child process has written before the kill
		k.recordLine(lines.Text())
	}
	err = c.Wait()
	if errors.Is(killErr, os.ErrProcessDone) || c.ProcessState.Exited() {
		return err == nil, err
	}
	return false, nil
}

// recordLine stores one line of output of a child process: an acknowledgement, a change, or the id of an object that
// a service has created.
func (k *killFolder) recordLine(line string) {
	var m policy.MachineID
	var seq uint64
	var n int64
	if _, err := fmt.Sscanf(line, "ack %s %d", &m, &seq); err == nil {
		k.acked[m] = max(k.acked[m], seq)
	} else if _, err := fmt.Sscanf(line, "change %d", &n); err == nil {
		k.changed = max(k.changed, n)
	} else if kind, id, ok := strings.Cut(strings.TrimPrefix(line, "did "), " "); ok {
		if k.did[kind] == nil {
			k.did[kind] = map[string]bool{}
		}
		k.did[kind][id] = true
	}
}

// check verifies the data that the killed child processes have stored.
func (k *killFolder) check() (err error) {
	keys, err := k.keys()
	if err != nil {
		return err
	}
	l, err := ledger.Open(k.path(), site, keys) // Open reads all pages of the database file
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for _, m := range k.machine {
		if err := k.checkMachine(l, m); err != nil {
			return fmt.Errorf("%s: %w", m, err)
		}
	}
	if err := k.checkStore(); err != nil {
		return err
	}
	left, right, err := changes(k.path())
	if err == nil && (left != right || left < k.changed) {
		err = fmt.Errorf(
			"change counters of the two tables are %d and %d, want equal counters of at least %d",
			left,
			right,
			k.changed,
		)
	}
	return err
}

// checkStore verifies the data that the hub's services have stored.
func (k *killFolder) checkStore() (err error) {
	db, err := store.Open(context.Background(), k.path())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return k.checkServices(context.Background(), db.Site(site))
}

// checkMachine verifies that the records of a machine are complete and in order, and that they match the root of the
// machine's tree.
func (k *killFolder) checkMachine(l *ledger.Ledger, m policy.MachineID) error {
	head, err := l.Head(m)
	if err != nil {
		return err
	}
	if head.Seq < k.acked[m] || head.Seq%killRecords != 0 {
		return fmt.Errorf("database has %d records, want at least the %d acknowledged ones, in complete batches of %d",
			head.Seq, k.acked[m], killRecords)
	}
	next := uint64(1)
	err = l.Records(context.Background(), ledger.Query{Machine: m}, func(e ledger.Entry) error {
		if e.Seq != next {
			return fmt.Errorf("record %d follows record %d, want consecutive numbers", e.Seq, next-1)
		}
		next++
		return nil
	})
	if err != nil || head.Seq == 0 {
		return err
	}
	if next != head.Seq+1 || head.Root != k.roots[m][head.Seq/killRecords-1] {
		return fmt.Errorf("database has %d records, but the journal's head names %d", next-1, head.Seq)
	}
	// The proof must cover all records that are stored.
	p, err := l.Prove(context.Background(), m, "", []uint64{1, head.Seq})
	if err != nil {
		return err
	}
	if p.Size != head.Seq {
		return fmt.Errorf("checkpoint covers %d records, but the journal's head names %d", p.Size, head.Seq)
	}
	return nil
}

// keys returns, for each machine, the verifier of its signatures.
func (k *killFolder) keys() (ledger.Keys, error) {
	out := ledger.Keys{}
	for m, text := range k.Keys {
		v, err := note.NewVerifier(text)
		if err != nil {
			return nil, err
		}
		out[m] = v
	}
	return out, nil
}

// changes returns the counters in the two additional tables; the counter of an empty table is 0.
func changes(path string) (left, right int64, err error) {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return 0, 0, err
	}
	err = db.QueryRow("SELECT coalesce((SELECT n FROM bench_left), 0), coalesce((SELECT n FROM bench_right), 0)").
		Scan(&left, &right)
	return left, right, errors.Join(err, db.Close())
}

// child stores batches and makes changes in the folder args[0] until the process is killed. The child process writes
// a line to out for each stored batch and each change.
func child(ctx context.Context, args []string, out, errs io.Writer) int {
	if err := work(ctx, args[0], out); err != nil {
		fmt.Fprintln(errs, "child:", err)
		return 1
	}
	return 0
}

// work stores batches; at the same time, a clerk changes the data of the services.
func work(ctx context.Context, dir string, out io.Writer) error {
	k := killFolder{dir: dir}
	b, err := os.ReadFile(filepath.Join(dir, "batches.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &k); err != nil {
		return err
	}
	keys, err := k.keys()
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, k.path())
	if err != nil {
		return err
	}
	defer db.Close()
	s := db.Site(site)
	c, err := newClerk(ctx, dir, s, k.Private, k.Public)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	failed := make(chan error, 1)
	go func() { failed <- c.work(ctx, out) }()
	err = k.takeBatches(ctx, s, keys, out)
	cancel()
	if err2 := <-failed; !errors.Is(err2, context.Canceled) {
		err = errors.Join(err, err2)
	}
	return err
}

// takeBatches stores all batches. After each round it changes the two additional tables.
func (k *killFolder) takeBatches(ctx context.Context, s *store.Site, keys ledger.Keys, out io.Writer) error {
	l := ledger.New(s, keys)
	for {
		// Find the next batch of each machine that is not stored yet.
		var some []ledger.Batch
		for m, batches := range k.Batches {
			head, err := l.Head(m)
			if err != nil {
				return err
			}
			if at := int(head.Seq / killRecords); at < len(batches) {
				some = append(some, ledger.Batch{Machine: m, Data: batches[at]})
			}
		}
		if len(some) == 0 {
			return nil
		}
		// Store the batches in transactions of random size, and report each acknowledgement to the parent process.
		for group := range slices.Chunk(some, 1+rand.IntN(len(some))) {
			for i, r := range l.TakeAll(group) {
				if r.Err != nil {
					return r.Err
				}
				fmt.Fprintf(out, "ack %s %d\n", group[i].Machine, r.Seq)
			}
		}
		if err := change(ctx, s, out); err != nil {
			return err
		}
	}
}

// change increments the counters of both tables in one transaction, and reports the new value to the parent process.
func change(ctx context.Context, s *store.Site, out io.Writer) error {
	var n int64
	err := s.Write(ctx, func(tx *store.Tx) error {
		err := tx.QueryRow(ctx, "INSERT INTO bench_left (site, n) VALUES ($1, 1) ON CONFLICT (site) DO UPDATE SET n = "+
			"bench_left.n + 1 RETURNING n").
			Scan(&n)
		if err != nil {
			return err
		}
		_, err = tx.Exec(
			ctx,
			"INSERT INTO bench_right (site, n) VALUES ($1, 1) ON CONFLICT (site) DO UPDATE SET n = bench_right.n + 1",
		)
		return err
	})
	if err == nil {
		_, err = fmt.Fprintf(out, "change %d\n", n)
	}
	return err
}
