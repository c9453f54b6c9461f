// Package fetch is the Resolver that asks the web: for the keys of a did:web or of a profile, the documents of a hosted
// badge, status lists. The addresses come from badges, and badges from anybody: so a Client is a careful one.
//
//   - https only, on every step of a redirection too, of which it follows five; no user or password in a URL. It sends
//     no cookie, no Referer and no credential, and trusts no Content-Type: openbadge reads the bytes and judges them.
//   - No address but public ones: the check is made on the address that is dialled, after the name was resolved, so
//     that no name server can change its mind in between. Options.AllowPrivate lifts it, for a tool that somebody runs;
//     Options.AllowHosts lifts it for the private addresses of issuers that a site's own network has, and for nothing
//     else. This computer's own addresses are refused, public ones too. No proxy is used, whatever the environment
//     says: through one, nobody could check.
//   - A time for each request and a time for all of them together; a bound on the body, which is never compressed, and
//     on its header.
//   - A copy is used without asking for as long as the server's Cache-Control max-age says, and never longer than
//     Options.MaxAge. After that the server is asked whether it is still the one (ETag, Last-Modified). What came by a
//     redirection is asked for each time.
//   - Where the server cannot be reached, the answer is an error, and never an old copy: how long an old status list
//     may still count is for the caller to say, who knows what opens by it.
//
// 410 is openbadge.ErrGone, 404 openbadge.ErrNotFound. Anything else but 200 is an error that names the URL and the
// status: out of reach.
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

// Options are what a Client keeps to. The zero Options are good.
type Options struct {
	Timeout      time.Duration  // for one request, its body included; 0: 5 s
	Total        time.Duration  // for a document, with all redirections; 0: 10 s
	MaxBytes     int            // of a document; 0: openbadge.MaxListBytes
	MaxAge       time.Duration  // how long a copy may be used without asking; 0: 10 min; negative: it is always asked
	CacheBytes   int            // of all copies together; 0: 16 MiB; negative: none are kept
	AllowPrivate bool           // dial private, loopback and other special addresses too, and this computer's own
	AllowHosts   []string       // names of hosts, without a port, that may have a private address; any case
	RootCAs      *x509.CertPool // nil: those of the system
	UserAgent    string         // empty: portillon-openbadge
}

const (
	maxRedirects = 5
	maxURL       = 2048     // bytes
	maxHeader    = 64 << 10 // bytes
	perHost      = 4        // connections
	idle         = time.Minute
	accept       = "application/ld+json, application/json;q=0.9, application/vc, application/vc+jwt, " +
		"application/did+json, application/jwt, */*;q=0.1"
)

// Client fetches documents. Any number may ask at once: one URL is then fetched once.
type Client struct {
	o       Options
	web     *http.Transport
	cache   *cache
	flights flights
	now     func() time.Time
	allowed func(netip.Addr) bool
	hosts   map[string]bool // of AllowHosts, in lower case
	own     func() ([]net.Addr, error)
}

var _ openbadge.Resolver = (*Client)(nil)

// New makes a Client.
func New(o Options) *Client {
	o.Timeout, o.Total, o.MaxAge = or(o.Timeout, 5*time.Second), or(o.Total, 10*time.Second), or(o.MaxAge, 10*time.Minute)
	o.MaxBytes, o.CacheBytes = or(o.MaxBytes, openbadge.MaxListBytes), or(o.CacheBytes, 16<<20)
	o.UserAgent = or(o.UserAgent, "portillon-openbadge")
	c := &Client{
		o:       o,
		cache:   newCache(o.CacheBytes),
		now:     time.Now,
		allowed: public,
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
		DialContext:            c.dial,
		TLSClientConfig:        &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		DisableCompression:     true, // or a small body could become a large one
		MaxResponseHeaderBytes: maxHeader,
		MaxConnsPerHost:        perHost,
		IdleConnTimeout:        idle,
	}
	return c
}

// or is v, or what stands for its zero.
func or[T comparable](v, zero T) T {
	var none T
	if v == none {
		return zero
	}
	return v
}

// Close lets go of idle connections. The Client can be used all the same.
func (c *Client) Close() { c.web.CloseIdleConnections() }

// dial connects to a host that a URL names.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{
		Timeout: c.o.Timeout,
		Control: func(_, resolved string, _ syscall.RawConn) error { return c.control(host, resolved) },
	}
	return dialer.DialContext(ctx, network, address)
}

// control refuses an address of a host at the moment when it is dialled.
func (c *Client) control(host, address string) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%q is no address: %w", address, err)
	}
	listed := c.hosts[strings.ToLower(strings.TrimSuffix(host, "."))]
	if !c.allowed(a.Addr()) && !(listed && within(a.Addr())) {
		return fmt.Errorf("%w: %s", errPrivate, a.Addr())
	}
	own, err := c.own()
	if err != nil {
		return fmt.Errorf("read the computer's own addresses: %w", err)
	}
	for _, o := range own {
		if n, ok := o.(*net.IPNet); ok && n.IP.Equal(a.Addr().Unmap().AsSlice()) {
			return fmt.Errorf("%w: %s", errOwn, a.Addr())
		}
	}
	return nil
}

