package ledgertest

import "golang.org/x/mod/sumdb/note"

// SignedBy returns a copy of the machine with another key, for example after enrolment.
func (m *Machine) SignedBy(s note.Signer, v note.Verifier, vkey string) *Machine {
	f := m.Fork(m.Len())
	f.signer, f.Key, f.VKey = s, v, vkey
	return f
}
