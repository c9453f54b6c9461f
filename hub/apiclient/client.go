// Package apiclient speaks to a hub's API (/api/v1) for the tool. It sends the API token to the named hub alone: over
// TLS, or in the clear on this computer; it follows no redirect, and bounds what it reads.
package apiclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"portillon/hub/fault"
)

// Prefix begins the path of every route of the API.
const Prefix = "/api/v1"

// The bounds of an exchange.
const (
	maxAnswer = 64 << 20 // bytes; 10,000 members as XLSX have 1 MB
	maxToken  = 1 << 10  // bytes of a token file
	maxPages  = 100_000
	timeout   = 2 * time.Minute // of an exchange
)

// Options says which hub, and who asks.
type Options struct {
	URL       string // https://hub.local:8040; http:// on loopback only
	TokenFile string // readable by its owner only
	CAFile    string // PEM; empty: the system's authorities
	Language  string // fr or en, of problems
}

// Client speaks to one hub.
type Client struct {
	base     *url.URL
	token    string
	language string
	most     int64 // bytes of an answer
	http     *http.Client
}

// New reads the token and the authority.
func New(o Options) (*Client, error) {
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	c.token, err = readToken(o.TokenFile)
	return c, err
}

// newClient is a client without a token.
func newClient(o Options) (*Client, error) {
	base, err := parseURL(o.URL)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate, want PEM", o.CAFile)
		}
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment,
		ResponseHeaderTimeout: timeout}
	return &Client{base: base, language: o.Language, most: maxAnswer,
		http: &http.Client{Transport: transport, Timeout: timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// parseURL checks the hub's address: https, or http on this computer alone, because the token is sent with each
// request.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%q is no hub's URL, want one as https://hub.local:8040", s)
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	case u.Scheme == "http":
		return nil, fmt.Errorf("%s would send the token in the clear, want https:// (http:// is for this computer alone)", s)
	default:
		return nil, fmt.Errorf("%q is no hub's URL, want one as https://hub.local:8040", s)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// isLoopback reports whether a host is this computer.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// readToken reads an API token from a file that no other user of this computer can read.
func readToken(path string) (string, error) {
	if path == "" {
		return "", errors.New("the API token is missing")
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return "", &fs.PathError{Op: "token", Path: path,
			Err: fmt.Errorf("mode is %v, want a file that its owner alone reads (chmod 600)", info.Mode().Perm())}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	if token == "" || len(b) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%s holds no API token, want one line of printable ASCII", path)
	}
	return token, nil
}

// Problem is the hub's refusal (RFC 9457).
type Problem struct {
	Type     string        `json:"type"`
	Title    string        `json:"title"`
	Status   int           `json:"status"`
	Detail   string        `json:"detail"`
	Instance string        `json:"instance"`
	Faults   []fault.Field `json:"faults"`
}

// Error is the title and the detail, then each fault on a line of its own.
func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Title)
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	for _, f := range p.Faults {
		b.WriteString("\n  ")
		if f.Row > 0 {
			fmt.Fprintf(&b, "%d: ", f.Row)
		}
		fmt.Fprintf(&b, "%s: %s", f.Field, f.Wrong)
		if f.Given != "" {
			fmt.Fprintf(&b, " (%q)", f.Given)
		}
		if f.Right != "" {
			b.WriteString(" → " + f.Right)
		}
	}
	if p.Status >= 500 {
		b.WriteString(" [" + p.Instance + "]")
	}
	return b.String()
}

// Unreachable is a hub that cannot be asked: no connection, another certificate, an answer that is none.
type Unreachable struct {
	Hub string
	Err error
}

// Error names the hub and the cause.
func (e *Unreachable) Error() string {
	return fmt.Sprintf("the hub at %s cannot be asked: %v", e.Hub, e.Err)
}

// Unwrap gives the cause.
func (e *Unreachable) Unwrap() error { return e.Err }

