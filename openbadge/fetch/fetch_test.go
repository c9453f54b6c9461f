package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"portillon/openbadge"
	"portillon/openbadge/internal/otherstest"
)

// serve starts a server with the handler h, and returns a Client that is allowed to connect to this server.
func serve(t *testing.T, h http.HandlerFunc, change ...func(*Options)) (*Client, string) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = quiet
	s.StartTLS()
	t.Cleanup(s.Close)
	o := Options{AllowPrivate: true, RootCAs: x509.NewCertPool()}
	o.RootCAs.AddCert(s.Certificate())
	for _, f := range change {
		f(&o)
	}
	c := New(o)
	t.Cleanup(c.Close) // close the Client before the server, because the server waits until its connections are closed
	return c, s.URL
}

func TestRequestsRevealNothingAboutTheClient(t *testing.T) {
	want := otherstest.File(
		t,
		"1EdTech+digital-credentials-public-validator/inspector-vc/src/test/resources/ob20/assets/organization.json",
	)
	var asked []*http.Request
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r)
		http.SetCookie(w, &http.Cookie{Name: "who", Value: "you", Path: "/"})
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/organization.json?a=1", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(want)
	})
	for _, path := range []string{"/moved", "/organization.json#key", "/moved"} {
		if got, err := c.Resolve(url + path); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: %d bytes: %v", path, len(got), err)
		}
	}
	for _, r := range asked {
		for name := range r.Header {
			switch name {
			case "Accept", "Accept-Encoding", "User-Agent":
			default:
				t.Errorf("%s: %s: %s", r.URL, name, r.Header.Get(name))
			}
		}
		if r.Header.Get("Accept-Encoding") != "identity" ||
			!strings.HasPrefix(r.Header.Get("Accept"), "application/ld+json, ") ||
			r.UserAgent() != "portillon-openbadge" {
			t.Errorf("%v", r.Header)
		}
	}
	if len(asked) != 5 || asked[1].URL.RawQuery != "a=1" {
		t.Errorf("%d requests", len(asked))
	}
	if c.web.Proxy != nil {
		t.Error("the Client has a proxy, and a proxy would resolve the names")
	}
}

// The table lists responses of a server and the result that each response must cause.
func TestResponsesBecomeDocumentsOrErrors(t *testing.T) {
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var code int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &code)
		w.WriteHeader(code)
	})
	for code, want := range map[int]error{
		404: openbadge.ErrNotFound,
		410: openbadge.ErrGone,
		204: nil,
		206: nil,
		300: nil,
		302: nil,
		304: nil,
		308: nil,
		401: nil,
		403: nil,
		429: nil,
		500: nil,
		503: nil,
	} {
		data, err := c.Resolve(fmt.Sprintf("%s/%d", url, code))
		if data != nil || err == nil || !strings.Contains(err.Error(), url) {
			t.Errorf("%d: %q %v", code, data, err)
		}
		for _, e := range []error{openbadge.ErrNotFound, openbadge.ErrGone} {
			if errors.Is(err, e) != (e == want) {
				t.Errorf("%d: %v, want %v", code, err, want)
			}
		}
		why := fmt.Sprint(" ", code)
		if code == 302 || code == 308 {
			why = "Location"
		}
		if want == nil && !strings.Contains(err.Error(), why) {
			t.Errorf("%d: the error does not name the status: %v", code, err)
		}
	}
}

func TestBodySizeIsLimited(t *testing.T) {
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/just":
			_, _ = w.Write(make([]byte, 1000))
		case "/claimed":
			_, _ = w.Write(make([]byte, 1001))
		case "/short":
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write(make([]byte, 10))
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}
	}, func(o *Options) { o.MaxBytes = 1000 })
	if b, err := c.Resolve(url + "/just"); len(b) != 1000 || err != nil {
		t.Errorf("%d bytes: %v", len(b), err)
	}
	for path, want := range map[string]string{
		"/claimed": "longer than 1000",
		"/endless": "longer than 1000",
		"/short":   "unexpected EOF",
	} {
		if b, err := c.Resolve(url + path); b != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %d bytes: %v", path, len(b), err)
		}
	}
}

