package daemoncmd

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon"
	"portillon/daemon/control"
	"portillon/daemon/journal"
	"portillon/daemon/panel"
	"portillon/internal/testlog"
	"portillon/policy"
	"portillon/site"
	"portillon/wire"
)

// The test binary also serves as the guard's program, like portillond.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "guard" {
		os.Exit(guardMain(os.Args[2:]))
	}
	// Without this setting, the race detector delays the exit of a guard so long that the daemon kills the guard.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	os.Exit(m.Run())
}

// machineFolder is a machine of the example site: its keys, its bundle file, and two copies of its data folder, one
// from an earlier day and one from the time of the stop.
type machineFolder struct {
	dir    string
	config Config
	hub    note.Signer
	public string // the machine's public key, as in hub.yaml
	data   string // data folder of the killed machine, whose newest records are only in the write-ahead log
	early  string // data folder of an earlier day, before the tag
	length uint64 // number of records at the stop
}

const (
	inesCard = "04A224BA115E80" // card of a maintainer; the machine accepts it even while the machine is tagged out
	zoeCard  = "4400C81D93"     // card of a member without a badge; each tap of the card adds a record to the journal
)

func newMachineFolder(t *testing.T) *machineFolder {
	skipIfShort(t, "starts a daemon with its guard again and again")
	t.Helper()
	f := &machineFolder{dir: t.TempDir(), data: t.TempDir(), early: t.TempDir()}
	key := func(name string) (string, string) {
		s, v, err := note.GenerateKey(rand.Reader, name)
		if err != nil {
			t.Fatal(err)
		}
		return s, v
	}
	put := func(name string, b []byte) string {
		path := filepath.Join(f.dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	hub, hubKey := key("portillon-biklab")
	mach, public := key("laser.biklab")
	f.public = public
	f.hub, _ = note.NewSigner(hub)
	s, err := site.Read("../../../site-example")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	b, err := s.Build(
		site.Order{
			Version: 1,
			Issued:  now,
			Expires: now.AddDate(0, 1, 0),
			Signer:  f.hub,
			CardKey: bytes.Repeat([]byte{0x5a}, 32),
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	put("card.key", []byte(strings.Repeat("5a", 32)))
	put("machine.key", []byte(mach))
	put("hub.key", []byte(hub+"\n"))
	put("site.bundle", bundleOf(t, b))
	path := put("machine.yaml", fmt.Appendf(nil, `portillon: 1
site: biklab
machine: laser
data: data
control: %s
card-key: card.key
machine-key: machine.key
bundle: { key: %q, file: site.bundle }
reader: { kind: none }
relay: { pin: "sim:pin" }
panel: { listen: "127.0.0.1:0" }
mqtt: { broker: "tcp://127.0.0.1:9", hub-key: %q }
clock: trusted
`, filepath.Join(f.dir, "s"), hubKey, hubKey))
	if f.config, err = ReadConfig(path); err != nil {
		t.Fatal(err)
	}
	f.createHistory(t)
	return f
}

// createHistory runs the machine so that its journal contains records and a tag.
func (f *machineFolder) createHistory(t *testing.T) {
	t.Helper()
	refusedTaps := func(d *Daemon, n int) {
		for i := range n {
			if _, err := d.journal.Append(journal.Entry{Kind: wire.Refused, Member: "m-9d017e",
				Body: wire.RefusedBody{Reasons: []policy.Code{policy.NoBadge}}}); err != nil {
				t.Fatal(i, err)
			}
		}
	}
	f.run(t, f.config, func(d *Daemon) { refusedTaps(d, 20) })
	f.copy(t, f.config.Data, f.early)
	f.run(t, f.config, func(d *Daemon) {
		if r := d.machine.Do(t.Context(), control.Request{Do: "tag", Tag: "t1", Reason: "belt"}); !r.OK {
			t.Fatalf("%+v", r)
		}
		refusedTaps(d, 60)
	})
	f.run(t, f.config, func(d *Daemon) {
		refusedTaps(d, 5)
		f.length = d.journal.Len()
		root, err := d.journal.Root(f.length)
		if err != nil {
			t.Fatal(err)
		}
		ack, err := wire.SignAck(wire.Ack{Site: "biklab", Machine: "laser", Seq: f.length, Root: hex.EncodeToString(root[:]),
			Generation: d.journal.Generation()}, f.hub)
		if err != nil {
			t.Fatal(err)
		}
		d.local.storeAck(ack)
		if err := d.journal.SetCursor("hub", f.length); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(f.config.Data, "photos"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(f.config.Data, "photos", strings.Repeat("a", 64)+".jpg"), []byte("a photo"),
			0o600); err != nil {
			t.Fatal(err)
		}
		f.copy(t, f.config.Data, f.data)
	})
}

func (f *machineFolder) copy(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// run opens a daemon, runs it, calls do, and stops the daemon.
func (f *machineFolder) run(t *testing.T, c Config, do func(*Daemon)) {
	t.Helper()
	clk, err := newClock("trusted", "")
	if err != nil {
		t.Fatal(err)
	}
	pin, err := os.MkdirTemp("", "pin") // the guard of the previous run may still be using its pin
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(pin) })
	c.Relay.Pin = "sim:" + filepath.Join(pin, "pin")
	log := testlog.New(t)
	d, err := Open(t.Context(), c, clk, log)
	// If the previous run stopped while it started a guard, the guard's process holds the journal's lock until it
	// executes its own program. The guard is another process, so the test can only retry until the lock is free.
	for end := time.Now().Add(5 * time.Second); errors.Is(err, journal.ErrInUse) && time.Now().Before(end); {
		<-time.After(10 * time.Millisecond)
		d, err = Open(t.Context(), c, clk, log)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) && !errors.Is(err, errReopen) {
			t.Errorf("run: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	do(d)
}

// files returns all files of the data folder.
func (f *machineFolder) files(t *testing.T) (out []string) {
	t.Helper()
	chunks := 0
	err := filepath.WalkDir(f.data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(f.data, path)
		if strings.HasPrefix(name, "bundle/chunks/") {
			if chunks++; chunks > 1 { // one chunk of each kind is enough
				return nil
			}
		}
		out = append(out, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// copyOf copies the machine's folder for one start.
func (f *machineFolder) copyOf(t *testing.T) Config {
	t.Helper()
	c := f.config
	c.Data = filepath.Join(t.TempDir(), "data")
	f.copy(t, f.data, c.Data)
	sock, err := os.MkdirTemp("", "p") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sock) })
	c.Control = filepath.Join(sock, "s")
	return c
}

// The test damages each file in the data folder of a killed machine in six ways. At the next start, either a tap works
// and the tag is in force, or the panel, the check and the status report the reason and the command that helps.
func TestEachDamagedFileOfAMachineIsHarmlessOrReported(t *testing.T) {
	f := newMachineFolder(t)
	names := f.files(t)
	for _, must := range []string{"journal.db", "journal.db-wal", "journal.db-shm", "journal.db.lock", "acknowledged",
		"verdicts", "bundle/manifest", "photos/" + strings.Repeat("a", 64) + ".jpg"} {
		if !slices.Contains(names, must) {
			t.Fatalf("%s is not among %q", must, names)
		}
	}
	for _, name := range names {
		for how, damage := range damages {
			if !isTried(how) {
				continue
			}
			if how == "one byte changed" && len(read(t, filepath.Join(f.data, name))) == 0 {
				continue // this machine's data folder has no file of this kind
			}
			t.Run(name+"/"+how, func(t *testing.T) {
				t.Parallel()
				c := f.copyOf(t)
				older, _ := os.ReadFile(filepath.Join(f.early, name))
				if err := damage(filepath.Join(c.Data, name), older); err != nil {
					t.Fatal(err)
				}
				checked := c.checkJournal()
				f.run(t, c, func(d *Daemon) {
					f.checkResult(t, d, checked)
					if want := allowedFates(name, how); !slices.Contains(want, d.journalFate()) {
						t.Errorf("the journal is %s, want one of %q", d.journalFate(), want)
					}
				})
			})
		}
	}
}

// The possible results for a journal at a start.
const (
	asItWas  = "as it was"
	salvaged = "salvaged"
	anew     = "begun anew"
	remnant  = "salvaged, and begun anew" // the remaining records contradict the records that the hub acknowledged
)

// allowedFates returns the possible results for the journal if a file is damaged. If the machine was killed while
// SQLite copied pages from the log into the file, two results are possible.
func allowedFates(name, how string) []string {
	switch name + "/" + how {
	case "journal.db/one byte changed":
		return []string{salvaged}
	case "journal.db/cut short", "journal.db/older copy":
		return []string{anew, remnant}
	case "journal.db/zeroed", "journal.db/deleted", "journal.db/a folder in its place",
		"journal.db-wal/one byte changed", "journal.db-wal/cut short", "journal.db-wal/zeroed", "journal.db-wal/deleted",
		"journal.db-wal/a folder in its place", "journal.db-wal/older copy":
		return []string{anew}
	}
	return []string{asItWas}
}

// journalFate returns the result for the journal at this start.
func (d *Daemon) journalFate() string {
	switch {
	case d.local.renewal != nil && d.local.salvaged != nil:
		return remnant
	case d.local.renewal != nil:
		return anew
	case d.local.salvaged != nil:
		return salvaged
	}
	return asItWas
}

// The journal and its log from an earlier day are restored together, like a copy of a memory card. The stored
// acknowledgement of the hub reveals the older copy. The tags of that day remain in force, and a new journal begins.
// Without a stored acknowledgement, the hub reports the older copy once the machine is connected.
func TestOlderCopyOfTheJournalIsReplacedByANewOne(t *testing.T) {
	f := newMachineFolder(t)
	c := f.copyOf(t)
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(c.journalFile() + end); err != nil {
			t.Fatal(err)
		}
	}
	b := read(t, filepath.Join(f.early, "journal.db"))
	if err := os.WriteFile(c.journalFile(), b, 0o600); err != nil {
		t.Fatal(err)
	}
	var g wire.Generation
	for start := range 2 {
		f.run(t, c, func(d *Daemon) {
			f.checkResult(t, d, errors.New("checked"))
			if begun := d.local.renewal != nil; begun != (start == 0) || start > 0 && d.journal.Generation() != g {
				t.Errorf("start %d: began anew %t, generation %s, was %s", start, begun, d.journal.Generation(), g)
			}
			g = d.journal.Generation()
		})
	}
	if kept, err := filepath.Glob(c.journalFile() + ".damaged-*"); err != nil || len(kept) != 1 ||
		!bytes.Equal(read(t, kept[0])[:100], b[:100]) {
		t.Errorf("the older journal is not kept: %q, %v", kept, err)
	}
}

// The daemon does not move away a journal of another machine or of a later release, because somebody has copied the
// journal there by mistake or has installed an older release.
func TestJournalOfAnotherMachineIsNotMoved(t *testing.T) {
	f := newMachineFolder(t)
	for name, harm := range map[string]string{"another machine": "UPDATE journal SET origin = 'portillon/biklab/vinyl'",
		"a later release": "PRAGMA user_version = 99"} {
		c := f.copyOf(t)
		db, err := sql.Open("sqlite", c.journalFile())
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.Exec(harm)
		if err := errors.Join(err, db.Close()); err != nil {
			t.Fatal(err)
		}
		f.run(t, c, func(d *Daemon) {
			if d.broken == nil || d.panel.Current().Line != panel.JournalUnusable().Line ||
				!strings.Contains(d.answerOrDo(t, control.Request{Do: "status"}).Status.JournalDamage, "sudo mv ") {
				t.Errorf("%s: %v", name, d.broken)
			}
		})
		if kept, _ := filepath.Glob(c.journalFile() + ".damaged-*"); len(kept) > 0 {
			t.Errorf("%s: moved to %q", name, kept)
		}
	}
}

// A tag that is missing or unreadable in the facts is restored from the records at the next start. A record reports
// the restored tag.
func TestTagThatTheFactsLackIsRestoredFromTheRecordsOfTheJournal(t *testing.T) {
	f := newMachineFolder(t)
	for _, harm := range []string{"DELETE FROM facts WHERE key = 'tags'",
		"UPDATE facts SET value = X'7b' WHERE key = 'tags'", "DELETE FROM facts"} {
		t.Run(harm, func(t *testing.T) {
			c := f.copyOf(t)
			db, err := sql.Open("sqlite", c.journalFile())
			if err != nil {
				t.Fatal(err)
			}
			_, err = db.Exec(harm)
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
			for start := range 2 {
				f.run(t, c, func(d *Daemon) {
					s := d.answerOrDo(t, control.Request{Do: "status"}).Status
					if len(s.Tags) != 1 || s.Tags[0] != "t1 belt" {
						t.Errorf("start %d: tags %q", start, s.Tags)
					}
					faults := 0
					if err := d.journal.Walk(t.Context(), func(r wire.Record) {
						if r.Kind == wire.Faulted && strings.Contains(string(r.Body), `"what":"tags"`) {
							faults++
						}
					}, func() {}); err != nil || faults != 1 {
						t.Errorf("start %d: %d records say so, want 1 (%v)", start, faults, err)
					}
				})
			}
		})
	}
}

// checkResult checks that a start after the damage had one of the permitted results.
func (f *machineFolder) checkResult(t *testing.T, d *Daemon, checked error) {
	t.Helper()
	r := d.answerOrDo(t, control.Request{Do: "status"})
	if r.Status == nil {
		t.Fatalf("no status: %+v", r)
	}
	t.Logf("began anew %v, salvaged %v, tags %q, journal %d of %d, said %q", d.local.renewal != nil,
		d.local.salvaged != nil, r.Status.Tags, r.Status.Journal, f.length, r.Status.JournalDamage)
	if d.broken != nil {
		t.Fatalf("the machine stays off: %v", d.broken)
	}
	if begun := d.local.renewal != nil || d.older != nil; begun != (r.Status.NewJournal != "") {
		t.Errorf("the journal began anew: %t, and the status says %q", begun, r.Status.JournalDamage)
	}
	if r.Status.NewJournal != "" &&
		!strings.Contains(r.Status.JournalDamage, "portillon machine replace laser --hub hub.yaml") {
		t.Errorf("the status names no command: %q", r.Status.JournalDamage)
	}
	if d.local.salvaged != nil && checked == nil {
		t.Error("the check did not see what the start salvaged")
	}
	hangs := func(id string) bool {
		return slices.ContainsFunc(r.Status.Tags, func(x string) bool { return strings.HasPrefix(x, id) })
	}
	if !hangs("t1") && !hangs("journal-new") && !hangs(daemon.TagSalvaged) {
		t.Errorf("the tag is lost, and nothing stands in its place: %q, journal %d of %d", r.Status.Tags, d.journal.Len(),
			f.length)
	}
	if d.journal.Len() < f.length && r.Status.JournalDamage == "" && d.local.salvaged == nil {
		t.Errorf("the journal has %d records, had %d, and nobody says so", d.journal.Len(), f.length)
	}
	if v := d.panel.Current(); hangs("journal-new") && v.Note != panel.NewJournal() {
		t.Errorf("the panel does not say it: %+v", d.panel.Current())
	}
	if got := d.answerOrDo(t, control.Request{Do: "tap", Card: inesCard}); !got.OK ||
		!strings.Contains(got.FR, "aintenance") {
		t.Errorf("a maintainer's tap: %+v", got)
	}
	if _, err := d.journal.Verify(t.Context()); err != nil {
		t.Errorf("the journal that is in use does not verify: %v", err)
	}
}

func (d *Daemon) answerOrDo(t *testing.T, r control.Request) control.Reply {
	if d.broken != nil {
		return d.answer(t.Context(), r)
	}
	return d.machine.Do(t.Context(), r)
}
