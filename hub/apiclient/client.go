// Package apiclient is the client of a hub's API (/api/v1) for the command-line tool. The client sends the API token
// only to the configured hub, either over TLS or without encryption to a hub on this computer. The client follows no
// redirects and limits the size of responses.
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

// Prefix is the path of the API on a hub.
const Prefix = "/api/v1"

// Limits of a request and its response.
const (
	maxAnswer = 64 << 20 // maximum length of a response in bytes; an XLSX list of 10,000 members has 1 MB
	maxToken  = 1 << 10  // maximum length of a token file in bytes
	maxPages  = 100_000
	timeout   = 2 * time.Minute // timeout of one request
)

// Options contains the address of the hub and the paths of the files that New reads.
type Options struct {
	URL       string // URL such as https://hub.local:8040; http:// only for this computer
	TokenFile string // path of the file with the API token, which only the file's owner may read
	CAFile    string // path of a PEM file with certificate authorities; empty: the system's certificate authorities
	Language  string // language of error messages, fr or en
}

// Client sends requests to one hub. The methods of a Client may be called concurrently.
type Client struct {
	base     *url.URL
	token    string
	language string
	most     int64 // maximum length of a response, in bytes
	http     *http.Client
}

// New reads the token and the certificate authority, and returns a client.
func New(o Options) (*Client, error) {
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	c.token, err = readToken(o.TokenFile)
	return c, err
}

// newClient returns a client without a token.
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
			return nil, fmt.Errorf("%s contains no certificate, want PEM", o.CAFile)
		}
	}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, Proxy: http.ProxyFromEnvironment,
		ResponseHeaderTimeout: timeout}
	return &Client{base: base, language: o.Language, most: maxAnswer,
		http: &http.Client{Transport: transport, Timeout: timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// parseURL checks the address of a hub, and returns only scheme and host of the address.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("invalid hub URL %q, want a URL such as https://hub.local:8040", s)
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	case u.Scheme == "http":
		return nil, fmt.Errorf("URL %s would send the token unencrypted, want https:// (http:// only for this computer)", s)
	default:
		return nil, fmt.Errorf("invalid hub URL %q, want a URL such as https://hub.local:8040", s)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// isLoopback reports whether a host is localhost or a loopback address.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

// readToken reads the token file, which only its owner may read. Errors never contain the token.
func readToken(path string) (string, error) {
	if path == "" {
		return "", errors.New("API token is missing, want the path of a token file")
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
	// Reject a file that other users can read, as ssh does with keys.
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return "", &fs.PathError{Op: "token", Path: path,
			Err: fmt.Errorf("file mode is %v, want a token file that only its owner can read (chmod 600)", info.Mode().Perm())}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", err
	}
	// Accept only printable ASCII, because the token becomes part of a header.
	token := strings.TrimSpace(string(b))
	if token == "" || len(b) > maxToken || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", fmt.Errorf("%s contains no API token, want one line of printable ASCII", path)
	}
	return token, nil
}

// Problem is the hub's response to a request that failed (RFC 9457).
type Problem struct {
	Type     string        `json:"type"`
	Title    string        `json:"title"`
	Status   int           `json:"status"`
	Detail   string        `json:"detail"`
	Instance string        `json:"instance"`
	Faults   []fault.Field `json:"faults"`
}

// Error returns title, detail and faults. For an internal error of the hub, the text also contains the request's id,
// with which an administrator finds the error in the hub's log.
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

// Unreachable is the error for a hub without a usable response: no connection, a wrong certificate, or a response that
// does not come from a hub.
type Unreachable struct {
	Hub string
	Err error
}

func (e *Unreachable) Error() string {
	return fmt.Sprintf("no usable answer from the hub at %s: %v", e.Hub, e.Err)
}

// Unwrap returns the error that made the hub unreachable.
func (e *Unreachable) Unwrap() error { return e.Err }

// Request is one request to the API.
type Request struct {
	Method string
	Path   string // path below Prefix with escaped ids, as the function Path returns it
	Query  url.Values
	JSON   any    // value that becomes the JSON body
	Body   []byte // the body, with the content type Type
	Type   string // content type of the body; empty: application/json
	Match  string // value of If-Match
	Accept string // value of the Accept header; empty: JSON
}

// Answer is a response with a status of 200 to 299.
type Answer struct {
	Status int
	Type   string // media type of the response, without parameters
	ETag   string
	Body   []byte
}

// Path returns a path of the API from its unescaped parts.
func Path(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

// Do sends a request. Do returns an Answer, or an error of type *Problem or *Unreachable.
func (c *Client) Do(ctx context.Context, q Request) (Answer, error) {
	// Encode the body.
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
	// Create the request. The context limits how long the request may take.
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

// send sends a request and limits the length of the response.
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
		return Answer{}, &Unreachable{c.base.Host, fmt.Errorf("response of the hub is longer than %d bytes", c.most)}
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return Answer{resp.StatusCode, kind, resp.Header.Get("ETag"), b}, nil
	}
	p := &Problem{}
	if kind != "application/problem+json" || json.Unmarshal(b, p) != nil || p.Title == "" {
		return Answer{}, &Unreachable{c.base.Host,
			fmt.Errorf("response has status %s but no problem details, want a response of a hub", resp.Status)}
	}
	p.Status = resp.StatusCode
	return Answer{}, p
}

// bare returns the cause of a failed request without the URL, because the URL may contain ids of members.
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

// Get requests JSON and decodes it into v.
func (c *Client) Get(ctx context.Context, path string, query url.Values, v any) (Answer, error) {
	a, err := c.Do(ctx, Request{Method: http.MethodGet, Path: path, Query: query})
	if err != nil {
		return a, err
	}
	return a, c.Read(a, v)
}

// Read decodes the JSON of a response into v. Unknown fields are ignored, because the hub may be newer.
func (c *Client) Read(a Answer, v any) error {
	if a.Type != "application/json" {
		return &Unreachable{c.base.Host, fmt.Errorf("response has the content type %q, want JSON", a.Type)}
	}
	if err := json.Unmarshal(a.Body, v); err != nil {
		return &Unreachable{c.base.Host, fmt.Errorf("cannot decode the response: %w", err)}
	}
	return nil
}

// All calls each for every item of a list, page by page. All stops when each returns an error.
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
			return &Unreachable{c.base.Host, fmt.Errorf("next page %.80q does not belong to this list", page.Next)}
		}
		query = next.Query()
	}
	return &Unreachable{c.base.Host, fmt.Errorf("list has more than %d pages", maxPages)}
}
