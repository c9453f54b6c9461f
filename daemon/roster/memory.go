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

// verdict is what is remembered of a credential: that its proof holds under the trusted keys, and what it says.
// A credential that does not verify is remembered as the zero verdict, which counts for nothing.
type verdict struct {
	Valid       bool                    `json:"valid,omitempty"`
	ID          string                  `json:"id,omitempty"`
	UID         string                  `json:"uid,omitempty"` // another name by which it may be revoked (Open Badges 2.0)
	Issuer      string                  `json:"issuer,omitempty"`
	Achievement string                  `json:"achievement,omitempty"`
	From        time.Time               `json:"from,omitzero"`
	Until       time.Time               `json:"until,omitzero"`
	Subject     string                  `json:"subject,omitempty"`
	Identifiers []openbadge.Identity    `json:"identifiers,omitempty"`
	Hosted      bool                    `json:"hosted,omitempty"` // its issuer's address says so, and no signature
	Status      []openbadge.StatusEntry `json:"status,omitempty"` // where its status is read; empty: it has none
}

// memory is what is remembered of credentials: verdicts of the file, and those reached since. It is only as good as the
// disk: whoever can write the file can write the journal too.
type memory struct {
	trust  credentialHash // what the verdicts rest on: the issuers, their keys, the documents
	file   verdictFile
	used   []bool // by place: the verdicts of the file, then fresh; a verdict that no bundle uses is forgotten
	places map[credentialHash]int
	fresh  []entry
	put    int // verdicts that were reached since the file was read
	saved  int // how many of them are on the disk
}

// entry is a credential that the file has no verdict on.
type entry struct {
	known
	reached bool // there is a verdict now
}

// memoryVersion changes whenever verification does: verdicts of older rules are forgotten.
const memoryVersion = "5"

// remember reads the file. A file that is missing, damaged, or of other keys is an empty memory: all is verified again.
func remember(path string, trust []openbadge.Issuer, documents string) *memory {
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
		m.takeJSON(path + jsonSuffix)
		return m // whatever stands there instead is moved aside when the verdicts are written
	}
	if f, err := parseVerdicts(data, m.trust, memoryVersion); err == nil {
		m.file, m.used = f, make([]bool, f.size())
	}
	return m
}

// jsonSuffix is of the file of verdicts that programs before this one wrote: the same verdicts as one JSON object.
const jsonSuffix = ".json"

// takeJSON takes over the verdicts of the program before, so that an upgrade verifies nothing again.
func (m *memory) takeJSON(path string) {
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

// place is the place of a credential, which begins without a verdict.
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

// get is the verdict at a place; false: there is none yet. A damaged one counts for nothing.
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

// has reports whether there is a verdict at a place, and on which credential there is none.
func (m *memory) has(place int) (credentialHash, bool) {
	n := m.file.size()
	if place < n {
		return credentialHash{}, true
	}
	return m.fresh[place-n].hash, m.fresh[place-n].reached
}

// set keeps a verdict on a credential that the file has none on.
func (m *memory) set(place int, v verdict) {
	e := &m.fresh[place-m.file.size()]
	e.verdict, e.reached = v, true
	m.put++
}

// save writes the verdicts that this bundle used, where anything changed.
func (m *memory) save(path string) error {
	unused := slices.Contains(m.used, false)
	if path == "" || m.put == m.saved && !unused {
		return nil
	}
	return m.write(path, func(place int) bool { return m.used[place] })
}

// saveFresh writes what was reached since the last time, and forgets nothing: a load of thousands of badges that is
// interrupted goes on where it was.
func (m *memory) saveFresh(path string) error {
	if path == "" || m.put-m.saved < savedEvery {
		return nil
	}
	return m.write(path, func(int) bool { return true })
}

// savedEvery is how many verdicts an interrupted load loses at most: about 10 s of a Pi Zero (3 to 10 ms each).
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
	os.Remove(path + jsonSuffix) // the verdicts are in the new file
	return nil
}
