package hub_test

import (
	"database/sql"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"portillon/dberror"
	"portillon/hub/ledger/ledgertest"
)

// rawDatabase runs an SQL statement directly on the hub's database file.
func rawDatabase(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

// inSeparateProcess runs the test in a separate process, and returns true in that process. The test needs a separate
// process, because the limit on file sizes would also stop the output of the test framework.
func inSeparateProcess(t *testing.T) bool {
	t.Helper()
	const mark = "PORTILLON_TEST_ALONE"
	if os.Getenv(mark) == t.Name() {
		return false
	}
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	c.Env = append(os.Environ(), mark+"="+t.Name())
	if out, err := c.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return true
}

// limitFiles simulates a full disk: no file of this process can grow until end is called.
func limitFiles(t *testing.T) (end func()) {
	t.Helper()
	// The broker writes files in the same process, so no hub with clients may run while the limit applies.
	signal.Ignore(syscall.SIGXFSZ) // otherwise the signal kills the process (setrlimit(2))
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	set := func(l syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
			t.Error(err)
		}
	}
	set(syscall.Rlimit{Cur: 1, Max: was.Max})
	return func() { set(was) }
}

// While the database accepts no records, the hub sends no acknowledgements, but it still handles states, the connection
// and commands. Once the database works, the hub accepts the machine's records.
func TestHubWithAFailingDatabaseStopsOnlyAcknowledgements(t *testing.T) {
	for name, c := range map[string]struct {
		begin func(t *testing.T, path string) (end func())
		kind  dberror.Kind
	}{
		"a statement that fails": {func(t *testing.T, path string) func() {
			rawDatabase(t, path, "CREATE TRIGGER full BEFORE UPDATE ON ledger_journals BEGIN SELECT RAISE(ABORT, 'x'); END")
			return func() { rawDatabase(t, path, "DROP TRIGGER full") }
		}, dberror.Other},
		"a broken table": {func(t *testing.T, path string) func() {
			rawDatabase(t, path, "ALTER TABLE ledger_journals RENAME TO gone")
			return func() { rawDatabase(t, path, "ALTER TABLE gone RENAME TO ledger_journals") }
		}, dberror.Other},
	} {
		t.Run(name, func(t *testing.T) {
			m := ledgertest.New(t, "biklab", "laser")
			m.Fill(3)
			o := run(t, configure(t, []*ledgertest.Machine{m}))
			<-o.Hearing()
			cl := dial(t, o.Broker())
			cl.subscribe(cl.topics.Ack("laser"))
			cl.awaitAck(o, m, 0)
			cl.publish(cl.topics.Records("laser"), m.Data(1, 2))
			cl.awaitAck(o, m, 2)
			end := c.begin(t, o.config.Database())
			ended := false
			defer func() {
				if !ended {
					end()
				}
			}()
			cl.publish(cl.topics.Records("laser"), m.Data(3, 3))
			eventually(t, func() bool { return o.DatabaseError() != nil })
			if k := dberror.KindOf(o.DatabaseError()); k != c.kind {
				t.Errorf("%v is of the kind %v, want %v", o.DatabaseError(), k, c.kind)
			}
			cl.publish(cl.topics.Availability("laser"), []byte("online")) // check that the hub is still connected to the broker
			eventually(t, func() bool { return o.Machines()[0].Online })
			if o.Machines()[0].Held != 2 {
				t.Error("a record counts as held")
			}
			end()
			ended = true
			cl.publish(cl.topics.Records("laser"), m.Data(3, 3)) // send the batch again, as a machine does
			cl.awaitAck(o, m, 3)
			if err := o.DatabaseError(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDatabaseErrorsNameTheFileAndTheFix(t *testing.T) {
	if inSeparateProcess(t) {
		return
	}
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(2)
	o := run(t, configure(t, []*ledgertest.Machine{m}))
	end := limitFiles(t)
	_, err := o.Ledger().Take("laser", m.Data(1, 2))
	end()
	if err == nil || !strings.Contains(err.Error(), o.config.Database()) {
		t.Errorf("%v does not name the database", err)
	}
	if _, err := o.Ledger().Take("laser", m.Data(1, 2)); err != nil {
		t.Errorf("after the disk has room again: %v", err)
	}
}

// eventually waits until the function is returns true, and fails the test after a timeout.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.After(patience); !is(); {
		select {
		case <-deadline:
			t.Fatal("it did not happen")
		case <-time.After(time.Millisecond):
		}
	}
}
