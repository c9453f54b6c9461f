package hub_test

import (
	"crypto/rand"
	"path/filepath"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/ledger/ledgertest"
	"portillon/hub/store"
	"portillon/policy"
)

// The keys in the database are valid like the keys in hub.yaml. The key of a revoked machine verifies only old records,
// even if hub.yaml still contains the machine.
func TestMachineKeysIncludeThoseOfTheDatabase(t *testing.T) {
	one, two := ledgertest.New(t, "biklab", "laser"), ledgertest.New(t, "biklab", "vinyl")
	c := configure(t, []*ledgertest.Machine{one, two})
	keys, err := c.MachineKeys(t.Context())
	if err != nil || len(keys) != 2 || keys.PublicInForce("laser") != c.Machines[0].Public {
		t.Fatalf("without a database: %v %v", keys, err)
	}
	db, err := store.Open(t.Context(), filepath.Join(c.Data, store.Name))
	if err != nil {
		t.Fatal(err)
	}
	add := func(id policy.MachineID, public string, until int64) {
		t.Helper()
		err := db.Site("biklab").Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(
				t.Context(),
				`INSERT INTO machine_key (site, machine, public, since, until) VALUES ($1, $2, $3, 1, $4)`,
				string(id),
				public,
				until,
			)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	public := func(name string) string {
		_, out, err := note.GenerateKey(rand.Reader, name)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	fdm, vinyl := public("portillon:machine:fdm.biklab"), public("portillon:machine:vinyl.biklab")
	add("fdm", fdm, 0)                                    // only the database contains the machine fdm
	add("fdm", public("portillon:machine:fdm.biklab"), 5) // key of the computer that fdm had before
	add("vinyl", vinyl, 9)                                // vinyl is revoked, but still in hub.yaml
	add("broken", "no key", 0)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	keys, err = c.MachineKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	force := keys.InForce()
	if len(keys.Of("fdm")) != 2 || force["fdm"] == nil || keys.PublicInForce("fdm") != fdm {
		t.Errorf("a machine of the database: %+v", keys.Of("fdm"))
	}
	if len(keys.Of("vinyl")) != 1 || force["vinyl"] != nil || keys.Of("vinyl")[0].Until.IsZero() {
		t.Errorf("a revoked machine of hub.yaml: %+v", keys.Of("vinyl"))
	}
	if len(force) != 2 || force["laser"] == nil {
		t.Errorf("in force: %v", force)
	}
	if _, err := c.TagOut("fdm", "worn belt", false, one.Now); err != nil {
		t.Errorf("a tag for a machine of the database: %v", err)
	}
	if _, err := c.TagOut("vinyl", "worn belt", false, one.Now); err == nil {
		t.Error("a tag for a revoked machine")
	}
	h, err := hub.New(c, hub.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	two.Fill(1)
	if _, err := h.Ledger().Take("vinyl", two.Data(1, 1)); err == nil {
		t.Error("the hub takes records of a machine that was revoked")
	}
}
