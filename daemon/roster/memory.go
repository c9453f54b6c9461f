package roster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
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

// memory is the file of verdicts. It is only as good as the disk: whoever can write it can write the journal too.
type memory struct {
	Trust    string             `json:"trust"` // what the verdicts rest on: the issuers and their keys
	Version  string             `json:"version"`
	Verdicts map[string]verdict `json:"verdicts"` // by SHA-256 of the credential
	used     map[string]bool
	changed  bool
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
	fresh := &memory{Trust: wire.Hash([]byte(b.String())), Version: memoryVersion, Verdicts: map[string]verdict{}, used: map[string]bool{}}
	if path == "" {
		return fresh
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return fresh // whatever stands there instead is moved aside when the verdicts are written
	}
	old := memory{}
	if json.Unmarshal(data, &old) != nil || old.Trust != fresh.Trust || old.Version != fresh.Version || old.Verdicts == nil {
		return fresh
	}
	fresh.Verdicts = old.Verdicts
	return fresh
}

func (m *memory) get(sha string) (verdict, bool) {
	v, ok := m.Verdicts[sha]
	if ok {
		m.used[sha] = true
	}
	return v, ok
}

func (m *memory) put(sha string, v verdict) {
	m.Verdicts[sha], m.used[sha], m.changed = v, true, true
}

// save writes the verdicts that this bundle used, where anything changed.
func (m *memory) save(path string) error {
	for sha := range m.Verdicts {
		if !m.used[sha] {
			delete(m.Verdicts, sha)
			m.changed = true
		}
	}
	if path == "" || !m.changed {
		return nil
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(m); err != nil {
		return err
	}
	if err := wire.ClearPath(path); err != nil {
		return err
	}
	return wire.WriteFile(path, b.Bytes(), 0o600)
}
