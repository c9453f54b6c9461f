package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"portillon/daemon/journal"
	"portillon/wire"
)

// records opens the journal of a running daemon, verifies the journal's hash tree, and returns the records.
func records(t *testing.T, path string) []wire.Record {
	t.Helper()
	j, err := journal.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if _, err := j.Verify(t.Context()); err != nil {
		t.Fatalf("the journal does not verify: %v", err)
	}
	var out bytes.Buffer
	if err := j.Export(t.Context(), &out, 1); err != nil {
		t.Fatal(err)
	}
	var all []wire.Record
	for d := json.NewDecoder(&out); d.More(); {
		var l wire.Leafed
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		r, err := wire.ParseRecord(l.Record)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func kindsOf(all []wire.Record) []wire.Kind {
	var out []wire.Kind
	for _, r := range all {
		out = append(out, r.Kind)
	}
	return out
}
