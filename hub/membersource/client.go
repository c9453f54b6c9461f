package membersource

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"portillon/openbadge/fetch"
)

// client sends the requests of one Fetch.
type client struct {
	web    *http.Client
	base   *url.URL
	o      Options
	secret string
	// authorise adds the credentials to a request.
	authorise func(*http.Request)
	// renew gets new credentials after the program refused those of a request; nil: there are no others.
	renew func(context.Context) error
}

// errAddress is the error of a connection to an address that the configuration does not permit. errRedirect is the
// error of a redirect to another host.
var (
	errAddress  = errors.New("address is not permitted")
	errRedirect = errors.New("redirect is not permitted")
)

// newClient returns a client for the program of a configuration.
func newClient(c Config, o Options, secret string) (*client, error) {
	base, err := url.Parse(c.URL)
	if err != nil {
		return nil, failure("the address of the program is invalid")
	}
	transport := o.Transport
	if transport == nil {
		transport = newTransport(c, base.Hostname())
	}
	web := &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if r.URL.Scheme != base.Scheme || r.URL.Host != base.Host || len(via) > 3 {
			return errRedirect
		}
		return nil
	}}
	return &client{web: web, base: base, o: o, secret: secret, authorise: func(*http.Request) {}}, nil
}

// newTransport returns a transport that connects only to addresses that the configuration permits. The address is
// checked after the name was resolved, just before the connection, so that a name server cannot change the address in
// between.
func newTransport(c Config, host string) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil || !isPermitted(a.Addr().Unmap(), c.Private, isLoopback(host)) {
			return errAddress
		}
		return nil
	}}
	return &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: 64 << 10, TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: time.Minute,
		MaxConnsPerHost: 1, Proxy: nil}
}

// isPermitted reports whether a client may connect to an address. Only a URL that names loopback may lead to loopback.
func isPermitted(a netip.Addr, private, loopback bool) bool {
	switch {
	case a.IsLoopback():
		return loopback
	case loopback:
		return false
	}
	return fetch.IsPublic(a) || private && fetch.IsPrivate(a)
}

// isLoopback reports whether the host of a URL is this computer.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// close closes idle connections.
func (c *client) close() { c.web.CloseIdleConnections() }

// get reads an answer in JSON into out, with retries, and returns the header of the answer. path begins with a slash.
func (c *client) get(ctx context.Context, path string, query url.Values, out any) (http.Header, error) {
	return c.try(ctx, out, func(ctx context.Context) (*http.Request, error) {
		u := c.base.JoinPath(path)
		u.RawQuery = query.Encode()
		return http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	})
}

// post sends a form, and reads an answer in JSON into out, with retries.
func (c *client) post(ctx context.Context, path string, form url.Values, out any) error {
	_, err := c.try(ctx, out, func(ctx context.Context) (*http.Request, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath(path).String(),
			strings.NewReader(form.Encode()))
		if err == nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return r, err
	})
	return err
}

// try sends a request until the program answers it, at most maxTries times.
func (c *client) try(ctx context.Context, out any,
	request func(context.Context) (*http.Request, error)) (http.Header, error) {
	renewed := false
	for tries := 1; ; tries++ {
		a, err := c.once(ctx, out, request)
		switch {
		case err == nil:
			return a.header, nil
		case ctx.Err() != nil:
			return nil, failure("the list was not complete in the time that a run may take")
		case a.refused && c.renew != nil && !renewed:
			renewed = true
			if err := c.renew(ctx); err != nil {
				return nil, err
			}
			continue
		case !a.again || tries == maxTries:
			return nil, err
		}
		pause := max(a.after, backoff(tries))
		if pause > maxWait {
			return nil, failure("the program asks to wait %d seconds, the hub waits at most %d", int(pause.Seconds()),
				int(maxWait.Seconds()))
		}
		if c.o.Wait(ctx, pause) != nil {
			return nil, failure("the list was not complete in the time that a run may take")
		}
	}
}

// backoff returns the wait after a number of failed attempts: it doubles, and varies by a quarter, so that many hubs
// do not ask again at the same time.
func backoff(tries int) time.Duration {
	d := firstWait << (tries - 1)
	return d + time.Duration(rand.Int64N(int64(d/4)))
}

// attempt is the result of one request besides its body.
type attempt struct {
	header  http.Header
	again   bool          // another attempt may succeed
	refused bool          // the program did not accept the credentials
	after   time.Duration // wait that the program asked for
}

// once sends a request once and decodes the answer.
func (c *client) once(ctx context.Context, out any,
	request func(context.Context) (*http.Request, error)) (attempt, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	r, err := request(ctx)
	if err != nil {
		return attempt{}, failure("the address of the program is invalid")
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "portillon-hub")
	c.authorise(r)
	res, err := c.web.Do(r)
	if err != nil {
		return unreachable(ctx, err)
	}
	defer res.Body.Close()
	if a, err := c.judge(res); err != nil {
		return a, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return attempt{again: true}, failure("the answer of the program broke off")
	case len(body) > maxAnswer:
		return attempt{}, failure("the answer of the program is longer than %d MiB", maxAnswer>>20)
	}
	if err := json.Unmarshal(body, out); err != nil {
		return attempt{}, failure("the answer of the program is not the JSON that its API describes")
	}
	return attempt{header: res.Header}, nil
}

// unreachable returns the failure of a request without an answer. The error of package http is not shown: it contains
// the URL.
func unreachable(ctx context.Context, err error) (attempt, error) {
	var bad *tls.CertificateVerificationError
	switch {
	case errors.Is(err, errRedirect):
		return attempt{}, failure("the program redirects to another host, or without end")
	case errors.Is(err, errAddress):
		return attempt{}, failure("the address of the program is not permitted: it is private, or is this computer")
	case errors.As(err, &bad):
		return attempt{}, failure("the certificate of the program is invalid")
	case ctx.Err() != nil:
		return attempt{again: true}, failure("the program did not answer in time")
	}
	return attempt{again: true}, failure("the program cannot be reached")
}

// judge returns the failure of an answer whose status or type is wrong.
func (c *client) judge(res *http.Response) (attempt, error) {
	switch s := res.StatusCode; {
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		return attempt{refused: true}, failure("the program refuses the credentials (status %d)", s)
	case s == http.StatusTooManyRequests || s == http.StatusServiceUnavailable:
		return attempt{again: true, after: retryAfter(res.Header.Get("Retry-After"), c.o.Now())},
			failure("the program is overloaded (status %d)", s)
	case s >= 500:
		return attempt{again: true}, failure("the program reports an error of its own (status %d)", s)
	case s != http.StatusOK:
		return attempt{}, failure("the program answers with status %d", s)
	}
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" && !strings.HasSuffix(kind, "+json") {
		return attempt{}, failure("the program answers with a page or a text, and not with JSON")
	}
	return attempt{}, nil
}

// retryAfter reads the header Retry-After: a number of seconds, or a date (RFC 9110, section 10.2.3).
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(value); err == nil {
		return max(0, t.Sub(now))
	}
	return 0
}
