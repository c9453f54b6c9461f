package roster

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"portillon/openbadge"
	"portillon/wire"
)

// sampleVerdicts returns verdicts in which each field is set at least once.
func sampleVerdicts() []known {
	all := []verdict{
		{},
		{
			Valid:       true,
			ID:          "urn:uuid:1",
			Issuer:      "did:web:lab.example",
			Achievement: "https://lab.example/laser",
			From:        monday,
		},
		{
			Valid:       true,
			ID:          "https://lab.example/a/2",
			UID:         "2",
			Issuer:      "did:web:lab.example",
			Achievement: "https://lab.example/laser",
			From:        monday.Add(-time.Nanosecond),
			Until:       monday.AddDate(1, 0, 0),
			Subject:     "did:key:z6Mk",
			Hosted:      true,
			Identifiers: []openbadge.Identity{
				{Type: "emailAddress", Hash: "sha256$00", Hashed: true, Salt: "é"},
				{Type: "name", Hash: "Léa"},
			},
			Status: []openbadge.StatusEntry{
				{Type: openbadge.BitstringEntryType, List: "https://lab.example/status", Purpose: "revocation",
					Index: 131071, Size: 2},
				{Type: openbadge.RevocationList2Type, List: "https://lab.example/revoked"},
			},
		},
		{
			Valid: true,
			ID:    "old",
			From:  time.Date(-300, 1, 1, 0, 0, 0, 0, time.UTC),
			Until: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
		},
	}
	var out []known
	for i, v := range all {
		h, _ := parseHash(wire.Hash(fmt.Appendf(nil, "%d", i)))
		out = append(out, known{h, v})
	}
	return out
}

func TestVerdictsAreUnchangedAfterWritingAndReading(t *testing.T) {
	trust, _ := parseHash(wire.Hash([]byte("trust")))
	f, err := parseVerdicts(formatVerdicts(sampleVerdicts(), trust, "5"), trust, "5")
	if err != nil || f.size() != len(sampleVerdicts()) {
		t.Fatalf("%d verdicts, %v", f.size(), err)
	}
	for _, k := range sampleVerdicts() {
		i, found := f.find(k.hash)
		if got, ok := f.verdict(i); !found || !ok || !reflect.DeepEqual(got, k.verdict) {
			t.Errorf("read %+v, %v; wrote %+v", got, ok, k.verdict)
		}
	}
	if _, found := f.find(credentialHash{1}); found {
		t.Error("a credential without a verdict is found")
	}
}

func TestVerdictsOfOtherKeysOrRulesAreDiscarded(t *testing.T) {
	trust, _ := parseHash(wire.Hash([]byte("trust")))
	data := formatVerdicts(sampleVerdicts(), trust, "5")
	for name, f := range map[string]func() (verdictFile, error){
		"keys":  func() (verdictFile, error) { return parseVerdicts(data, credentialHash{}, "5") },
		"rules": func() (verdictFile, error) { return parseVerdicts(data, trust, "6") },
	} {
		if got, err := f(); err != nil || got.size() != 0 {
			t.Errorf("other %s: %d verdicts, %v", name, got.size(), err)
		}
	}
}

// The test damages each byte of the file in turn. A damaged byte must not change any verdict.
func TestDamagedVerdictFileYieldsNoVerdicts(t *testing.T) {
	trust, _ := parseHash(wire.Hash([]byte("trust")))
	good := formatVerdicts(sampleVerdicts(), trust, "5")
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		if f, err := parseVerdicts(bad, trust, "5"); err == nil && f.size() != 0 {
			t.Errorf("byte %d: %d verdicts", i, f.size())
		}
		if f, err := parseVerdicts(good[:i], trust, "5"); err == nil && f.size() != 0 {
			t.Errorf("cut at %d: %d verdicts", i, f.size())
		}
	}
}

