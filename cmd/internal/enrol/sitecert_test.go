package enrol

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portillon/hub"
)

// authority is the private certificate authority of a site.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	a := authority{t: t}
	a.cert, a.key = a.sign(
		&x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a site's own"}, IsCA: true,
			BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign},
	)
	return a
}

func (a authority) sign(tmpl *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, by := tmpl, key
	if a.cert != nil {
		parent, by = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key.Public(), by)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c, key
}

// server writes a certificate for a name, and the certificate of the authority.
func (a authority) server(dir, name string) (c hub.JoinConfig) {
	a.t.Helper()
	cert, key := a.sign(&x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), DNSNames: []string{name},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	c.Cert, c.CertKey, c.Authority = filepath.Join(
		dir,
		"hub.pem",
	), filepath.Join(
		dir,
		"hub-cert.key",
	), filepath.Join(
		dir,
		"ca.pem",
	)
	for path, block := range map[string]*pem.Block{c.Cert: {Type: "CERTIFICATE", Bytes: cert.Raw},
		c.CertKey: {Type: "PRIVATE KEY", Bytes: private}, c.Authority: {Type: "CERTIFICATE", Bytes: a.cert.Raw}} {
		write(a.t, path, string(pem.EncodeToMemory(block)))
	}
	return c
}

// The hub has a certificate of the site's own authority. The hub's enrolment codes contain the hash of the site's
// authority. Machines pin the site's authority; they can join, fetch bundles, connect to the broker and renew their
// certificates. The hub's own authority still signs the machines' certificates. If machines would reject a new
// certificate, the hub does not start with it, and a running hub does not load it.
func TestMachinesJoinAHubWithTheSitesOwnCertificate(t *testing.T) {
	w := newWorld(t)
	_, before := w.enrolled(t, "machine-1") // enrol a machine that pins the hub's own authority
	w.stop()
	site := newAuthority(t)
	own := site.server(w.dir, "hub.test")
	w.config.Join.Cert, w.config.Join.CertKey, w.config.Join.Authority = own.Cert, own.CertKey, own.Authority
	w.start()
	e, c := w.enrolled(t, "laser")
	l := e.link(t, c, true)
	if _, err := l.Manifest(t.Context()); err != nil {
		t.Error("manifest: ", err)
	}
	if err := l.Renew(t.Context()); err != nil {
		t.Error("renewal: ", err)
	}
	if !e.mqtt(t, w, c).connect() {
		t.Error("the broker does not let the machine in")
	}
	old, err := before.HubLink(nil, time.Now, func() bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Manifest(t.Context()); err == nil {
		t.Error("a machine that pins the hub's own authority believes another one")
	}

	// The hub rejects a certificate of another authority or for another name, both while the hub runs and when the hub
	// starts.
	for name, bad := range map[string]hub.JoinConfig{"another name": site.server(t.TempDir(), "elsewhere.test"),
		"another authority": newAuthority(t).server(t.TempDir(), "hub.test")} {
		j := w.config
		j.Data = t.TempDir()
		j.Join.Listen, j.MQTT.Listen = "127.0.0.1:0", "127.0.0.1:0"
		j.Join.Cert, j.Join.CertKey = bad.Cert, bad.CertKey
		h, err := hub.New(j, hub.Options{})
		if err == nil {
			h.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "machines would refuse it") {
			t.Errorf("%s: %v", name, err)
		}
	}
	newAuthority(t).server(w.dir, "hub.test") // replace the certificate files of the running hub
	w.clock.add(2 * time.Minute)
	if _, err := e.link(t, c, true).Manifest(t.Context()); err != nil { // open a new connection
		t.Error("after a bad renewal of the files: ", err)
	}
}
