// Package ledgertest simulates a machine for tests of the hub: a journal in memory, batches with signed checkpoints,
// and functions to forge batches.
package ledgertest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/policy"
	"portillon/wire"
)

// Machine is a machine with a journal in memory. The first record has the time Start, and each further record is one
// second later than the record before.
type Machine struct {
	t     testing.TB
	Site  policy.SiteID
	ID    policy.MachineID
	Now   time.Time
	Clock wire.Clock
	// Generation is the generation of the journal. Generation is empty for the journal of an old machine that has no
	// generations.
	Generation wire.Generation
	Key        note.Verifier // verifies the signatures of the machine's checkpoints
	VKey       string        // Key as text
	signer     note.Signer
	leaves     []wire.Leafed
	hashes     []tlog.Hash
	size       []int64 // sizes[i] is the length of hashes after i records
}

// Start returns the time of the first record of each machine.
func Start() time.Time { return time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC) }

// New returns a machine with a new key.
func New(t testing.TB, site policy.SiteID, id policy.MachineID) *Machine {
	t.Helper()
	s, v, vkey := newKey(t, "portillon-"+string(id))
	return &Machine{t: t, Site: site, ID: id, Now: Start(), Clock: wire.ClockTrusted, Key: v, VKey: vkey, signer: s}
}

// NewKey returns a new key pair.
func NewKey(t testing.TB, name string) (note.Signer, note.Verifier) {
	t.Helper()
	s, v, _ := newKey(t, name)
	return s, v
}

// newKey returns a new signer, the signer's verifier, and the verifier as text.
func newKey(t testing.TB, name string) (note.Signer, note.Verifier, string) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return s, v, vkey
}

// Len returns the number of records.
func (m *Machine) Len() uint64 { return uint64(len(m.leaves)) }

// Append adds a record with the next sequence number to the journal. If body is nil, the record has no body.
func (m *Machine) Append(kind wire.Kind, session string, member policy.MemberID, body any) wire.Record {
	m.t.Helper()
	r := wire.Record{Site: m.Site, Machine: m.ID, Seq: m.Len() + 1, Boot: "b", Mono: int64(len(m.leaves)), Wall: m.Now,
		Clock: m.Clock, Kind: kind, Session: session, Member: member}
	m.Now = m.Now.Add(time.Second)
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			m.t.Fatal(err)
		}
		r.Body = b
	}
	m.AppendRecord(r)
	return r
}

// AppendRecord adds the record r to the journal without changing r.
func (m *Machine) AppendRecord(r wire.Record) {
	m.t.Helper()
	b, err := r.Canonical()
	if err != nil {
		m.t.Fatal(err)
	}
	leaf := wire.Leafed{Record: b}
	rand.Read(leaf.Salt[:])
	h, err := tlog.StoredHashesForRecordHash(int64(len(m.leaves)), wire.Leaf(leaf.Salt, b), m.hashReader())
	if err != nil {
		m.t.Fatal(err)
	}
	m.leaves, m.hashes = append(m.leaves, leaf), append(m.hashes, h...)
	m.size = append(m.size, int64(len(m.hashes)))
}

// Fill appends n records with arbitrary content.
func (m *Machine) Fill(n int) {
	m.t.Helper()
	for range n {
		m.Append(wire.Booted, "", "", wire.BootBody{Version: fmt.Sprint(m.Len())})
	}
}

// Replaced returns a copy of the machine with an empty journal of another generation, as after a change of the SD card.
func (m *Machine) Replaced(g wire.Generation) *Machine {
	f := m.Fork(0)
	f.Generation = g
	return f
}

// Fork returns a copy of the machine whose journal is cut after n records, as after the restore of a backup.
func (m *Machine) Fork(n uint64) *Machine {
	f := *m
	f.leaves, f.size = f.leaves[:n:n], f.size[:n:n]
	f.hashes = nil
	if n > 0 {
		f.hashes = m.hashes[:f.size[n-1]:f.size[n-1]]
	}
	return &f
}

// hashReader returns a reader of the hashes of the journal's tree.
func (m *Machine) hashReader() tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = m.hashes[x]
		}
		return out, nil
	})
}

// Root returns the root of the tree over the first n records.
func (m *Machine) Root(n uint64) tlog.Hash {
	m.t.Helper()
	h, err := tlog.TreeHash(int64(n), m.hashReader())
	if err != nil {
		m.t.Fatal(err)
	}
	return h
}

// Checkpoint returns the checkpoint c, signed with the machine's key.
func (m *Machine) Checkpoint(c wire.Checkpoint) string {
	m.t.Helper()
	b, err := wire.SignCheckpoint(c, m.signer)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(b)
}

// Batch returns the records from first to last with a signed checkpoint.
func (m *Machine) Batch(first, last uint64) wire.Batch {
	m.t.Helper()
	c := wire.Checkpoint{Origin: m.Generation.Origin(m.Site, m.ID), Size: last, Root: m.Root(last)}
	return wire.Batch{
		Records:    append([]wire.Leafed(nil), m.leaves[first-1:last]...),
		Checkpoint: m.Checkpoint(c),
		Generation: m.Generation,
	}
}

// Data returns the batch of the records from first to last, encoded as a machine publishes it.
func (m *Machine) Data(first, last uint64) []byte {
	m.t.Helper()
	return Encode(m.t, m.Batch(first, last))
}

// Encode returns a batch in the format in which a machine publishes a batch.
func Encode(t testing.TB, b wire.Batch) []byte {
	t.Helper()
	data, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