func TestCompressedResponsesAreRejected(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 8<<20))
	_ = z.Close()
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", strings.TrimPrefix(r.URL.Path, "/"))
		_, _ = w.Write(bomb.Bytes())
	})
	for _, coding := range []string{"gzip", "br", "identity,gzip"} {
		if b, err := c.Resolve(url + "/" + coding); b != nil || err == nil || !strings.Contains(err.Error(), "compressed") {
			t.Errorf("%s: %d bytes: %v", coding, len(b), err)
		}
	}
	if b, err := c.Resolve(url + "/identity"); !bytes.Equal(b, bomb.Bytes()) {
		t.Errorf("%d bytes: %v", len(b), err)
	}
}

func TestHeaderSizeIsLimited(t *testing.T) {
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X", strings.Repeat("a", 2*maxHeader))
	})
	if b, err := c.Resolve(url); err == nil {
		t.Errorf("%d bytes", len(b))
	}
}

// A request to a slow server must time out, whether the header or the body of the response is slow.
func TestSlowServersTimeOut(t *testing.T) {
	stop := make(chan struct{})
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/body":
			_, _ = w.Write([]byte("{"))
			_ = http.NewResponseController(w).Flush()
		case "/round":
			http.Redirect(w, r, "/header", http.StatusFound)
			return
		}
		<-stop
	}, func(o *Options) { o.Timeout = 50 * time.Millisecond })
	defer close(stop)
	for _, path := range []string{"/header", "/body", "/round"} {
		if b, err := c.Resolve(url + path); !errors.Is(err, errSlow) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %q %v", path, b, err)
		}
	}
}

func TestRedirectsShareOneTimeout(t *testing.T) {
	stop := make(chan struct{})
	c, url := serve(
		t,
		func(http.ResponseWriter, *http.Request) { <-stop },
		func(o *Options) { o.Timeout, o.Total = time.Hour, 50*time.Millisecond },
	)
	defer close(stop)
	if _, err := c.Resolve(url); !errors.Is(err, errSlow) && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestCallersCanCancel(t *testing.T) {
	stop, arrived := make(chan struct{}), make(chan struct{})
	c, url := serve(t, func(http.ResponseWriter, *http.Request) { close(arrived); <-stop })
	defer close(stop)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if _, err := c.For(ctx).Resolve(url); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestRedirectsFollowTheRules(t *testing.T) {
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var n, code int
		if k, _ := fmt.Sscanf(r.URL.Path, "/%d/%d", &code, &n); k == 2 && n > 0 {
			w.Header().Set("Location", fmt.Sprintf("../%d/%d", code, n-1))
			w.WriteHeader(code)
			return
		}
		if to := r.URL.Query().Get("to"); to != "" {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
			return
		}
		if r.URL.Path == "/loop" {
			http.Redirect(w, r, "/loop", http.StatusFound)
			return
		}
		_, _ = w.Write([]byte("{}"))
	})
	for _, code := range []int{301, 302, 303, 307, 308} {
		if b, err := c.Resolve(fmt.Sprintf("%s/%d/5", url, code)); string(b) != "{}" {
			t.Errorf("%d: %v", code, err)
		}
		if b, err := c.Resolve(fmt.Sprintf("%s/%d/6", url, code)); err == nil ||
			!strings.Contains(err.Error(), "more than 5 redirects") {
			t.Errorf("%d: %q %v", code, b, err)
		}
	}
	host := strings.TrimPrefix(url, "https://")
	for to, want := range map[string]string{
		"/301/9":                                 "more than 5",
		"/loop":                                  "more than 5",
		"http://" + host:                         "not https",
		"ftp://" + host:                          "not https",
		"file:///etc/passwd":                     "not https",
		"https://me:secret@" + host:              "user name",
		"https://":                               "no host",
		"https://" + host + "/%zz":               "cannot follow",
		url + "/?" + strings.Repeat("a", maxURL): "longer than",
		"https://" + host + "/?to=http%3A%2F%2Fa/": "not https",
	} {
		if b, err := c.Resolve(url + "/?to=" + escape(to)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q %v, want %s", to, b, err, want)
		}
	}
}

