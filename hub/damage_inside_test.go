package hub

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/ledger/ledgertest"
	"portillon/hub/store"
	"portillon/site"
	"portillon/wire"
)

// A hub that cannot read its database does not start, because the hub would treat the site as a new site.
func TestHubDoesNotStartIfATableIsMissing(t *testing.T) {
	if testing.Short() {
		t.Skip("opens twelve hubs")
	}
	for _, table := range []string{"account", "card_key", "hub_settings", "machine", "machine_key", "policies"} {
		c := newConfiguration(t)
		h, err := New(c, Options{Offline: true})
		if err != nil {
			t.Fatal(err)
		}
		err = h.Rows().Site("biklab").Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), "DROP TABLE "+table)
			return err
		})
		if err := errors.Join(err, h.Close()); err != nil {
			t.Fatal(err)
		}
		if h, err = New(c, Options{Offline: true}); err == nil {
			h.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "no such table: "+table) {
			t.Errorf("%s: %v", table, err)
		}
	}
}

// bundleHub returns a hub for a site of files, with the example's bundle in force.
func bundleHub(t *testing.T, text *bytes.Buffer) *Hub {
	t.Helper()
	c := newConfiguration(t)
	s := exampleSite(t)
	signer, err := c.Signer()
	if err != nil {
		t.Fatal(err)
	}
	key, err := c.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	issued := ledgertest.Start()
	built, err := s.Build(site.Order{Version: 1, Issued: issued, Expires: issued.AddDate(1, 0, 0), Signer: signer,
		CardKey: bytes.Repeat([]byte{1}, cardKeyBytes)})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := wire.WriteBundle(&out, built.Signed, built.Manifest, built.Chunk); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "site.bundle")
	if err := os.WriteFile(file, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	h := newParts(&core{c: Config{Site: "biklab", Bundle: BundleConfig{File: file, Key: key}},
		log: slog.New(slog.NewTextHandler(text, nil))})
	h.bundles.store = wire.Store{Dir: t.TempDir(), Site: "biklab", Keys: note.VerifierList(key)}
	if _, err := h.bundles.install(); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestDamagedChunkIsRepairedFromTheBundleFileAndLogged(t *testing.T) {
	var text bytes.Buffer
	h := bundleHub(t, &text)
	m, err := h.bundles.store.Current()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.bundles.repair(m); err != nil || text.Len() != 0 {
		t.Errorf("an undamaged bundle: %v\n%s", err, text.String())
	}
	policy, _ := m.Chunk(wire.PolicyChunk)
	files := 0
	err = filepath.WalkDir(h.bundles.store.Dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(path, policy.SHA256) {
			files++
			return os.WriteFile(path, []byte("damaged"), 0o600)
		}
		return err
	})
	if err != nil || files != 1 {
		t.Fatalf("%d files hold the policy, %v", files, err)
	}
	if err := h.bundles.repair(m); err != nil {
		t.Error(err)
	}
	if b, err := h.bundles.store.Chunk(m, wire.PolicyChunk); err != nil || wire.Hash(b) != policy.SHA256 {
		t.Errorf("the chunk is still damaged: %v", err)
	}
	if !strings.Contains(text.String(), "damaged chunks of the bundle were repaired") {
		t.Errorf("the repair is not logged:\n%s", text.String())
	}
}

// A tag record with a body of a later release, which this release cannot parse, is ignored.
func TestMalformedTagRecordsAreIgnored(t *testing.T) {
	h, laser, _ := laserHub(t)
	laser.Append(wire.Tagged, "", "m-ines", wire.TagBody{Tag: "t1", Reason: "belt"})
	laser.Append(wire.Tagged, "", "m-ines", map[string]any{"tag": "t2", "reason": 5})
	laser.Append(wire.Tagged, "", "m-ines", wire.TagBody{Tag: "t3"})
	if _, err := h.core.ledger.Take("laser", laser.Data(1, laser.Len())); err != nil {
		t.Fatal(err)
	}
	got, err := tagsOn(t.Context(), h.core.ledger, "laser")
	if err != nil || len(got) != 2 || got[0].Tag != "t1" || got[1].Tag != "t3" || got[1].Reason != "?" {
		t.Errorf("%+v, %v", got, err)
	}
}
