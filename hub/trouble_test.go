package hub_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/ledger/ledgertest"
	"portillon/wire"
)

// troubleHub is a complete hub with a machine. The hub's database is on a separate disk.
type troubleHub struct {
	*runningHub
	*browser
	machine *ledgertest.Machine
	client  *client
	disk    string // folder of the hub's database, on the separate disk
	orders  *wire.Commands
}

func newTroubled(t *testing.T) *troubleHub {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	h := &troubleHub{machine: ledgertest.New(t, "biklab", "laser"), disk: t.TempDir()}
	if err := syscall.Mount("tmpfs", h.disk, "tmpfs", 0, "size=24m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(h.disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	h.machine.Fill(6)
	h.runningHub = run(t, configure(t, []*ledgertest.Machine{h.machine}, func(c *hub.Config) {
		c.Web.Listen, c.Join.CardKey = "127.0.0.1:0", filepath.Join(t.TempDir(), "card.key")
		write(t, c.Join.CardKey, strings.Repeat("5a", 32)+"\n")
		if err := os.MkdirAll(c.Data, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(h.disk, "portillon.db"), "")
		if err := os.Symlink(filepath.Join(h.disk, "portillon.db"), c.Database()); err != nil {
			t.Fatal(err)
		}
	}))
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h.browser = &browser{t, h.WebURL(), &http.Client{Jar: jar, CheckRedirect: func(*http.Request,
		[]*http.Request) error {
		return http.ErrUseLastResponse
	}}}
	h.setUpSite(h.runningHub)
	eventually(t, func() bool { _, v := h.Manifest(); return v > 0 })
	<-h.Hearing()
	h.client = dial(t, h.Broker())
	h.client.subscribe(h.client.topics.Ack("laser"))
	h.client.awaitAck(h.runningHub, h.machine, 0)
	h.orders = &wire.Commands{Site: "biklab", Machine: "laser", Keys: note.VerifierList(h.key)}
	return h
}

// execSQL runs an SQL statement directly on the hub's database file.
func (h *troubleHub) execSQL(t *testing.T, statement string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(h.disk, "portillon.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement, args...); err != nil {
		t.Fatal(err)
	}
}

// fillDisk fills the disk until no free space is left.
func (h *troubleHub) fillDisk(t *testing.T) (end func()) {
	t.Helper()
	path := filepath.Join(h.disk, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// lockDatabase locks the database for writing, until end is called.
func (h *troubleHub) lockDatabase(t *testing.T) (end func()) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(h.disk, "portillon.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	c, err := db.Conn(context.Background())
	if err == nil {
		_, err = c.ExecContext(context.Background(), "BEGIN IMMEDIATE")
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() { c.Close(); db.Close() }
}

// corruptTable overwrites the first page of the table of journals.
func (h *troubleHub) corruptTable(t *testing.T) (end func()) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(h.disk, "portillon.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var page []byte
	const root = "(SELECT rootpage FROM sqlite_schema WHERE name = 'ledger_journals')"
	if err := db.QueryRow("SELECT data FROM sqlite_dbpage WHERE pgno = " + root).Scan(&page); err != nil {
		t.Fatal(err)
	}
	h.execSQL(t, "UPDATE sqlite_dbpage SET data = $1 WHERE pgno = "+root, bytes.Repeat([]byte{0xa5}, len(page)))
	return func() {
		var number int
		// The schema stays intact, and only the first page of this table is damaged.
		if err := reopen(t, h,
			func(db *sql.DB) error {
				return db.QueryRow("SELECT rootpage FROM sqlite_schema WHERE name = 'ledger_journals'").Scan(&number)
			}); err != nil {
			t.Error(err)
		}
		h.execSQL(t, "UPDATE sqlite_dbpage SET data = $1 WHERE pgno = $2", page, number)
	}
}

func reopen(t *testing.T, h *troubleHub, f func(*sql.DB) error) error {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(h.disk, "portillon.db"))
	if err != nil {
		return err
	}
	defer db.Close()
	return f(db)
}

// command sends a command through the hub, and the machine executes it.
func (h *troubleHub) command(t *testing.T) {
	t.Helper()
	c := dial(t, h.Broker())
	c.subscribe(c.topics.Command("laser"))
	done := make(chan outcome, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		r, err := h.Command(ctx, "laser", wire.Command{Do: "stop"})
		done <- outcome{r, err}
	}()
	msg := c.next()
	got, err := h.orders.Open(msg.Payload(), time.Now(), true)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(wire.Reply{ID: got.ID, OK: true})
	c.publish(c.topics.Reply("laser"), b)
	if r := <-done; r.err != nil || !r.reply.OK {
		t.Errorf("a command: %+v", r)
	}
}

// probe requests a page without being signed in, and returns the status and the body.
func (h *troubleHub) probe(path string) (int, string) {
	status, body := h.do("GET", path, "", nil)
	return status, string(body)
}

// If the database is full, slow or damaged, the hub only stops sending acknowledgements.
func TestHubWithAFullSlowOrDamagedDatabaseStopsOnlyAcknowledgements(t *testing.T) {
	for name, c := range map[string]struct {
		begin  func(*troubleHub, *testing.T) (end func())
		reason string
	}{
		"full":   {(*troubleHub).fillDisk, "disk is full"},
		"slow":   {(*troubleHub).lockDatabase, "database has not answered yet"},
		"broken": {(*troubleHub).corruptTable, "file is damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newTroubled(t)
			h.client.publish(h.client.topics.Records("laser"), h.machine.Data(1, 2))
			h.client.awaitAck(h.runningHub, h.machine, 2)
			if status, text := h.probe("/readyz"); status != 200 {
				t.Fatalf("before: %d %s", status, text)
			}
			end := c.begin(h, t)
			ended := false
			defer func() {
				if !ended {
					end()
				}
			}()
			h.client.publish(h.client.topics.Records("laser"), h.machine.Data(3, 4))
			eventually(t, func() bool { return h.DatabaseError() != nil })
			h.command(t)
			other := dial(t, h.Broker())
			other.subscribe(other.topics.Bundle()) // check that a machine that connects now receives the retained manifest
			if m := other.awaitMessage(other.topics.Bundle()); len(m.Payload()) == 0 {
				t.Error("no bundle is offered")
			}
			if status, _ := h.probe("/healthz"); status != 200 {
				t.Errorf("/healthz: %d", status)
			}
			if status, text := h.probe("/readyz"); status != 503 || !strings.Contains(text, "not ready: ") ||
				strings.Contains(text, h.disk) {
				t.Errorf("/readyz: %d %q", status, text)
			}
			if status, text := h.probe("/machines"); status != 200 || !strings.Contains(text, c.reason) {
				t.Errorf("an administrator is not told %q: %d", c.reason, status)
			}
			if name != "slow" { // in the case "slow", the sign-in would wait for the database lock
				stranger := &browser{t, h.base, &http.Client{CheckRedirect: h.c().CheckRedirect}}
				form := url.Values{"name": {"ada@lab.example"}, "password": {"a-long-and-odd-password"}}
				status, page := stranger.do("POST", "/sign-in", "application/x-www-form-urlencoded", []byte(form.Encode()))
				if status < 400 && name == "full" || status == 500 && len(page) < 200 {
					t.Errorf("a sign-in: %d %.300s", status, page)
				}
			}
			if held := h.Machines()[0].Held; held != 2 {
				t.Errorf("%d records count as held", held)
			}
			end()
			ended = true
			// Send the records again, as a machine does that has received no acknowledgement.
			h.client.publish(h.client.topics.Records("laser"), h.machine.Data(3, 4))
			eventually(t, func() bool { return h.Machines()[0].Held == 4 })
			h.client.awaitAck(h.runningHub, h.machine, 4)
			eventually(t, func() bool { status, _ := h.probe("/readyz"); return status == 200 })
			if _, text := h.probe("/machines"); strings.Contains(text, c.reason) {
				t.Error("the page still says so")
			}
		})
	}
}

func (h *troubleHub) c() *http.Client { return h.browser.c }
