// Package hublink is the machine's client for the hub's listener for machines. Package hublink joins a site with a
// code, renews the machine's certificate, fetches bundles, requests the time, and finds a hub whose address has
// changed.
//
// Package hublink identifies a hub by the certificate of the hub's authority, which the code or the machine's files
// pin, and by the name in the hub's certificate, but never by an address. Package hublink sends no secret before it has
// identified the hub.
package hublink

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"portillon/wire"
)

// Dial opens a connection. Tests replace it.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// patience is the time limit of one request to the hub and its answer.
const patience = 15 * time.Second

// Refused is the hub's refusal of a request.
type Refused struct {
	Code, Why string
	Status    int // HTTP status
}

// Error implements error.
func (e *Refused) Error() string { return "the hub refuses: " + e.Why }

// Peer contains the data for a connection to a hub whose certificate authority is known.
type Peer struct {
	Address string // host:port
	Name    string
	CA      *x509.Certificate
	Cert    func() *tls.Certificate // returns the machine's certificate; nil, or a nil result: no certificate yet
	Now     func() time.Time
	Trusted func() bool // reports whether the time that Now returns can be trusted
	Dial    Dial        // opens connections; nil: over the network
}

// TLS verifies the hub by the pinned authority and by its name. TLS checks the certificate's dates only if the
// machine's clock is trusted.
func (p Peer) TLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: p.Name,
		InsecureSkipVerify: true, // the function VerifyConnection verifies the certificate instead, with the machine's clock
		VerifyConnection: func(s tls.ConnectionState) error {
			return wire.VerifyHub(s.PeerCertificates, p.CA, p.Name, p.Now(), p.Trusted())
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if p.Cert != nil {
				if c := p.Cert(); c != nil {
					return c, nil
				}
			}
			return &tls.Certificate{}, nil
		}}
}

// dialer returns d, or the network's dialer if d is nil.
func dialer(d Dial) Dial {
	if d != nil {
		return d
	}
	return (&net.Dialer{Timeout: patience}).DialContext
}

// conn is one TLS connection to the hub, for requests that are bound to this connection.
type conn struct {
	tls  *tls.Conn
	http *http.Client
}

// connect opens a connection to the hub and verifies the hub.
func (p Peer) connect(ctx context.Context) (*conn, error) {
	config := p.TLS()
	config.MinVersion = tls.VersionTLS13 // exported keying material is unique to a TLS 1.3 connection (RFC 8446 §7.5)
	return connect(ctx, dialer(p.Dial), p.Address, config)
}

// connect opens a TLS connection and an HTTP client that uses only this connection. If the hub closes the connection,
// further requests fail.
func connect(ctx context.Context, d Dial, address string, config *tls.Config) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	raw, err := d(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	t := tls.Client(raw, config)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	used := false
	tr := &http.Transport{
		DisableCompression: true,
		DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
			if used {
				return nil, errors.New("hub has closed the connection")
			}
			used = true
			return t, nil
		},
	}
	return &conn{t, &http.Client{Transport: tr, Timeout: patience, CheckRedirect: noRedirect}}, nil
}

// noRedirect refuses redirects.
func noRedirect(*http.Request, []*http.Request) error {
	return errors.New("hub answers with a redirect, want a direct answer")
}

func (c *conn) close() { c.tls.Close() }

// channel returns the keying material that binds a signed request to this connection.
func (c *conn) channel() ([]byte, error) {
	s := c.tls.ConnectionState()
	return s.ExportKeyingMaterial(wire.ChannelLabel, nil, wire.ChannelSize)
}

// base is the URL prefix of requests. The connection is already open, so the client does not dial the host in this URL.
const base = "https://hub" + wire.JoinPath

// get fetches a resource of at most limit bytes.
func (c *conn) get(ctx context.Context, path string, limit int64) ([]byte, error) {
	return do(ctx, c.http, http.MethodGet, base+path, nil, limit)
}

// post sends ask as JSON and decodes the JSON answer.
func (c *conn) post(ctx context.Context, path string, ask, answer any) error {
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	b, err := do(ctx, c.http, http.MethodPost, base+path, body, wire.MaxJoin)
	if err != nil {
		return err
	}
	return wire.Decode(b, answer)
}

// do sends a request and reads a response of at most limit bytes. For a status other than 2xx, the error is a *Refused.
func do(ctx context.Context, c *http.Client, method, address string, body []byte, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	// The header is set here, because the transport's own decompression has no size limit.
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := c.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, err
	}
	defer resp.Body.Close()
	b, err := readBody(resp, limit)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &Refused{resp.Header.Get("Portillon-Refused"),
			wire.OneLine(firstLine(b, resp.Status), 300), resp.StatusCode}
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("hub's answer has more than %d bytes, the limit for this request", limit)
	}
	return b, nil
}

// readBody reads at most limit+1 bytes of a response, after decompression.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	body := io.Reader(resp.Body)
	switch e := resp.Header.Get("Content-Encoding"); e {
	case "", "identity":
	case "gzip":
		// Limit the compressed size too. The limit is safe, because compression makes incompressible data longer only by a
		// few header bytes (RFC 1951, section 3.2.4).
		z, err := gzip.NewReader(io.LimitReader(body, limit+limit/100+1024))
		if err != nil {
			return nil, fmt.Errorf("hub's answer cannot be decompressed: %w", err)
		}
		body = z
	default:
		return nil, fmt.Errorf("hub's answer is encoded as %.40q, want gzip", e)
	}
	return io.ReadAll(io.LimitReader(body, limit+1))
}

// firstLine returns the first line of b, or the text in the argument otherwise if that line is empty.
func firstLine(b []byte, otherwise string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	if line == "" {
		return otherwise
	}
	return line
}

// Address returns the host:port of a hub's URL, or of a bare host:port. The default port is 8443.
func Address(s string) (string, error) {
	bad := fmt.Errorf("hub address %.100q is invalid, want for example https://hub.local:8443", s)
	rest, https := strings.CutPrefix(s, "https://")
	if !https && strings.Contains(s, "://") {
		return "", bad
	}
	u, err := url.Parse("https://" + rest)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" ||
		u.Fragment != "" {
		return "", bad
	}
	port := u.Port()
	if port == "" {
		port = "8443"
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}
