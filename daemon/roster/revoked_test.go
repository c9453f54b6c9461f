package roster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portillon/openbadge"
	"portillon/wire"
)

// The files of earlier releases must remain valid, so the hash of a place must never change.
func TestHashOfARevokedBadgesPlaceNeverChanges(t *testing.T) {
	v := verdict{Issuer: "did:x:lab", ID: "urn:x:1", UID: "u-1"}
	e := openbadge.StatusEntry{
		Type:    openbadge.BitstringEntryType,
		List:    "https://lab.example/1",
		Purpose: "revocation",
		Index:   7,
	}
	place := `["did:x:lab","urn:x:1","u-1","BitstringStatusListEntry","https://lab.example/1","revocation",7]`
	if got, want := hashOfPlace(v, e), wire.Hash([]byte(place)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	seen := map[string]bool{hashOfPlace(v, e): true}
	for name, change := range map[string]func(*verdict, *openbadge.StatusEntry){
		"issuer":  func(v *verdict, _ *openbadge.StatusEntry) { v.Issuer = "x" },
		"id":      func(v *verdict, _ *openbadge.StatusEntry) { v.ID = "x" },
		"uid":     func(v *verdict, _ *openbadge.StatusEntry) { v.UID = "x" },
		"list":    func(_ *verdict, e *openbadge.StatusEntry) { e.List = "x" },
		"index":   func(_ *verdict, e *openbadge.StatusEntry) { e.Index = 8 },
		"purpose": func(_ *verdict, e *openbadge.StatusEntry) { e.Purpose = "x" },
	} {
		v2, e2 := v, e
		if change(&v2, &e2); seen[hashOfPlace(v2, e2)] {
			t.Errorf("another %s is the same place", name)
		}
		seen[hashOfPlace(v2, e2)] = true
	}
}

func TestRevokedBadgesSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revoked.json")
	v, e := verdict{Issuer: "i", ID: "1"}, openbadge.StatusEntry{List: "l", Index: 1}
	other := openbadge.StatusEntry{List: "l", Index: 2}
	r := readRevoked(path)
	if r.add(v, e); r.save(path) != nil {
		t.Fatal("not saved")
	}
	if r = readRevoked(path); !r.has(v, e) || r.has(v, other) {
		t.Error("the file does not hold what was seen")
	}
	r.add(v, other)
	if err := r.save(path); err != nil || !readRevoked(path).has(v, e) || !readRevoked(path).has(v, other) {
		t.Error("the first is forgotten with the second", err)
	}
	for name, text := range map[string]string{
		"cut":               `{"format":1,"revo`,
		"of another format": `{"format":2,"revoked":[]}`,
		"empty":             "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		r = readRevoked(path)
		err := r.save(path)
		if err == nil || !strings.Contains(err.Error(), "the list of revoked badges is lost") ||
			r.has(v, e) {
			t.Errorf("%s: %v", name, err)
		}
		if r.add(v, e); r.save(path) == nil || !readRevoked(path).has(v, e) || readRevoked(path).damaged != nil {
			t.Errorf("%s: the file is not written anew", name)
		}
	}
	os.Remove(path)
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if r = readRevoked(path); r.damaged == nil {
		t.Error("a folder is a file")
	}
	if r.add(v, e); r.save(path) == nil || !readRevoked(path).has(v, e) {
		t.Error("a folder in the file's place keeps it from being written")
	}
}

func TestMachineWithoutAPolicyKeyUsesOnlyTheStatusLists(t *testing.T) {
	var r *revokedBadges
	r.add(verdict{}, openbadge.StatusEntry{})
	if r.has(verdict{}, openbadge.StatusEntry{}) || r.save("/nowhere/x") != nil {
		t.Error("a machine without a policy key apart remembers revocations")
	}
	b := newBench(t)
	o := Options{CardKey: cardKey, Now: monday, Revoked: filepath.Join(b.dir, "revoked.json")}
	if _, err := Load(b.store, b.m, o); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(o.Revoked); err == nil {
		t.Error("it wrote them down")
	}
}

func FuzzRevoked(f *testing.F) {
	for _, s := range []string{`{"format":1,"revoked":["aa"]}`, `{"format":1}`, `[]`, ""} {
		f.Add([]byte(s))
	}
	path := filepath.Join(f.TempDir(), "revoked.json")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if r := readRevoked(path); r.seen == nil {
			t.Error("no map")
		}
	})
}