// A public server must not redirect the Client to a private network.
func TestRedirectsToPrivateAddressesAreRejected(t *testing.T) {
	inside := 0
	_, private := serve(t, func(http.ResponseWriter, *http.Request) { inside++ })
	private = strings.Replace(private, "127.0.0.1", "127.0.0.2", 1)
	c, url := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, private, http.StatusFound) })
	open := netip.MustParseAddr("127.0.0.1") // the test treats this address as public
	c.allowed = func(a netip.Addr) bool { return a == open }
	if _, err := c.Resolve(url); !errors.Is(err, errPrivate) || inside > 0 {
		t.Errorf("%v, %d requests inside", err, inside)
	}
}

func TestInvalidURLsAreNotFetched(t *testing.T) {
	c, url := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("somebody was asked") })
	host := strings.TrimPrefix(url, "https://")
	for _, u := range []string{"", "http://" + host, "//" + host, host, "file:///etc/passwd", "https://me@" + host,
		"https://:secret@" + host, "https:" + host, "https://", "https:///a", "https://:443/",
		"did:web:" + host, "https://" + host + "/%zz", url + "/\n", url + "/" + strings.Repeat("a", maxURL)} {
		if b, err := c.Resolve(u); err == nil || errors.Is(err, openbadge.ErrNotFound) || errors.Is(err, openbadge.ErrGone) {
			t.Errorf("%.60q: %q %v", u, b, err)
		}
	}
}

func TestPrivateAddressesAreNotDialled(t *testing.T) {
	c, url := serve(
		t,
		func(http.ResponseWriter, *http.Request) { t.Error("somebody was asked") },
		func(o *Options) { o.AllowPrivate = false },
	)
	port := url[strings.LastIndex(url, ":"):]
	for _, host := range []string{
		"127.0.0.1",
		"localhost",
		"[::1]",
		"[::ffff:127.0.0.1]",
		"0.0.0.0",
		"[::]",
		"127.9.9.9",
		"10.0.0.1",
		"169.254.169.254",
		"[fe80::1%25lo]",
	} {
		if _, err := c.Resolve("https://" + host + port); !errors.Is(err, errPrivate) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestSpecialAddressesAreNotPublic(t *testing.T) {
	for want, all := range map[bool][]string{
		true: {"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1",
			"192.0.1.1", "192.167.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.255",
			"2001:200::1", "2606:4700::1111", "2a00::1", "3fff:1000::"},
		false: {"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1",
			"127.255.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1",
			"192.88.99.1",
			"192.168.1.1",
			"198.18.0.1",
			"198.19.255.255",
			"198.51.100.1",
			"203.0.113.1",
			"224.0.0.1",
			"239.1.1.1",
			"240.0.0.1",
			"255.255.255.255",
			"::",
			"::1",
			"::ffff:1.1.1.1",
			"::ffff:127.0.0.1",
			"::127.0.0.1",
			"64:ff9b::1.1.1.1",
			"64:ff9b:1::1",
			"100::1",
			"fc00::1",
			"fd12::1",
			"fe80::1",
			"fe80::1%eth0",
			"fec0::1",
			"ff02::1",
			"2001::1",
			"2001:1ff::1",
			"2001:db8::1", "2002:7f00:1::", "3fff::1", "4000::1", "5f00::1", "2a00::1%eth0"},
	} {
		for _, s := range all {
			if IsPublic(netip.MustParseAddr(s)) != want {
				t.Errorf("%s: public: %v", s, !want)
			}
		}
	}
	if IsPublic(netip.Addr{}) {
		t.Error("the zero address is public")
	}
}

func TestUntrustedCertificatesAreRejected(t *testing.T) {
	c, url := serve(
		t,
		func(http.ResponseWriter, *http.Request) { t.Error("somebody was asked") },
		func(o *Options) { o.RootCAs = x509.NewCertPool() },
	)
	if _, err := c.Resolve(url); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}
