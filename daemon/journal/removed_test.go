package journal

import (
	"path/filepath"
	"testing"

	"portillon/wire"
)

// A journal written before the facts existed must not let a replayed command add a tag again.
func TestRemovedTagsOfAnOlderJournalAreFoundInItsRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j := open(t, path, options(t))
	add := func(kind wire.Kind, id string, facts map[string][]byte) {
		t.Helper()
		if _, err := j.Append(Entry{Kind: kind, Body: wire.TagBody{Tag: id}, Facts: facts}); err != nil {
			t.Fatal(err)
		}
	}
	add(wire.Tagged, "t1", nil)
	add(wire.Untagged, "t1", nil)
	add(wire.Tagged, "t2", nil)
	want := func(ids ...string) {
		t.Helper()
		got, err := j.RemovedTags("removed/")
		if err != nil || len(got) != len(ids) {
			t.Fatalf("%v, %v, want %v", got, err, ids)
		}
		for _, id := range ids {
			if !got[id] {
				t.Errorf("%s is missing in %v", id, got)
			}
		}
	}
	want("t1")
	// From now on only the facts are read, and not the records.
	add(wire.Untagged, "t2", nil)
	want("t1")
	add(wire.Untagged, "t3", map[string][]byte{"removed/t3": []byte("1")})
	want("t1", "t3")
}
