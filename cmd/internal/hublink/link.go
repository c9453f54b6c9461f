package hublink

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
	"portillon/wire"
)

// These constants are the names of the files in a Link's folder.
const (
	caFile      = "authority.crt" // certificate of the authority that signs the hub's certificate
	keyFile     = "machine.key"   // private key for the machine's certificate
	certFile    = "machine.crt"
	addressFile = "address" // host:port at which the hub was last found; without this file, the address in machine.yaml
)

// Config contains the parameters of a Link.
type Config struct {
	Dir     string // folder of the link's files
	Site    policy.SiteID
	Machine policy.MachineID
	Name    string         // name in the hub's certificate
	Address string         // host:port
	HubKey  note.Verifiers // public key that verifies the hub's answers about the time
	Signer  note.Signer    // machine's key, which signs renewals; nil: no renewals
	Now     func() time.Time
	Trusted func() bool
	Dial    Dial   // opens connections; nil: over the network
	Finder  Finder // searches for the hub; nil: no search
}

// Link is the machine's connection to its hub. All methods may be called concurrently.
type Link struct {
	c    Config
	ca   *x509.Certificate
	http *http.Client

	mu      sync.Mutex
	address string
	cert    *tls.Certificate // machine's certificate; nil: missing or unreadable
	renews  sync.Mutex       // held during a renewal, so that only one renewal runs at a time
}

// Open reads the files that the enrolment wrote, and returns the machine's connection to its hub.
func Open(c Config) (*Link, error) {
	l := &Link{c: c, address: c.Address}
	ca, err := os.ReadFile(filepath.Join(c.Dir, caFile))
	if err != nil {
		return nil, fmt.Errorf("hub: %w", err)
	}
	block, _ := pem.Decode(ca)
	if block == nil {
		return nil, fmt.Errorf("hub: file %s contains no certificate, want a PEM certificate", filepath.Join(c.Dir, caFile))
	}
	if l.ca, err = x509.ParseCertificate(block.Bytes); err != nil {
		return nil, fmt.Errorf("hub: file %s does not contain a valid certificate: %w", filepath.Join(c.Dir, caFile), err)
	}
	if b, err := os.ReadFile(filepath.Join(c.Dir, addressFile)); err == nil {
		if at, err := Address(strings.TrimSpace(string(b))); err == nil {
			l.address = at
		}
	}
	if err := l.readCert(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err // report a missing key, because without the key the certificate could not be renewed
	}
	l.http = &http.Client{Timeout: 2 * time.Minute, CheckRedirect: noRedirect, Transport: &http.Transport{
		DisableCompression: true, MaxIdleConns: 1, IdleConnTimeout: 20 * time.Second, TLSHandshakeTimeout: patience,
		TLSClientConfig: l.TLS(),
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer(c.Dial)(ctx, network, l.Address())
		}}}
	return l, nil
}

