package hub

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certFiles writes the files of an authority and of certificates that the authority signs.
type certFiles struct {
	t      *testing.T
	dir    string
	now    time.Time
	caKey  *ecdsa.PrivateKey
	ca     *x509.Certificate
	serial int64
}

func newCertFiles(t *testing.T) *certFiles {
	f := &certFiles{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)}
	f.caKey = f.key()
	der := f.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "site"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}, f.caKey, nil)
	f.pem("ca.pem", "CERTIFICATE", der)
	var err error
	if f.ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *certFiles) key() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	return k
}

// sign signs a certificate with the authority's key; parent nil: the certificate is self-signed.
func (f *certFiles) sign(c *x509.Certificate, k *ecdsa.PrivateKey, parent *x509.Certificate) []byte {
	f.serial++
	c.SerialNumber, c.NotBefore = big.NewInt(f.serial), f.now.Add(-time.Hour)
	if c.NotAfter.IsZero() {
		c.NotAfter = f.now.AddDate(1, 0, 0)
	}
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &k.PublicKey, f.caKey)
	if err != nil {
		f.t.Fatal(err)
	}
	return der
}

func (f *certFiles) pem(name, kind string, der []byte) {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(filepath.Join(f.dir, name), text, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// hub writes a certificate of the hub for a name, and returns the certificate in DER.
func (f *certFiles) hub(name string, until time.Time) []byte {
	k := f.key()
	der := f.sign(&x509.Certificate{DNSNames: []string{name}, NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, k, f.ca)
	private, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		f.t.Fatal(err)
	}
	f.pem("hub.pem", "CERTIFICATE", der)
	f.pem("hub.key", "PRIVATE KEY", private)
	return der
}

func (f *certFiles) config() JoinConfig {
	return JoinConfig{Name: "hub.lab", Cert: filepath.Join(f.dir, "hub.pem"), CertKey: filepath.Join(f.dir, "hub.key"),
		Authority: filepath.Join(f.dir, "ca.pem")}
}

func (f *certFiles) open() (*siteCert, error) {
	return openSiteCert(f.config(), func() time.Time { return f.now }, func(string, ...any) {})
}

func TestSitesCertificateThatMachinesWouldRefuseIsAnError(t *testing.T) {
	for _, x := range []struct {
		name   string
		change func(*certFiles)
		want   string // part of the expected error; empty: no error
	}{
		{"as it should be", func(*certFiles) {}, ""},
		{"no authority", func(f *certFiles) { os.Remove(f.config().Authority) }, "machines-authority: "},
		{"an authority that is no PEM", func(f *certFiles) { os.WriteFile(f.config().Authority, []byte("ca"), 0o600) },
			"contains no certificate, want one in PEM format"},
		{"a key in place of the authority", func(f *certFiles) { f.pem("ca.pem", "PRIVATE KEY", f.ca.Raw) },
			"contains no certificate, want one in PEM format"},
		{"a damaged authority", func(f *certFiles) { f.pem("ca.pem", "CERTIFICATE", f.ca.Raw[:40]) }, "machines-authority: "},
		{"an authority that signs nothing", func(f *certFiles) {
			f.pem("ca.pem", "CERTIFICATE", f.hub("hub.lab", time.Time{}))
		}, "is not the certificate of an authority"},
		{"no certificate", func(f *certFiles) { os.Remove(f.config().Cert) }, "machines-cert: "},
		{"another name", func(f *certFiles) { f.hub("other.lab", time.Time{}) }, `want a certificate for "hub.lab"`},
		{"an expired certificate", func(f *certFiles) { f.hub("hub.lab", f.now.Add(-time.Minute)) },
			"machines would refuse it"},
		{"another authority", func(f *certFiles) {
			other := newCertFiles(f.t)
			f.pem("ca.pem", "CERTIFICATE", other.ca.Raw)
		}, "machines would refuse it"},
	} {
		f := newCertFiles(t)
		f.hub("hub.lab", time.Time{})
		x.change(f)
		s, err := f.open()
		said := err != nil && x.want != "" && strings.Contains(err.Error(), x.want)
		if x.want == "" && (err != nil || s == nil) || x.want != "" && (!said || s != nil) {
			t.Errorf("%s: %v, want %q", x.name, err, x.want)
		}
	}
}

// A renewed certificate takes effect within a minute and without a restart. The hub does not use a certificate that
// machines would reject.
func TestRenewedSiteCertificateIsUsedWithinAMinute(t *testing.T) {
	f := newCertFiles(t)
	first := f.hub("hub.lab", time.Time{})
	s, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	complaints := 0
	s.log = func(string, ...any) { complaints++ }
	served := func(what string, want []byte, logged int) {
		t.Helper()
		got, err := s.get(nil)
		if err != nil || string(got.Certificate[0]) != string(want) || complaints != logged {
			t.Errorf("%s: %v, another certificate is served, or %d complaints, want %d", what, err, complaints, logged)
		}
	}
	served("at the start", first, 0)
	second := f.hub("hub.lab", time.Time{})
	f.now = f.now.Add(certEvery - time.Nanosecond)
	served("within certEvery", first, 0)
	f.now = f.now.Add(time.Nanosecond)
	served("after certEvery", second, 0)
	f.hub("other.lab", time.Time{})
	f.now = f.now.Add(certEvery)
	served("a file for another name", second, 1)
	f.now = f.now.Add(certEvery)
	served("the same file again", second, 1)
	f.now = f.now.Add(-time.Hour) // set the hub's clock back
	third := f.hub("hub.lab", time.Time{})
	served("a clock that was set back", third, 1)
	if _, err := (&siteCert{now: s.now, looked: f.now}).get(nil); err == nil {
		t.Error("no certificate at all is no error")
	}
}

func TestMachinesPinTheAuthorityOfTheSitesCertificate(t *testing.T) {
	f := newCertFiles(t)
	der := f.hub("hub.lab", time.Time{})
	s, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	en := &enrolments{siteCert: s}
	if got, err := en.machinesCert()(nil); err != nil || string(got.Certificate[0]) != string(der) {
		t.Errorf("the machines' listener shows another certificate, %v", err)
	}
	if string(en.machinesCA()) != string(f.ca.Raw) {
		t.Error("machines pin another authority than the site's")
	}
}
