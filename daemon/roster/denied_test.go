package roster

import (
	"encoding/json"
	"strings"
	"testing"

	"portillon/site"
	"portillon/wire"
)

// editRoster modifies the roster's chunks as generic JSON, because a newer hub may write fields that this program does
// not know.
func editRoster(t *testing.T, built *site.Built, change func(member map[string]any)) {
	t.Helper()
	for i, c := range built.Manifest.Chunks {
		if !strings.HasPrefix(c.Name, "roster/") {
			continue
		}
		var bucket map[string][]map[string]any
		if err := json.Unmarshal(built.Chunks[c.SHA256], &bucket); err != nil {
			t.Fatal(err)
		}
		for _, m := range bucket["members"] {
			change(m)
		}
		data, err := wire.EncodeChunk(bucket)
		if err != nil {
			t.Fatal(err)
		}
		built.Chunks[wire.Hash(data)] = data
		built.Manifest.Chunks[i] = wire.Chunk{Name: c.Name, SHA256: wire.Hash(data), Size: int64(len(data))}
	}
}

func TestUnknownCriticalFieldOfAMemberDeniesOnlyThatMember(t *testing.T) {
	b := newBench(t)
	b.install(2, func(built *site.Built) {
		editRoster(t, built, func(m map[string]any) {
			m["novel"] = "2027-01-01"
			if m["id"] == "m-020dc2" {
				m["critical"] = []string{"cards", "novel"}
			}
		})
	})
	r := b.load()
	if len(r.Denied) != 1 || r.Denied[0].Member != "m-020dc2" ||
		!strings.Contains(r.Denied[0].Why.Error(), `requires the field "novel"`) {
		t.Errorf("denied: %v", r.Denied)
	}
	for p := range r.Everyone() {
		if denied := p.Member.ID == "m-020dc2"; p.Member.Blocked != denied {
			t.Errorf("%s is blocked: %t", p.Member.ID, p.Member.Blocked)
		}
	}
	if r.Size() != 13 || held(lookup(t, r, malik)) != "laser-user" {
		t.Errorf("%d members; Malik holds %q", r.Size(), held(lookup(t, r, malik)))
	}
}
