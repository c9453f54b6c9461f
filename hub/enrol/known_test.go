package enrol

import (
	"crypto/x509"
	"errors"
	"testing"

	"portillon/hub/store"
)

// joinedCert enrols the machine laser and returns its certificate.
func (b *bench) joinedCert(t *testing.T, replace bool) *x509.Certificate {
	t.Helper()
	j := b.joiner(replace)
	answer, err := b.joins().join(t.Context(), j.ask(), j.channel)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(answer.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestCertificateCacheIsClearedAtEachChange(t *testing.T) {
	b := newBench(t)
	if _, err := b.Machines.Add(t.Context(), admin, "laser"); err != nil {
		t.Fatal(err)
	}
	counts := func(c *x509.Certificate) bool {
		t.Helper()
		id, _, err := b.certs().machineOf(t.Context(), c)
		if err != nil && !errors.Is(err, errNotMachine) {
			t.Fatal(err)
		}
		return id == "laser"
	}
	first := b.joinedCert(t, false)
	if !counts(first) {
		t.Fatal("the certificate of a machine that has joined does not count")
	}
	// Change the row directly, because no method disables a machine without clearing the cache.
	err := b.Machines.table.site.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE machine_certificate SET machine = 'other' WHERE site = $1`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !counts(first) {
		t.Error("the certificate was looked up again")
	}
	second := b.joinedCert(t, true)
	if counts(first) || !counts(second) {
		t.Error("after another computer joined: want its certificate to count, and no other")
	}
	m, err := b.Machines.Get(t.Context(), admin, "laser")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Machines.Revoke(t.Context(), admin, "laser", m.Version, "sold"); err != nil {
		t.Fatal(err)
	}
	if counts(second) {
		t.Error("the certificate of a revoked machine counts")
	}
}

func TestCertificateReadBeforeTheCacheIsClearedIsNotCached(t *testing.T) {
	var k knownCerts
	c, d := &x509.Certificate{Raw: []byte("c")}, &x509.Certificate{Raw: []byte("d")}
	_, _, before := k.find(c)
	k.clear() // Clear the cache, as a revocation does while the caller of find reads the database
	k.add(c, "laser", before)
	if _, known, _ := k.find(c); known {
		t.Error("what was read before a change is remembered after it")
	}
	_, _, now := k.find(c)
	k.add(c, "laser", now)
	if id, known, _ := k.find(c); !known || id != "laser" {
		t.Errorf("%q, %v, want laser", id, known)
	}
	if _, known, _ := k.find(d); known {
		t.Error("another certificate is known")
	}
}