// readCert reads the machine's certificate.
func (l *Link) readCert() error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(l.c.Dir, certFile), filepath.Join(l.c.Dir, keyFile))
	if err != nil {
		return fmt.Errorf("hub: machine's certificate is invalid: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cert = &pair
	return nil
}

// NewKey creates the private key for a machine's certificate, and returns the public half (PKIX DER). If the key file
// exists, NewKey uses the key in it.
func NewKey(dir string) (public []byte, err error) {
	path := filepath.Join(dir, keyFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		b = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		if err := errors.Join(os.MkdirAll(dir, 0o700), wire.WriteFile(path, b, 0o600)); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	return publicOf(path, b)
}

// publicOf returns the public half of a private key in PEM.
func publicOf(path string, b []byte) ([]byte, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("file %s does not contain a private key", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	k, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("file %s contains a private key of another kind, want ECDSA", path)
	}
	return x509.MarshalPKIXPublicKey(k.Public())
}

// WriteLink writes the files of a Link except its key.
func WriteLink(dir string, ca *x509.Certificate, cert []byte) error {
	return errors.Join(os.MkdirAll(dir, 0o700), writePEM(dir, caFile, ca.Raw), writePEM(dir, certFile, cert),
		removeFile(filepath.Join(dir, addressFile)))
}

// removeFile removes a file. A missing file is not an error.
func removeFile(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writePEM writes a certificate.
func writePEM(dir, name string, der []byte) error {
	return wire.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

// CheckCertificate returns an error if a certificate from a hub is not for this key or not signed by this authority.
func CheckCertificate(der []byte, ca *x509.Certificate, public []byte) error {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("machine's certificate in the hub's answer is invalid: %w", err)
	}
	key, err := x509.MarshalPKIXPublicKey(c.PublicKey)
	if err != nil || !bytes.Equal(key, public) {
		return errors.New("certificate in the hub's answer is for another key, want the machine's key")
	}
	if err := c.CheckSignatureFrom(ca); err != nil {
		return fmt.Errorf("machine's certificate in the hub's answer is invalid: %w", err)
	}
	return nil
}

// Address returns the host:port at which the machine last found the hub.
func (l *Link) Address() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.address
}

// Resolve returns the address to dial for an address of the hub. If the host is the hub's name, Resolve replaces it by
// the host at which the hub was last found.
func (l *Link) Resolve(hostport string) string {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil || !strings.EqualFold(host, l.c.Name) {
		return hostport
	}
	at, _, err := net.SplitHostPort(l.Address())
	if err != nil {
		return hostport
	}
	return net.JoinHostPort(at, port)
}

// TLS returns the configuration that verifies the hub, for HTTPS and for its broker.
func (l *Link) TLS() *tls.Config { return l.peer(l.Address()).TLS() }

// peer returns the data for a connection to the hub at an address.
func (l *Link) peer(address string) Peer {
	return Peer{Address: address, Name: l.c.Name, CA: l.ca, Now: l.c.Now, Trusted: l.c.Trusted, Dial: l.c.Dial,
		Cert: func() *tls.Certificate {
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.cert
		}}
}

// Manifest fetches the signed manifest in force.
func (l *Link) Manifest(ctx context.Context) ([]byte, error) {
	return l.get(ctx, "manifest", wire.MaxSigned)
}

// CardKeys returns the site's card keys: the key in force and, during a change, also the previous key.
func (l *Link) CardKeys(ctx context.Context) ([][]byte, error) {
	b, err := l.get(ctx, "card-keys", wire.MaxJoin)
	if err != nil {
		return nil, err
	}
	var all wire.CardKeys
	if err := wire.Decode(b, &all); err != nil {
		return nil, err
	}
	return all.Bytes()
}

// Return sends the machine's bundle to a hub that offers an older bundle after a restore from a backup. The argument
// policy is a policy file (wire.PolicyFile), or nil if the hub's policy is as new as the machine's. The manifest is
// sent first, because the hub accepts only a policy that is in one of its own manifests.
func (l *Link) Return(ctx context.Context, manifest, policy []byte) error {
	_, err := l.ask(ctx, http.MethodPost, "returned/manifest", manifest, wire.MaxJoin)
	if err == nil && policy != nil {
		_, err = l.ask(ctx, http.MethodPost, "returned/policy", policy, wire.MaxJoin)
	}
	return err
}

// get sends a GET request with the machine's certificate.
func (l *Link) get(ctx context.Context, path string, limit int64) ([]byte, error) {
	return l.ask(ctx, http.MethodGet, path, nil, limit)
}

// ask sends a request with the machine's certificate. If the hub reports that the certificate has expired, ask renews
// the certificate and repeats the request.
func (l *Link) ask(ctx context.Context, method, path string, body []byte, limit int64) ([]byte, error) {
	b, err := do(ctx, l.http, method, base+path, body, limit)
	var refused *Refused
	if !errors.As(err, &refused) || refused.Code != "expired" {
		return b, err
	}
	if err := l.Renew(ctx); err != nil {
		return nil, err
	}
	return do(ctx, l.http, method, base+path, body, limit)
}

// Due reports whether the certificate must be renewed: it is missing, or two thirds of its validity are over according
// to a trusted clock.
func (l *Link) Due() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cert == nil {
		return true
	}
	c := l.cert.Leaf
	return l.c.Trusted() && l.c.Now().After(c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore)*2/3))
}

