package enrol

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"

	"portillon/policy"
	"portillon/wire"
)

const (
	// machineLife is the validity of a machine's certificate. The machine renews the certificate after two thirds of
	// this time.
	machineLife = 90 * 24 * time.Hour
	// serverLife is the validity of the hub's own certificate. Browsers reject certificates that are valid for more
	// than 398 days (CA/Browser Forum Baseline Requirements, section 6.3.2).
	serverLife = 390 * 24 * time.Hour
	// early is the duration by which the validity of a certificate begins before its creation, because the clocks of a
	// site differ.
	early = 24 * time.Hour

	caKeyFile, caFile = "authority.key", "authority.crt"
)

// caFrom and caUntil are the start and the end of the validity of the authority's certificate. caFrom and caUntil are
// constant, because the hub's clock may be wrong when the hub first starts.
var caFrom, caUntil = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2079, 12, 31, 0, 0, 0, 0, time.UTC)

// Authority signs the certificates of the hub and of the hub's machines. Many goroutines may call the methods of an
// Authority at the same time.
type Authority struct {
	site policy.SiteID
	cert *x509.Certificate
	key  crypto.Signer
	now  func() time.Time

	mu     sync.Mutex
	server map[string]*tls.Certificate // by name
}

// OpenAuthority reads the authority's key and certificate from a folder, or creates both if the folder contains
// neither.
func OpenAuthority(dir string, site policy.SiteID, now func() time.Time) (*Authority, error) {
	a := &Authority{site: site, now: now, server: map[string]*tls.Certificate{}}
	if now == nil {
		a.now = time.Now
	}
	if err := a.read(dir); errors.Is(err, fs.ErrNotExist) {
		if err := a.create(dir); err != nil {
			return nil, fmt.Errorf("certificate authority cannot be opened: %w", err)
		}
	} else if err != nil {
		return nil, fmt.Errorf("certificate authority cannot be opened: %w", err)
	}
	return a, nil
}

// read reads the authority's key and certificate. The error is fs.ErrNotExist if the certificate file does not exist.
func (a *Authority) read(dir string) error {
	certs, err := os.ReadFile(filepath.Join(dir, caFile))
	if err != nil {
		return err
	}
	keys, err := os.ReadFile(filepath.Join(dir, caKeyFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf(
			"certificate %s exists but its key %s is missing, restore the key from a backup; "+
				"with a new authority, every machine must be enrolled again",
			filepath.Join(dir, caFile),
			caKeyFile,
		) // an incomplete authority must not be replaced by a new authority
	} else if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(certs, keys)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok || !pair.Leaf.IsCA {
		return fmt.Errorf("%s contains no certificate of a certificate authority", filepath.Join(dir, caFile))
	}
	a.cert, a.key = pair.Leaf, signer
	return nil
}

// create creates the authority. The key is written first, because a certificate without its key would be useless.
func (a *Authority) create(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := newSerial()
	if err != nil {
		return err
	}
	t := &x509.Certificate{SerialNumber: serial, NotBefore: caFrom, NotAfter: caUntil, IsCA: true,
		Subject:  pkix.Name{CommonName: "Portillon " + string(a.site), Organization: []string{string(a.site)}},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, MaxPathLenZero: true}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	a.key = key
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.MkdirAll(dir, 0o700),
		wire.WriteFile(
			filepath.Join(dir, caKeyFile),
			pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
			0o600,
		),
		wire.WriteFile(filepath.Join(dir, caFile), a.PEM(), 0o600),
	)
}

// newSerial returns a random positive serial number of 127 bits, below the limit of 20 bytes (RFC 5280, section
// 4.1.2.2).
func newSerial() (*big.Int, error) {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b), nil
}

// Certificate returns the authority's own certificate in DER. Machines pin the certificate, and administrators may
// install it in browsers.
func (a *Authority) Certificate() []byte { return a.cert.Raw }

// PEM returns the authority's own certificate in PEM.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Pool returns a pool that contains only the authority's certificate.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// Server returns a function for tls.Config.GetCertificate that serves a certificate for name. The first call creates
// the certificate. A later call creates a new certificate if two thirds of the certificate's validity are over, or if
// the clock now shows a time before the certificate's creation.
func (a *Authority) Server(name string) func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		now := a.now()
		if c := a.server[name]; c != nil && now.After(c.Leaf.NotBefore) && now.Before(renewalTime(c.Leaf)) {
			return c, nil
		}
		c, err := a.newServerCert(name, now)
		if err != nil {
			return nil, err
		}
		a.server[name] = c
		return c, nil
	}
}

// renewalTime returns the time at which two thirds of a certificate's validity are over.
func renewalTime(c *x509.Certificate) time.Time {
	return c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) * 2 / 3)
}

// newServerCert creates a key and a certificate for the hub's name.
func (a *Authority) newServerCert(name string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-early), NotAfter: now.Add(serverLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	leaf, err := a.sign(t, key.Public())
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw, a.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// sign adds a serial number to a certificate, and signs the certificate with the authority's key.
func (a *Authority) sign(t *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	var err error
	if t.SerialNumber, err = newSerial(); err != nil {
		return nil, err
	}
	t.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, public, a.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// errTLSKey is the error for a public key of a type that machines do not use.
var errTLSKey = errors.New("tls_key is not a supported public key, want an ECDSA P-256 or Ed25519 key as PKIX DER")

// Machine signs a certificate for a machine's public key (PKIX DER). The error is errTLSKey if the key has a wrong
// type.
func (a *Authority) Machine(id policy.MachineID, public []byte, now time.Time) (*x509.Certificate, error) {
	key, err := x509.ParsePKIXPublicKey(public)
	if err != nil {
		return nil, errTLSKey
	}
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return nil, errTLSKey
		}
	case ed25519.PublicKey:
	default:
		return nil, errTLSKey
	}
	return a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: string(id), Organization: []string{string(a.site)}},
		NotBefore: now.Add(-early), NotAfter: now.Add(machineLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, key)
}

// isMachineCert reports whether this authority signed the certificate for a machine. The caller must check the dates
// and the revocation.
func (a *Authority) isMachineCert(c *x509.Certificate) bool {
	return !c.IsCA && len(c.ExtKeyUsage) == 1 && c.ExtKeyUsage[0] == x509.ExtKeyUsageClientAuth &&
		c.CheckSignatureFrom(a.cert) == nil
}
