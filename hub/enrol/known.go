package enrol

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"

	"portillon/policy"
)

// knownCerts remembers whose certificates were verified and found in the database. After a change of one member each
// machine of a site asks two or three times within a second: a signature and a query each time would cost more than
// the answers. Refusals are not remembered.
type knownCerts struct {
	mu         sync.Mutex
	generation uint64 // how often it was forgotten
	of         map[[sha256.Size]byte]policy.MachineID
}

// find gives the machine of a certificate, or the generation that keep wants.
func (k *knownCerts) find(c *x509.Certificate) (id policy.MachineID, known bool, generation uint64) {
	sum := sha256.Sum256(c.Raw)
	k.mu.Lock()
	defer k.mu.Unlock()
	id, known = k.of[sum]
	return id, known, k.generation
}

// keep remembers a certificate, unless something was changed since find.
func (k *knownCerts) keep(c *x509.Certificate, id policy.MachineID, generation uint64) {
	sum := sha256.Sum256(c.Raw)
	k.mu.Lock()
	defer k.mu.Unlock()
	if generation != k.generation {
		return
	}
	if k.of == nil {
		k.of = map[[sha256.Size]byte]policy.MachineID{}
	}
	k.of[sum] = id
}

// forget forgets all. It is called after each commit that takes a certificate from a machine, and before the machine's
// connections are cut.
func (k *knownCerts) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.generation++
	clear(k.of)
}