// Renew proves to the hub that the machine has its key, and requests a new certificate. Renew also works if the
// certificate has expired.
func (l *Link) Renew(ctx context.Context) error {
	l.renews.Lock()
	defer l.renews.Unlock()
	if l.c.Signer == nil {
		return errors.New("renewal of the certificate needs the machine's key, which is missing")
	}
	public, err := NewKey(l.c.Dir)
	if err != nil {
		return fmt.Errorf("renewal: %w", err)
	}
	c, err := l.peer(l.Address()).connect(ctx)
	if err != nil {
		return fmt.Errorf("renewal: %w", err)
	}
	defer c.close()
	channel, err := c.channel()
	if err != nil {
		return fmt.Errorf("renewal: %w", err)
	}
	signed, err := wire.SignRenew(
		wire.Renew{Site: l.c.Site, Machine: l.c.Machine, Channel: hex.EncodeToString(channel), TLSKey: public},
		l.c.Signer,
	)
	if err != nil {
		return fmt.Errorf("renewal: %w", err)
	}
	var out wire.Renewed
	if err := c.post(ctx, "renew", wire.RenewAsk{Machine: l.c.Machine, Signed: signed}, &out); err != nil {
		return fmt.Errorf("renewal: %w", err)
	}
	if _, err := x509.ParseCertificate(out.Certificate); err != nil {
		return fmt.Errorf("renewal: %w", err)
	}
	if err := writePEM(l.c.Dir, certFile, out.Certificate); err != nil {
		return fmt.Errorf("renewal: %w", err)
	}
	l.http.CloseIdleConnections()
	return l.readCert()
}

// Time asks the hub for the time. The results are the hub's time minus the machine's time, and the uncertainty of this
// difference, which is half of the round-trip time.
func (l *Link) Time(ctx context.Context) (ahead, within time.Duration, err error) {
	b := make([]byte, 16)
	rand.Read(b) // never fails
	nonce := hex.EncodeToString(b)
	c, err := l.peer(l.Address()).connect(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("asking the hub for the time failed: %w", err)
	}
	defer c.close()
	asked := l.c.Now()
	signed, err := c.get(ctx, "time?nonce="+nonce, wire.MaxJoin)
	if err != nil {
		return 0, 0, fmt.Errorf("hub time: %w", err)
	}
	within = l.c.Now().Sub(asked) / 2
	t, err := wire.OpenTime(signed, l.c.HubKey, l.c.Site, nonce)
	if err != nil {
		return 0, 0, err
	}
	return t.Sub(asked.Add(within)), within, nil
}

// Move stores a new address of the hub if, at this address, a hub answers whose certificate the pinned authority has
// signed.
func (l *Link) Move(ctx context.Context, address string) error {
	c, err := l.peer(address).connect(ctx)
	if err != nil {
		return fmt.Errorf("hub at %s: %w", address, err)
	}
	defer c.close()
	if _, err := c.get(ctx, "site", wire.MaxJoin); err != nil {
		return fmt.Errorf("hub at %s: %w", address, err)
	}
	if address == l.Address() {
		return nil
	}
	if err := wire.WriteFile(filepath.Join(l.c.Dir, addressFile), []byte(address+"\n"), 0o600); err != nil {
		return fmt.Errorf("hub at %s: %w", address, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.address = address
	l.http.CloseIdleConnections()
	return nil
}

// Finder searches the network for hubs. Nobody may trust the results of a search until Move has verified them.
type Finder interface {
	// Find returns a few addresses as host:port. Find returns at the latest when ctx ends.
	Find(ctx context.Context) ([]string, error)
}

// Find searches the network for the hub if the hub does not answer at its known address.
func (l *Link) Find(ctx context.Context) error {
	err := l.Move(ctx, l.Address())
	if err == nil || l.c.Finder == nil {
		return err
	}
	found, ferr := l.c.Finder.Find(ctx)
	for _, address := range found {
		if l.Move(ctx, address) == nil {
			return nil
		}
	}
	return errors.Join(err, ferr)
}