var (
	errPrivate = errors.New("not a public address")
	errOwn     = errors.New("an address of this computer")
	errSlow    = errors.New("request timed out")
)

// Resolve gives the document at an https URL. It blocks for Options.Total at most.
func (c *Client) Resolve(url string) ([]byte, error) { return c.get(context.Background(), url) }

// For is a Resolver whose requests end with ctx.
func (c *Client) For(ctx context.Context) openbadge.Resolver { return bound{c, ctx} }

type bound struct {
	c   *Client
	ctx context.Context
}

func (b bound) Resolve(url string) ([]byte, error) { return b.c.get(b.ctx, url) }

// get gives the document, from a copy, from somebody who is asking for it already, or from the web.
func (c *Client) get(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err == nil {
		err = check(u)
	}
	if err != nil {
		return nil, fmt.Errorf("%.200q is not fetched: %w", address, err)
	}
	u.Fragment, u.RawFragment = "", "" // it is not sent
	key := u.String()
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Total, errSlow)
	defer cancel()
	data, err := c.flights.share(ctx, key, func() ([]byte, error) { return c.document(ctx, u) })
	if err != nil {
		return nil, fmt.Errorf("%.200s: %w", key, err)
	}
	return data, nil
}

// check says what a URL may look like.
func check(u *url.URL) error {
	switch {
	case u.Scheme != "https":
		return errors.New("URL is not https")
	case u.User != nil:
		return errors.New("URL has a user name")
	case u.Hostname() == "":
		return errors.New("URL has no host")
	case len(u.String()) > maxURL:
		return fmt.Errorf("URL has more than %d bytes", maxURL)
	}
	return nil
}

// document gives the document from a copy that is still good, or from the web.
func (c *Client) document(ctx context.Context, u *url.URL) ([]byte, error) {
	old := c.cache.get(u.String())
	if old != nil && c.now().Before(old.fresh) {
		return old.data, nil
	}
	asked := c.now()
	at := u
	for range maxRedirects + 1 {
		a, err := c.ask(ctx, at, old)
		if err != nil {
			return nil, err
		}
		if a.next == nil {
			c.keep(u.String(), a, asked, at == u)
			return a.data, nil
		}
		at = a.next
	}
	return nil, fmt.Errorf("more than %d redirects", maxRedirects)
}

// answer is what one request gave: a document, or where to ask next.
type answer struct {
	copied
	header http.Header
	next   *url.URL
}

// ask makes one request. Where old is a copy of what stands at this very URL, the server may say that it is still good.
func (c *Client) ask(ctx context.Context, u *url.URL, old *copied) (*answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, errSlow)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	r.Header = http.Header{"Accept": {accept}, "Accept-Encoding": {"identity"}, "User-Agent": {c.o.UserAgent}}
	conditional := old != nil && old.url == u.String()
	if conditional {
		old.ask(r.Header)
	}
	w, err := c.web.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer w.Body.Close()
	switch w.StatusCode {
	case http.StatusOK:
		return c.body(w, u)
	case http.StatusNotModified:
		if conditional {
			return &answer{copied: *old, header: w.Header}, nil
		}
	case http.StatusMovedPermanently,
		http.StatusFound,
		http.StatusSeeOther,
		http.StatusTemporaryRedirect,
		http.StatusPermanentRedirect:
		return redirection(w, u)
	case http.StatusNotFound:
		return nil, openbadge.ErrNotFound
	case http.StatusGone:
		return nil, openbadge.ErrGone
	}
	return nil, fmt.Errorf("%s answers %d %s", u.Host, w.StatusCode, http.StatusText(w.StatusCode))
}

func redirection(w *http.Response, from *url.URL) (*answer, error) {
	to, err := from.Parse(w.Header.Get("Location"))
	if err == nil && w.Header.Get("Location") == "" {
		err = errors.New("redirect has no Location")
	}
	if err == nil {
		err = check(to)
	}
	if err != nil {
		return nil, fmt.Errorf("a redirection is not followed: %w", err)
	}
	to.Fragment, to.RawFragment = "", ""
	return &answer{next: to}, nil
}

// body reads a document, and no more of it than we may.
func (c *Client) body(w *http.Response, u *url.URL) (*answer, error) {
	if e := w.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, fmt.Errorf("%s sends it compressed (%.40q), though it was asked not to", u.Host, e)
	}
	data, err := io.ReadAll(io.LimitReader(w.Body, int64(c.o.MaxBytes)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > c.o.MaxBytes {
		return nil, fmt.Errorf("document has more than %d bytes", c.o.MaxBytes)
	}
	a := &answer{header: w.Header}
	a.copied = copied{url: u.String(), data: data, etag: w.Header.Get("ETag"), modified: w.Header.Get("Last-Modified")}
	return a, nil
}

// keep remembers a document, as far as its server lets us.
func (c *Client) keep(key string, a *answer, asked time.Time, direct bool) {
	life, store := lifetime(a.header)
	if !store {
		c.cache.drop(key)
		return
	}
	kept := a.copied
	kept.fresh = time.Time{}
	if direct { // how long a redirection leads to the same place is not said
		kept.fresh = asked.Add(min(life, c.o.MaxAge))
	}
	c.cache.put(key, &kept)
}
