package roster

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"portillon/openbadge"
	"portillon/wire"
)

// verdict is the cached result of verifying a credential: whether its proof is valid under the trusted keys, and its
// content. A credential that does not verify has the zero verdict, which grants nothing.
type verdict struct {
	Valid bool   `json:"valid,omitempty"`
	ID    string `json:"id,omitempty"`
	// Second identifier by which a badge in Open Badges 2.0 can be revoked.
	UID         string               `json:"uid,omitempty"`
	Issuer      string               `json:"issuer,omitempty"`
	Achievement string               `json:"achievement,omitempty"`
	From        time.Time            `json:"from,omitzero"`
	Until       time.Time            `json:"until,omitzero"`
	Subject     string               `json:"subject,omitempty"`
	Identifiers []openbadge.Identity `json:"identifiers,omitempty"`
	// True if the badge was verified by its issuer's web address, and not by a signature.
	Hosted bool `json:"hosted,omitempty"`
	// Entries of the badge in status lists; empty: it has none.
	Status []openbadge.StatusEntry `json:"status,omitempty"`
}

// memory is the cache of verdicts on credentials. It contains the verdicts that were read from the file, and the
// verdicts that were added since. The cache is as trustworthy as the disk, because a program that can write the file
// can also write the journal.
type memory struct {
	trust credentialHash // hash of the issuers, keys and documents on which the verdicts depend
	file  verdictFile
	// Used says for each place whether a bundle uses the verdict; the verdicts of the file come first, then those in
	// fresh.
	used   []bool
	places map[credentialHash]int
	fresh  []entry
	put    int // number of verdicts added since the file was read
	saved  int // number of added verdicts that are on the disk
}

// entry is a credential that has no verdict in the file.
type entry struct {
	known
	reached bool // true once the credential has a verdict
}

// If the rules of verification change, memoryVersion must change too, so that verdicts made under older rules are
// discarded.
const memoryVersion = "5"

// readMemory reads the file of verdicts. If the file is missing or damaged, or depends on other keys, the cache starts
// empty and all credentials are verified again.
func readMemory(path string, trust []openbadge.Issuer, documents string) *memory {
	var b strings.Builder
	b.WriteString(documents)
	for _, i := range trust {
		fmt.Fprintf(&b, "%q %q\n", i.ID, i.Keys)
	}
	m := &memory{places: map[credentialHash]int{}}
	m.trust, _ = parseHash(wire.Hash([]byte(b.String())))
	if path == "" {
		return m
	}
	data, err := os.ReadFile(path)
	if err != nil {
		m.importJSON(path + jsonSuffix)
		return m // if path is a folder or another kind of file, the next save moves it aside
	}
	if f, err := parseVerdicts(data, m.trust, memoryVersion); err == nil {
		m.file, m.used = f, make([]bool, f.size())
	}
	return m
}

// jsonSuffix is the suffix of the file of earlier releases, which contains the verdicts as one JSON object.
const jsonSuffix = ".json"

// importJSON imports the verdicts of an earlier release, so that no credential is verified again after an upgrade.
func (m *memory) importJSON(path string) {
	var old struct {
		Trust    string             `json:"trust"`
		Version  string             `json:"version"`
		Verdicts map[string]verdict `json:"verdicts"`
	}
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &old) != nil || old.Trust != hex.EncodeToString(m.trust[:]) ||
		old.Version != memoryVersion {
		return
	}
	for sha, v := range old.Verdicts {
		if h, ok := parseHash(sha); ok {
			m.set(m.place(h), v)
		}
	}
}

// place returns the place of a credential. If the credential is new, place adds it without a verdict.
func (m *memory) place(h credentialHash) int {
	if i, ok := m.file.find(h); ok {
		return i
	}
	if i, ok := m.places[h]; ok {
		return i
	}
	i := len(m.used)
	m.places[h], m.used = i, append(m.used, false)
	m.fresh = append(m.fresh, entry{known: known{hash: h}})
	return i
}

// get returns the verdict at a place, or false if the credential has no verdict yet. A damaged verdict grants nothing.
func (m *memory) get(place int) (verdict, bool) {
	m.used[place] = true
	if n := m.file.size(); place >= n {
		e := m.fresh[place-n]
		return e.verdict, e.reached
	}
	v, ok := m.file.verdict(place)
	if !ok {
		return verdict{}, true
	}
	return v, true
}

// has reports whether a place has a verdict. If a place has no verdict, has also returns the hash of the credential.
func (m *memory) has(place int) (credentialHash, bool) {
	n := m.file.size()
	if place < n {
		return credentialHash{}, true
	}
	return m.fresh[place-n].hash, m.fresh[place-n].reached
}

// set stores the verdict on a credential that has no verdict in the file.
func (m *memory) set(place int, v verdict) {
	e := &m.fresh[place-m.file.size()]
	e.verdict, e.reached = v, true
	m.put++
}

// save writes the verdicts that this bundle used, if any verdict changed.
func (m *memory) save(path string) error {
	unused := slices.Contains(m.used, false)
	if path == "" || m.put == m.saved && !unused {
		return nil
	}
	return m.write(path, func(place int) bool { return m.used[place] })
}

// saveFresh writes the verdicts added since the last save, and removes no verdict. If the load of thousands of badges
// is interrupted, the next load therefore continues where it stopped.
func (m *memory) saveFresh(path string) error {
	if path == "" || m.put-m.saved < savedEvery {
		return nil
	}
	return m.write(path, func(int) bool { return true })
}

// savedEvery is the number of new verdicts after which a load saves the verdicts. An interruption loses at most about
// 10 s of work on a Pi Zero, which takes 3 to 10 ms for each badge.
const savedEvery = 1000

func (m *memory) write(path string, keep func(place int) bool) error {
	var all []known
	n := m.file.size()
	for i := range n {
		if v, ok := m.file.verdict(i); ok && keep(i) {
			all = append(all, known{credentialHash(m.file.hash(i)), v})
		}
	}
	for i, e := range m.fresh {
		if e.reached && keep(n+i) {
			all = append(all, e.known)
		}
	}
	if err := wire.ClearPath(path); err != nil {
		return err
	}
	if err := wire.WriteFile(path, formatVerdicts(all, m.trust, memoryVersion), 0o600); err != nil {
		return err
	}
	m.saved = m.put
	os.Remove(path + jsonSuffix) // the file now contains these verdicts
	return nil
}