// FuzzVerdicts reads files with a correct checksum, and decodes all verdicts in them.
func FuzzVerdicts(f *testing.F) {
	trust, _ := parseHash(wire.Hash([]byte("trust")))
	f.Add(formatVerdicts(sampleVerdicts(), trust, "5"))
	f.Add(formatVerdicts(nil, trust, "5"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if n := len(data) - 4; n >= 0 {
			data = binary.BigEndian.AppendUint32(bytes.Clone(data[:n]), crc32.Checksum(data[:n], castagnoli))
		}
		file, err := parseVerdicts(data, trust, "5")
		if err != nil {
			return
		}
		for i := range file.size() {
			h := credentialHash(file.hash(i))
			if place, ok := file.find(h); !ok || place != i {
				t.Fatalf("place %d is found at %d, %v", i, place, ok)
			}
			v, ok := file.verdict(i)
			if !ok {
				continue
			}
			again, err := parseVerdicts(formatVerdicts([]known{{h, v}}, trust, "5"), trust, "5")
			if got, ok := again.verdict(0); err != nil || !ok || !reflect.DeepEqual(got, v) {
				t.Fatalf("%+v is read again as %+v, %v", v, got, err)
			}
		}
	})
}

// A load of thousands of badges takes minutes on a small computer. It may be interrupted, so it must save verdicts from
// time to time.
func TestInterruptedLoadLosesFewVerdicts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "verdicts")
	m := readMemory(path, nil, "")
	hash := func(i int) credentialHash {
		h, _ := parseHash(wire.Hash(fmt.Appendf(nil, "%d", i)))
		return h
	}
	for i := range savedEvery + 10 {
		m.set(m.place(hash(i)), verdict{Valid: true, ID: fmt.Sprint(i)})
		if err := m.saveFresh(path); err != nil {
			t.Fatal(err)
		}
	}
	again := readMemory(path, nil, "")
	for i := range savedEvery {
		if v, ok := again.get(again.place(hash(i))); !ok || v.ID != fmt.Sprint(i) {
			t.Fatalf("verdict %d is %+v, %v", i, v, ok)
		}
	}
	if _, ok := again.get(again.place(hash(savedEvery + 5))); ok {
		t.Error("a verdict is remembered that was never written")
	}
}

// The previous release wrote the verdicts as JSON. After an upgrade no credential is verified again, and only the file
// of the new format remains.
func TestVerdictsOfThePreviousReleaseAreImported(t *testing.T) {
	b := newBench(t)
	b.load()
	path := filepath.Join(b.dir, "verdicts")
	old := map[string]any{"version": memoryVersion, "verdicts": map[string]verdict{}}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	trust := credentialHash(data[len(verdictMagic):])
	f, err := parseVerdicts(data, trust, memoryVersion)
	if err != nil {
		t.Fatal(err)
	}
	old["trust"] = fmt.Sprintf("%x", trust)
	for i := range f.size() {
		old["verdicts"].(map[string]verdict)[fmt.Sprintf("%x", f.hash(i))], _ = f.verdict(i)
	}
	text, err := json.Marshal(old)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".json", text, 0o600); err != nil {
		t.Fatal(err)
	}
	os.Remove(path)
	if r := b.load(); r.Verified != 0 || held(lookup(t, r, lea)) != "laser-user vinyl-first-steps" {
		t.Errorf("%d credentials were verified again; Léa holds %q", r.Verified, held(lookup(t, r, lea)))
	}
	if _, err := os.Stat(path + ".json"); !os.IsNotExist(err) {
		t.Errorf("the old file is still there: %v", err)
	}
	if r := b.load(); r.Verified != 0 {
		t.Errorf("at the second start %d credentials were verified again", r.Verified)
	}
}

func TestLoadStopsAtItsLimitOfUnverifiedCredentials(t *testing.T) {
	b := newBench(t)
	o := Options{CardKey: cardKey, Memory: filepath.Join(b.dir, "verdicts"), Now: monday, MaxUnverified: 19}
	if _, err := Load(b.store, b.m, o); err != ErrUnverified {
		t.Errorf("20 credentials with a bound of 19: %v", err)
	}
	o.MaxUnverified = 20
	if r, err := Load(b.store, b.m, o); err != nil || r.Verified != 20 {
		t.Errorf("20 credentials with a bound of 20: %v", err)
	}
	o.MaxUnverified = 1
	if _, err := Load(b.store, b.m, o); err != nil {
		t.Errorf("verdicts that are known count: %v", err)
	}
}
