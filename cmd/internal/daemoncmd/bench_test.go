package daemoncmd

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/sitetest"
	"portillon/daemon"
	"portillon/daemon/control"
	"portillon/daemon/journal"
	"portillon/daemon/panel"
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/site"
	"portillon/wire"
)

// stopwatch is a simulated relay that records the time of its last switch to on.
type stopwatch struct{ on time.Time }

func (s *stopwatch) Set(_ context.Context, r session.Relay) error {
	if r.On {
		s.on = time.Now()
	}
	return nil
}

func signer(b testing.TB, name string) (note.Signer, note.Verifier) {
	b.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		b.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		b.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		b.Fatal(err)
	}
	return s, v
}

// loadRoster reads, from a signed bundle, the roster of a site with the given number of members, 15 badges and 20
// machines.
func loadRoster(b testing.TB, members int) *roster.Roster {
	b.Helper()
	dir := b.TempDir()
	if err := sitetest.Make(dir, members, time.Now()); err != nil {
		b.Fatal(err)
	}
	s, err := site.Read(dir)
	if err != nil {
		b.Fatal(err)
	}
	key, v := signer(b, "hub")
	card := bytes.Repeat([]byte{7}, 32)
	built, err := s.Build(site.Order{Version: 1, Issued: time.Now(), Expires: time.Now().AddDate(1, 0, 0), Signer: key,
		CardKey: card})
	if err != nil {
		b.Fatal(err)
	}
	store := wire.Store{Dir: filepath.Join(dir, "store"), Site: "big", Keys: note.VerifierList(v)}
	m, err := store.Install(built.Signed, built.Chunk, nil)
	if err != nil {
		b.Fatal(err)
	}
	r, err := roster.Load(store, m, roster.Options{Machine: "laser", CardKey: card, Now: time.Now()})
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// BenchmarkTap measures the time from a tap to the relay's command, including the commit of the record. Each tap
// alternates with a bare INSERT and commit into the same kind of database on the same disk, so that changes in the
// disk's speed affect both measurements.
//
//	go test ./cmd/internal/daemoncmd -run '^$' -bench Tap
func BenchmarkTap(b *testing.B) {
	dir := b.TempDir()
	key, _ := signer(b, "laser")
	j, err := journal.Open(filepath.Join(dir, "journal.db"), journal.Options{Site: "big", Machine: "laser", Signer: key,
		Trusted: func() bool { return true }})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	relay, offset := &stopwatch{}, time.Duration(0)
	m := daemon.New(
		daemon.Config{
			Site:    "big",
			Machine: "laser",
			Now:     func() time.Time { return time.Now().Add(offset) },
			Trusted: func() bool { return true },
			NewID:   newID,
			Journal: diskJournal{j},
			Switch:  relay,
			Panel:   panel.New(panel.Config{}),
			Roster:  loadRoster(b, 1000),
		},
	)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { m.Run(ctx, time.Hour); close(done) }()
	defer func() { cancel(); <-done }()
	bare := bareDatabase(b, filepath.Join(dir, "bare.db"))

	var taps, inserts []time.Duration
	for i := 0; b.Loop(); i++ {
		card := sitetest.Card(i % 1000)
		start := time.Now()
		if rep := m.Do(ctx, control.Request{Do: "tap", Card: card}); !rep.OK {
			b.Fatalf("%+v", rep)
		}
		taps = append(taps, relay.on.Sub(start))
		m.Do(ctx, control.Request{Do: "stop"})
		start = time.Now()
		if _, err := bare.Exec(1, bytes.Repeat([]byte("x"), 300)); err != nil {
			b.Fatal(err)
		}
		inserts = append(inserts, time.Since(start))
	}
	slices.Sort(taps)
	slices.Sort(inserts)
	tap, insert := taps[len(taps)/2], inserts[len(inserts)/2]
	b.ReportMetric(float64(tap.Microseconds()), "µs-tap-median")
	b.ReportMetric(float64(insert.Microseconds()), "µs-bare-median")
	b.ReportMetric(float64(tap)/float64(insert), "x-bare")
}

func bareDatabase(b *testing.B, path string) *sql.Stmt {
	b.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	for _, q := range []string{"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
		"CREATE TABLE r (seq INTEGER PRIMARY KEY, kind INTEGER, body BLOB)"} {
		if _, err := db.Exec(q); err != nil {
			b.Fatal(err)
		}
	}
	s, err := db.Prepare("INSERT INTO r (kind, body) VALUES (?, ?)")
	if err != nil {
		b.Fatal(err)
	}
	return s
}
