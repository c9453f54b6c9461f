package enrol

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"

	"portillon/policy"
)

// knownCerts is a cache of certificates that were verified and found in the database, with their machines. After a
// change of one member, each machine of a site sends two or three requests within a second. Without the cache, a
// signature check and a query for each request would cost more than the answers. Refusals are not cached.
type knownCerts struct {
	mu         sync.Mutex
	generation uint64 // how often the cache was cleared
	of         map[[sha256.Size]byte]policy.MachineID
}

// find returns the machine of a cached certificate. If the certificate is not cached, the caller passes generation to
// keep.
func (k *knownCerts) find(c *x509.Certificate) (id policy.MachineID, known bool, generation uint64) {
	sum := sha256.Sum256(c.Raw)
	k.mu.Lock()
	defer k.mu.Unlock()
	id, known = k.of[sum]
	return id, known, k.generation
}

// keep adds a certificate to the cache, unless the cache was cleared after find returned this generation.
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

// forget clears the cache. It is called after each commit that invalidates a machine's certificate, before the
// machine's connections are closed.
func (k *knownCerts) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.generation++
	clear(k.of)
}
