// Package fetch is the Resolver for the web: for the keys of a did:web or of a profile, the documents of a hosted
// badge, and status lists. The addresses come from badges, which anyone can create, so a Client takes these
// precautions:
//
//   - It uses only https, also after redirects, of which it follows five. A URL must not contain a user name or a
//     password. The Client sends no cookie, no Referer and no credential, and ignores the Content-Type: openbadge
//     checks the bytes.
//   - The Client connects only to public addresses. The Client checks each address after the name was resolved and
//     just before it connects, so that a name server cannot change the address in between. Options.AllowPrivate
//     disables the address check, for a tool that a person runs. Options.AllowHosts permits private addresses for the
//     named hosts of a site's own network, and nothing else. The Client rejects the addresses of this computer, even
//     if they are public. The Client uses no proxy, because it could not check the addresses to which a proxy
//     connects.
//   - The Client limits the time of each request, the time of all requests together, the size of the body, which must
//     be uncompressed, and the size of the header.
//   - The Client uses a copy without a request for the max-age in the server's Cache-Control, but at most for
//     Options.MaxAge. After that time, the Client asks the server whether the document has changed (ETag,
//     Last-Modified). If a URL redirects, the Client requests the document each time.
//   - If the server is unreachable, the Client returns an error and never an old copy: only the caller can decide how
//     long an old status list may still be used.
//
// The error for status 410 is openbadge.ErrGone, and for 404 openbadge.ErrNotFound. For any status except 200, 404
// and 410, the document is unreachable, and the error names the URL and the status.
package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"portillon/openbadge"
)

// Options configures a Client. The zero Options select the default values.
type Options struct {
	Timeout  time.Duration // maximum time for one request with its body; 0 means 5 s
	Total    time.Duration // maximum time for a document with all redirects; 0 means 10 s
	MaxBytes int           // maximum size of a document; 0 means openbadge.MaxListBytes
	// maximum time for which a copy is used without a request; 0 means 10 min, negative means that each use needs a
	// request
	MaxAge time.Duration
	// maximum total size of all copies; 0 means 16 MiB, negative means that no copies are stored
	CacheBytes   int
	AllowPrivate bool // also connect to private, loopback and other special addresses, and to this computer
	// host names, without a port, that may have private addresses; upper and lower case are equal
	AllowHosts []string
	RootCAs    *x509.CertPool // certificate authorities that the Client trusts; nil means the system's authorities
	UserAgent  string         // empty means portillon-openbadge
}

const (
	maxRedirects = 5
	maxURL       = 2048     // maximum length of a URL in bytes
	maxHeader    = 64 << 10 // maximum size of a response header in bytes
	perHost      = 4        // maximum number of connections to one host
	idle         = time.Minute
	accept       = "application/ld+json, application/json;q=0.9, application/vc, application/vc+jwt, " +
		"application/did+json, application/jwt, */*;q=0.1"
)

// Client fetches documents. The methods of a Client may be called concurrently. Concurrent requests for the same URL
// share one fetch.
type Client struct {
	o       Options
	web     *http.Transport
	cache   *cache
	flights flights
	now     func() time.Time
	allowed func(netip.Addr) bool
	hosts   map[string]bool // the names in AllowHosts, in lower case
	own     func() ([]net.Addr, error)
}

var _ openbadge.Resolver = (*Client)(nil)

// New returns a Client.
func New(o Options) *Client {
	o.Timeout, o.Total, o.MaxAge = valueOr(o.Timeout, 5*time.Second), valueOr(o.Total, 10*time.Second),
		valueOr(o.MaxAge, 10*time.Minute)
	o.MaxBytes, o.CacheBytes = valueOr(o.MaxBytes, openbadge.MaxListBytes), valueOr(o.CacheBytes, 16<<20)
	o.UserAgent = valueOr(o.UserAgent, "portillon-openbadge")
	c := &Client{
		o:       o,
		cache:   newCache(o.CacheBytes),
		now:     time.Now,
		allowed: IsPublic,
		hosts:   map[string]bool{},
		own:     net.InterfaceAddrs,
	}
	if o.AllowPrivate {
		c.allowed, c.own = func(netip.Addr) bool { return true }, func() ([]net.Addr, error) { return nil, nil }
	}
	for _, h := range o.AllowHosts {
		c.hosts[strings.ToLower(strings.TrimSuffix(h, "."))] = true
	}
	c.web = &http.Transport{
		DialContext:     c.dial,
		TLSClientConfig: &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		// do not accept compressed responses, because compressed data could expand to a large body
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		MaxConnsPerHost:        perHost,
		IdleConnTimeout:        idle,
	}
	return c
}

// valueOr returns v, or the argument zero if v is the zero value of its type.
func valueOr[T comparable](v, zero T) T {
	var none T
	if v == none {
		return zero
	}
	return v
}

// Close closes idle connections. The Client remains usable after Close.
func (c *Client) Close() { c.web.CloseIdleConnections() }

// dial connects to the host of a URL.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{
		Timeout: c.o.Timeout,
		Control: func(_, resolved string, _ syscall.RawConn) error { return c.checkAddress(host, resolved) },
	}
	return dialer.DialContext(ctx, network, address)
}

// checkAddress checks the address of a host just before the Client connects to it.
func (c *Client) checkAddress(host, address string) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("invalid address %q: %w", address, err)
	}
	listed := c.hosts[strings.ToLower(strings.TrimSuffix(host, "."))]
	if !c.allowed(a.Addr()) && !(listed && IsPrivate(a.Addr())) {
		return fmt.Errorf("%w: %s", errPrivate, a.Addr())
	}
	own, err := c.own()
	if err != nil {
		return fmt.Errorf("cannot list this computer's addresses: %w", err)
	}
	for _, o := range own {
		if n, ok := o.(*net.IPNet); ok && n.IP.Equal(a.Addr().Unmap().AsSlice()) {
			return fmt.Errorf("%w: %s", errOwn, a.Addr())
		}
	}
	return nil
}