// Request is one question.
type Request struct {
	Method string
	Path   string // below Prefix, ids escaped: Path()
	Query  url.Values
	JSON   any    // the body as JSON
	Body   []byte // the body as it is, of Type
	Type   string // content type of Body, or of JSON where that is not application/json
	Match  string // If-Match
	Accept string // empty: JSON
}

// Answer is a good answer.
type Answer struct {
	Status int
	Type   string // without parameters
	ETag   string
	Body   []byte
}

// Path is a path of the API, its parts escaped.
func Path(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

// Do asks, and returns a good answer, *Problem, or *Unreachable.
func (c *Client) Do(ctx context.Context, q Request) (Answer, error) {
	body, kind := q.Body, q.Type
	if q.JSON != nil {
		b, err := json.Marshal(q.JSON)
		if err != nil {
			return Answer{}, err
		}
		if body = b; kind == "" {
			kind = "application/json"
		}
	}
	target := c.base.String() + Prefix + q.Path
	if len(q.Query) > 0 {
		target += "?" + q.Query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, q.Method, target, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	r.Header.Set("Accept-Language", c.language)
	r.Header.Set("User-Agent", "portillon")
	for name, value := range map[string]string{"Content-Type": kind, "If-Match": q.Match, "Accept": q.Accept} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return c.send(r)
}

// send sends a request and reads the answer, of at most c.most bytes. An answer of 400 or more is a *Problem.
func (c *Client) send(r *http.Request) (Answer, error) {
	resp, err := c.http.Do(r)
	if err != nil {
		return Answer{}, &Unreachable{c.base.Host, bare(err)}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, c.most+1))
	switch {
	case err != nil:
		return Answer{}, &Unreachable{c.base.Host, err}
	case int64(len(b)) > c.most:
		return Answer{}, &Unreachable{c.base.Host, fmt.Errorf("the answer has more than %d bytes", c.most)}
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return Answer{resp.StatusCode, kind, resp.Header.Get("ETag"), b}, nil
	}
	p := &Problem{}
	if kind != "application/problem+json" || json.Unmarshal(b, p) != nil || p.Title == "" {
		return Answer{}, &Unreachable{c.base.Host,
			fmt.Errorf("unexpected answer %s, want that of a Portillon hub", resp.Status)}
	}
	p.Status = resp.StatusCode
	return Answer{}, p
}

// bare is the cause without the URL, which holds ids.
func bare(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op
	}
	return err
}

// Get asks for JSON and reads it into v.
func (c *Client) Get(ctx context.Context, path string, query url.Values, v any) (Answer, error) {
	a, err := c.Do(ctx, Request{Method: http.MethodGet, Path: path, Query: query})
	if err != nil {
		return a, err
	}
	return a, c.Read(a, v)
}

// Read reads an answer's JSON. Fields that are not known are skipped: the hub may be newer.
func (c *Client) Read(a Answer, v any) error {
	if a.Type != "application/json" {
		return &Unreachable{c.base.Host, fmt.Errorf("unexpected content type %q, want JSON", a.Type)}
	}
	if err := json.Unmarshal(a.Body, v); err != nil {
		return &Unreachable{c.base.Host, fmt.Errorf("the answer cannot be read: %w", err)}
	}
	return nil
}

// All reads every page of a list.
func (c *Client) All(ctx context.Context, path string, query url.Values, each func(json.RawMessage) error) error {
	for range maxPages {
		var page struct {
			Items []json.RawMessage `json:"items"`
			Next  string            `json:"next"`
		}
		if _, err := c.Get(ctx, path, query, &page); err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := each(item); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		next, err := url.Parse(page.Next)
		if err != nil || next.Host != "" || next.Path != Prefix+path || next.RawQuery == query.Encode() {
			return &Unreachable{c.base.Host, fmt.Errorf("the next page %.80q is no page of this list", page.Next)}
		}
		query = next.Query()
	}
	return &Unreachable{c.base.Host, fmt.Errorf("the list has more than %d pages", maxPages)}
}
