package enrol

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/policy"
)

// joinMachine enrols a machine and returns the machine's certificate.
func (b *bench) joinMachine(id policy.MachineID) *x509.Certificate {
	b.t.Helper()
	if _, err := b.Machines.Add(b.t.Context(), admin, id); err != nil {
		b.t.Fatal(err)
	}
	j := b.joiner(false)
	answer, err := b.joins().join(b.t.Context(), j.ask(), j.channel)
	if err != nil {
		b.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(answer.Certificate)
	if err != nil {
		b.t.Fatal(err)
	}
	return cert
}

// The table lists, for each route of the machines' listener, the expected response to a computer without a certificate.
// In the table, "refused" means status 403 with the code not-a-machine. A route that the table does not name fails the
// test.
func TestListenerAnswersOnlyMachinesWithACertificate(t *testing.T) {
	const refused = "not-a-machine"
	want := map[string]string{
		"GET /machine/v1/site": "", "GET /machine/v1/time": "request", "POST /machine/v1/code": "request",
		"POST /machine/v1/join": "request", "POST /machine/v1/renew": "request",
		"GET /machine/v1/manifest": refused, "GET /machine/v1/chunks/{sha}": refused,
		"GET /machine/v1/chunks/{sha}/parts": refused, "POST /machine/v1/chunks/{sha}/parts": refused,
		"POST /machine/v1/returned/policy": refused, "POST /machine/v1/returned/manifest": refused,
		"GET /machine/v1/credentials/{sha}": refused, "GET /machine/v1/card-keys": refused,
	}
	b := newBench(t, func(o *Options) {
		o.Bundle = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		o.Credential = nil
	})
	cert := b.joinMachine("laser")
	others := map[string]*x509.Certificate{"of another hub": newBench(t).joinMachine("laser"),
		"with copied content and a forged signature": forgeCert(t, cert)}
	routes := []string{}
	for route := range b.Listener.public.handlers() {
		routes = append(routes, route)
	}
	for route := range b.Listener.machines.handlers() {
		routes = append(routes, route)
	}
	if len(routes) != len(want) {
		t.Errorf("%d routes, %d are decided", len(routes), len(want))
	}
	for _, route := range routes {
		code, decided := want[route]
		if !decided {
			t.Errorf("%s: nobody decided who may", route)
			continue
		}
		if got := b.request(route, nil); got.Header().Get(CodeHeader) != code || code == refused && got.Code != 403 {
			t.Errorf("%s without a certificate: %d %q, want %q", route, got.Code, got.Header().Get(CodeHeader), code)
		}
		if code != refused {
			continue
		}
		for name, other := range others {
			if got := b.request(route, other); got.Code != 403 || got.Header().Get(CodeHeader) != refused {
				t.Errorf("%s with a certificate %s: %d %q", route, name, got.Code, got.Header().Get(CodeHeader))
			}
		}
		if got := b.request(route, cert); got.Header().Get(CodeHeader) == refused {
			t.Errorf("%s with the certificate of a machine: %d %q", route, got.Code, got.Header().Get(CodeHeader))
		}
	}
	b.checkRefused(t, cert, want)
}

// forgeCert returns a copy of a certificate that is signed with a key other than the authority's.
func forgeCert(t *testing.T, of *x509.Certificate) *x509.Certificate {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	authority := &x509.Certificate{Subject: of.Issuer, RawSubject: of.RawIssuer, SubjectKeyId: of.AuthorityKeyId}
	der, err := x509.CreateCertificate(rand.Reader, of, authority, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil || out.SerialNumber.Cmp(of.SerialNumber) != 0 {
		t.Fatal(out, err)
	}
	return out
}

// checkRefused checks that every route for machines refuses a certificate that has expired or belongs to a revoked
// machine.
func (b *bench) checkRefused(t *testing.T, cert *x509.Certificate, routes map[string]string) {
	t.Helper()
	now := b.now
	b.now = cert.NotAfter.Add(time.Second)
	for route, code := range routes {
		got := b.request(route, cert)
		if code == "not-a-machine" && (got.Code != 403 || got.Header().Get(CodeHeader) != "expired") {
			t.Errorf("%s with an expired certificate: %d %q", route, got.Code, got.Header().Get(CodeHeader))
		}
	}
	b.now = now
	m, err := b.Machines.Get(t.Context(), admin, "laser")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Machines.Revoke(t.Context(), actor.Local("root"), "laser", m.Version, "sold"); err != nil {
		t.Fatal(err)
	}
	for route, code := range routes {
		if got := b.request(route,
			cert); code == "not-a-machine" && (got.Code != 403 || got.Header().Get(CodeHeader) != code) {
			t.Errorf("%s of a revoked machine: %d %q", route, got.Code, got.Header().Get(CodeHeader))
		}
	}
}

// request sends an empty request with a client certificate, as after a TLS handshake. If cert is nil, the request has
// no certificate.
func (b *bench) request(route string, cert *x509.Certificate) *httptest.ResponseRecorder {
	method, path, _ := strings.Cut(route, " ")
	r := httptest.NewRequest(method, strings.ReplaceAll(path, "{sha}", strings.Repeat("0", 64)), strings.NewReader(""))
	r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13}
	if cert != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{cert}
	}
	w := httptest.NewRecorder()
	b.Listener.Handler().ServeHTTP(w, r)
	return w
}
