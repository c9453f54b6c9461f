package hub

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"portillon/wire"
)

// siteCert is the site's own certificate for the machines' listener and the broker. siteCert replaces a certificate
// signed by the hub's authority. Machines pin the authority that signed the site's certificate, and verify the hub's
// name; enrolment codes contain that authority. The hub reads changed files again, so that a renewal needs no restart
// of the hub.
type siteCert struct {
	cert, key string // paths of PEM files
	name      string // host name for which the certificate must be valid
	ca        *x509.Certificate
	now       func() time.Time
	log       func(msg string, args ...any)

	mu     sync.Mutex
	pair   *tls.Certificate
	stamp  string // modification times of the files from which pair was read
	looked time.Time
}

// certEvery is the shortest time between two checks whether the files have changed. The hub checks the files when a
// machine connects.
const certEvery = time.Minute

// openSiteCert reads the certificate's files. openSiteCert returns an error for a certificate that machines would
// reject.
func openSiteCert(c JoinConfig, now func() time.Time, log func(string, ...any)) (*siteCert, error) {
	text, err := os.ReadFile(c.Authority)
	if err != nil {
		return nil, fmt.Errorf("machines-authority: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("machines-authority: %s contains no certificate, want one in PEM format", c.Authority)
	}
	s := &siteCert{cert: c.Cert, key: c.CertKey, name: c.Name, now: now, log: log}
	if s.ca, err = x509.ParseCertificate(block.Bytes); err != nil {
		return nil, fmt.Errorf("machines-authority: %s: %w", c.Authority, err)
	}
	if !s.ca.IsCA {
		return nil, fmt.Errorf("machines-authority: %s is not the certificate of an authority", c.Authority)
	}
	if s.pair, err = s.read(); err != nil {
		return nil, err
	}
	s.stamp = s.stampOf()
	return s, nil
}

// read reads the certificate, and verifies the certificate as a machine with a trusted clock does.
func (s *siteCert) read() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(s.cert, s.key)
	if err != nil {
		return nil, fmt.Errorf("machines-cert: %w", err)
	}
	var chain []*x509.Certificate
	for _, der := range pair.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("machines-cert: %s: %w", s.cert, err)
		}
		chain = append(chain, c)
	}
	if err := wire.VerifyHub(chain, s.ca, s.name, s.now(), true); err != nil {
		return nil, fmt.Errorf(
			"machines-cert: %s: machines would refuse it: %w; want a certificate for %q (name:) that machines-authority "+
				"signed, "+
				"followed by those between",
			s.cert,
			err,
			s.name,
		)
	}
	return &pair, nil
}

// fileStampOf returns the modification times of the certificate and its key as a text. The hub reads both files again
// when this text changes.
func (s *siteCert) stampOf() (out string) {
	for _, path := range []string{s.cert, s.key} {
		if fi, err := os.Stat(path); err == nil {
			out += fmt.Sprintf("%d %d ", fi.Size(), fi.ModTime().UnixNano())
		}
	}
	return out
}

// get implements tls.Config.GetCertificate. If machines would reject a changed certificate, get logs the reason and
// continues to use the old certificate.
func (s *siteCert) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now(); now.Sub(s.looked).Abs() >= certEvery {
		s.looked = now
		if stamp := s.stampOf(); stamp != s.stamp {
			s.stamp = stamp
			if pair, err := s.read(); err == nil {
				s.pair = pair
			} else {
				s.log("certificate for machines not renewed", "err", err)
			}
		}
	}
	if s.pair == nil {
		return nil, errors.New("the hub has no valid certificate for machines")
	}
	return s.pair, nil
}

// machinesCA returns the certificate of the authority that machines pin, in DER.
func (en *enrolments) machinesCA() []byte {
	if s := en.siteCert; s != nil {
		return s.ca.Raw
	}
	return en.authority.Certificate()
}

// machinesCert returns a function that returns the certificate for machines.
func (en *enrolments) machinesCert() func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s := en.siteCert; s != nil {
		return s.get
	}
	return en.authority.Server(en.core.c.Join.Name)
}