var (
	errPrivate = errors.New("address of the host is not a public address")
	errOwn     = errors.New("address of the host belongs to this computer")
	errSlow    = errors.New("timeout")
)

// Resolve returns the document at an https URL. Resolve blocks for at most Options.Total.
func (c *Client) Resolve(url string) ([]byte, error) { return c.get(context.Background(), url) }

// For returns a Resolver whose requests are cancelled together with ctx.
func (c *Client) For(ctx context.Context) openbadge.Resolver { return contextClient{c, ctx} }

// contextClient is a Client together with a context that cancels its requests.
type contextClient struct {
	c   *Client
	ctx context.Context
}

func (b contextClient) Resolve(url string) ([]byte, error) { return b.c.get(b.ctx, url) }

// get returns the document from a copy, from a fetch in progress, or from the web.
func (c *Client) get(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err == nil {
		err = checkURL(u)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot fetch %.200q: %w", address, err)
	}
	u.Fragment, u.RawFragment = "", "" // remove the fragment, because HTTP requests do not contain fragments
	key := u.String()
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Total, errSlow)
	defer cancel()
	data, err := c.flights.share(ctx, key, func() ([]byte, error) { return c.fetchDocument(ctx, u) })
	if err != nil {
		return nil, fmt.Errorf("%.200s: %w", key, err)
	}
	return data, nil
}

// checkURL checks the form of a URL.
func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "https":
		return errors.New("URL scheme is not https")
	case u.User != nil:
		return errors.New("URL contains a user name")
	case u.Hostname() == "":
		return errors.New("URL has no host")
	case len(u.String()) > maxURL:
		return fmt.Errorf("URL is longer than %d bytes", maxURL)
	}
	return nil
}

// fetchDocument returns the document from a copy that is still fresh, or from the web.
func (c *Client) fetchDocument(ctx context.Context, u *url.URL) ([]byte, error) {
	old := c.cache.get(u.String())
	if old != nil && c.now().Before(old.fresh) {
		return old.data, nil
	}
	asked := c.now()
	at := u
	for range maxRedirects + 1 {
		a, err := c.request(ctx, at, old)
		if err != nil {
			return nil, err
		}
		if a.next == nil {
			c.storeCopy(u.String(), a, asked, at == u)
			return a.data, nil
		}
		at = a.next
	}
	return nil, fmt.Errorf("server sent more than %d redirects", maxRedirects)
}

// response is the result of one request: a document, or the next URL of a redirect.
type response struct {
	cachedCopy
	header http.Header
	next   *url.URL
}

// request makes one HTTP request and returns its response. If old is a copy from the same URL, the request is
// conditional.
func (c *Client) request(ctx context.Context, u *url.URL, old *cachedCopy) (*response, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, errSlow)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header = http.Header{"Accept": {accept}, "Accept-Encoding": {"identity"}, "User-Agent": {c.o.UserAgent}}
	conditional := old != nil && old.url == u.String()
	if conditional {
		old.addConditions(r.Header)
	}
	w, err := c.web.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer w.Body.Close()
	switch w.StatusCode {
	case http.StatusOK:
		return c.readBody(w, u)
	case http.StatusNotModified:
		if conditional {
			return &response{cachedCopy: *old, header: w.Header}, nil
		}
	case http.StatusMovedPermanently,
		http.StatusFound,
		http.StatusSeeOther,
		http.StatusTemporaryRedirect,
		http.StatusPermanentRedirect:
		return redirectTarget(w, u)
	case http.StatusNotFound:
		return nil, openbadge.ErrNotFound
	case http.StatusGone:
		return nil, openbadge.ErrGone
	}
	return nil, fmt.Errorf("server %s answered %d %s", u.Host, w.StatusCode, http.StatusText(w.StatusCode))
}

// redirectTarget returns the URL to which a response redirects.
func redirectTarget(w *http.Response, from *url.URL) (*response, error) {
	to, err := from.Parse(w.Header.Get("Location"))
	if err == nil && w.Header.Get("Location") == "" {
		err = errors.New("redirect of the server has no Location header")
	}
	if err == nil {
		err = checkURL(to)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot follow the redirect: %w", err)
	}
	to.Fragment, to.RawFragment = "", ""
	return &response{next: to}, nil
}

// readBody reads a document up to the size limit.
func (c *Client) readBody(w *http.Response, u *url.URL) (*response, error) {
	if e := w.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, fmt.Errorf("server %s sent a compressed response (%.40q), want an uncompressed response", u.Host, e)
	}
	data, err := io.ReadAll(io.LimitReader(w.Body, int64(c.o.MaxBytes)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > c.o.MaxBytes {
		return nil, fmt.Errorf("document is longer than %d bytes", c.o.MaxBytes)
	}
	a := &response{header: w.Header}
	a.cachedCopy = cachedCopy{url: u.String(), data: data, etag: w.Header.Get("ETag"),
		modified: w.Header.Get("Last-Modified")}
	return a, nil
}

// storeCopy stores a document in the cache, if the server's response allows caching.
func (c *Client) storeCopy(key string, a *response, asked time.Time, direct bool) {
	life, store := lifetime(a.header)
	if !store {
		c.cache.drop(key)
		return
	}
	kept := a.cachedCopy
	kept.fresh = time.Time{}
	// After a redirect, ask the server at each use, because the lifetime of the redirect is unknown.
	if direct {
		kept.fresh = asked.Add(min(life, c.o.MaxAge))
	}
	c.cache.put(key, &kept)
}
