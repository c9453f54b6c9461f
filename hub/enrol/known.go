package enrol

import (
	"crypto/sha256"
	"crypto/x509"
	"sync"

	"portillon/policy"
)

// knownCerts is a cache of verified certificates and their machines. The cache is useful because each machine of a site
// sends two or three requests within a second after a change of one member. Without the cache, the signature check and
// the database query for each request would cost more than the response. Refused certificates are not cached.
type knownCerts struct {
	mu         sync.Mutex
	generation uint64 // number of times the cache was cleared
	of         map[[sha256.Size]byte]policy.MachineID
}

// find returns the machine of a cached certificate. For a certificate that is not cached, the caller checks the
// certificate and passes generation to add.
func (k *knownCerts) find(c *x509.Certificate) (id policy.MachineID, known bool, generation uint64) {
	sum := sha256.Sum256(c.Raw)
	k.mu.Lock()
	defer k.mu.Unlock()
	id, known = k.of[sum]
	return id, known, k.generation
}

// add adds a certificate to the cache. add does nothing if the cache was cleared after find returned this generation.
func (k *knownCerts) add(c *x509.Certificate, id policy.MachineID, generation uint64) {
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

// clear clears the cache. clear is called after each commit that invalidates a machine's certificate, before the
// machine's connections are closed.
func (k *knownCerts) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.generation++
	clear(k.of)
}
