package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/policy"
	"portillon/wire"
)

// site is the id of the site that all benchmarks use.
const site policy.SiteID = "bench"

// machine is a simulated machine. Its journal is in memory, and it makes batches from the journal.
type machine struct {
	id     policy.MachineID
	signer note.Signer
	key    note.Verifier
	vkey   string      // key as text
	hashes []tlog.Hash // hashes of the journal's tree, as far as they are stored
	n      int64       // records so far
}

// newMachine returns a machine that has a new key and an empty journal.
func newMachine(id policy.MachineID) (*machine, error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "portillon-"+string(id))
	if err != nil {
		return nil, err
	}
	m := &machine{id: id, vkey: vkey}
	if m.signer, err = note.NewSigner(skey); err != nil {
		return nil, err
	}
	m.key, err = note.NewVerifier(vkey)
	return m, err
}

// ReadHashes implements tlog.HashReader.
func (m *machine) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = m.hashes[x]
	}
	return out, nil
}

// next returns the next record of the journal. The records describe sessions of many members, and have the same size
// as real records.
func (m *machine) next() wire.Record {
	n := m.n
	r := wire.Record{
		Site:    site,
		Machine: m.id,
		Seq:     uint64(n + 1),
		Boot:    "5f0c9a52-6c1e-4f0e-9a53-3d1f6a1f2b7d",
		Mono:    n * 1000,
		Wall:    time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute),
		Clock:   wire.ClockTrusted,
		Session: fmt.Sprintf("%016x", n/2),
		Member:  policy.MemberID(fmt.Sprintf("m-%06x", n/2*7919%10000)),
	}
	if n%2 == 0 {
		r.Kind = wire.SessionStart
		r.Body = json.RawMessage(`{"badges":["laser-autonome"],"grant":2,"role":"user"}`)
	} else {
		r.Kind = wire.SessionEnd
		r.Body = json.RawMessage(`{"cause":"card-removed","seconds":600}`)
	}
	return r
}

// batch returns a signed message with the next n records, as bytes and as a parsed value.
func (m *machine) batch(n int) ([]byte, wire.Batch, error) {
	var b wire.Batch
	for range n {
		// Append the leaf of the record to the tree.
		text, err := m.next().Canonical()
		if err != nil {
			return nil, b, err
		}
		l := wire.Leafed{Record: text}
		rand.Read(l.Salt[:]) // never fails (crypto/rand)
		h, err := tlog.StoredHashesForRecordHash(m.n, wire.Leaf(l.Salt, text), m)
		if err != nil {
			return nil, b, err
		}
		m.hashes, m.n, b.Records = append(m.hashes, h...), m.n+1, append(b.Records, l)
	}
	// Sign the checkpoint, which covers all records up to the last record of the batch.
	root, err := tlog.TreeHash(m.n, m)
	if err != nil {
		return nil, b, err
	}
	signed, err := wire.SignCheckpoint(
		wire.Checkpoint{Origin: wire.Origin(site, m.id), Size: uint64(m.n), Root: root},
		m.signer,
	)
	if err != nil {
		return nil, b, err
	}
	b.Checkpoint = string(signed)
	data, err := json.Marshal(b)
	return data, b, err
}
