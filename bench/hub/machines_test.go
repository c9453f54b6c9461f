package main

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"portillon/wire"
)

// Each change must come into force on all machines, and all machines must reconnect after the hub was killed. This
// test checks no time limits.
func TestChangesReachAllMachinesAndAllReconnect(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts a hub and its machines")
	}
	var said strings.Builder
	o := options{machines: 8, members: 40, rounds: 1, quick: true, dir: t.TempDir(), log: io.Discard,
		out: func(row ...any) { said.WriteString(row[0].(string) + "\n") }}
	err := machines(t.Context(), o)
	for _, row := range []string{"all connected", "card", "badge", "policy", "bare HTTPS server", "all 8 back"} {
		if !strings.Contains(said.String(), row) {
			t.Errorf("no row %q: %v\n%s", row, err, said.String())
		}
	}
	if err != nil && strings.Contains(err.Error(), "bytes came to a machine") {
		t.Error(err)
	}
}

func TestUnsignedManifestIsRefusedByAllMachines(t *testing.T) {
	f := newFleet(&simHub{keys: nil})
	private, public, err := hubKey()
	if err != nil {
		t.Fatal(err)
	}
	signer, key, err := keyPair(private, public)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := wire.SignManifest(wire.Manifest{Site: site, Version: 1,
		Chunks: []wire.Chunk{{Name: wire.PolicyChunk, SHA256: wire.Hash(nil)}}}, signer)
	if err != nil {
		t.Fatal(err)
	}
	f.hub.keys = key
	if m, err := f.open(signed); err != nil || m.Version != 1 {
		t.Fatal(m, err)
	}
	if _, err := f.open(bytes.Replace(signed, []byte(`"version":1`), []byte(`"version":2`), 1)); err == nil {
		t.Error("a manifest with another version was believed")
	}
}
