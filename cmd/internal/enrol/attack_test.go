package enrol

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"portillon/cmd/internal/hublink"
	"portillon/wire"
)

// eavesdropper terminates TLS with its own certificate and records all data that it reads.
type eavesdropper struct {
	*httptest.Server
	mu    sync.Mutex
	heard bytes.Buffer
	paths []string
}

// In the response to the request «site», eavesdrop replaces the hub's identity by the result of answer; it forwards all
// other requests to the hub.
func eavesdrop(
	t *testing.T,
	w *world,
	cert *tls.Certificate,
	answer func(wire.HubIdentity) wire.HubIdentity,
) *eavesdropper {
	t.Helper()
	x := &eavesdropper{}
	real, err := hublink.Identity(t.Context(), nil, w.MachinesAddr())
	if err != nil {
		t.Fatal(err)
	}
	x.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		x.mu.Lock()
		r.Header.Write(&x.heard)
		x.heard.Write(b)
		x.paths = append(x.paths, r.Method+" "+r.URL.Path)
		x.mu.Unlock()
		if r.URL.Path == wire.JoinPath+"site" {
			json.NewEncoder(rw).Encode(answer(real))
			return
		}
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		req, _ := http.NewRequestWithContext(
			r.Context(),
			r.Method,
			"https://"+w.MachinesAddr()+r.URL.Path,
			bytes.NewReader(b),
		)
		resp, err := c.Do(req)
		if err != nil {
			return
		}
		defer resp.Body.Close()
		rw.WriteHeader(resp.StatusCode)
		io.Copy(rw, resp.Body)
	}))
	x.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	if cert != nil {
		x.TLS.Certificates = []tls.Certificate{*cert}
	}
	x.Config.ErrorLog = nil
	x.StartTLS()
	t.Cleanup(x.Close)
	return x
}

// certificate returns a certificate for the hub's name, signed by an authority of the attacker.
func certificate(t *testing.T, name string) (ca []byte, cert *tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der, &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// An attacker who is between the machine and its hub, or who impersonates the hub, can read only the machine's first
// question, who the hub is.
func TestSecretsAreSentOnlyToTheVerifiedHub(t *testing.T) {
	w := newWorld(t)
	ca, cert := certificate(t, "hub.test")
	_, otherKey := key(t, "portillon:site:big")
	_, otherHub := key(t, "portillon:hub:big")
	for name, c := range map[string]struct {
		cert   *tls.Certificate
		answer func(wire.HubIdentity) wire.HubIdentity
		handed bool // the hub's real keys are forwarded, so that only TLS can detect the attacker
	}{
		"a proxy that passes the hub's keys on": {nil, func(id wire.HubIdentity) wire.HubIdentity { return id }, true},
		"the same with the hub's name":          {cert, func(id wire.HubIdentity) wire.HubIdentity { return id }, true},
		"the same under another name": {cert,
			func(id wire.HubIdentity) wire.HubIdentity { id.Name = "example.com"; return id }, true},
		"a proxy with an authority of its own": {cert, func(id wire.HubIdentity) wire.HubIdentity { id.CA = ca; return id },
			false},
		"a hub with a policy key of its own": {cert,
			func(id wire.HubIdentity) wire.HubIdentity { id.PolicyKey = otherKey; return id }, false},
		"a hub with a hub key of its own": {cert,
			func(id wire.HubIdentity) wire.HubIdentity { id.HubKey = otherHub; return id }, false},
		"a hub of another site": {cert, func(id wire.HubIdentity) wire.HubIdentity { id.Site = "other"; return id },
			false},
		"a hub that answers nothing": {cert, func(wire.HubIdentity) wire.HubIdentity { return wire.HubIdentity{} }, false},
	} {
		code := w.code("laser", false)
		x := eavesdrop(t, w, c.cert, c.answer)
		e, _ := w.enrolment(t, code.Text)
		e.Address = x.Listener.Addr().String()
		err := e.Run(t.Context())
		if err == nil || errors.Is(err, hublink.ErrOtherHub) == c.handed {
			t.Errorf("%s: %v", name, err)
		}
		parsed, perr := wire.ParseJoinCode(code.Text)
		if perr != nil {
			t.Fatal(perr)
		}
		x.mu.Lock()
		heard := strings.ToLower(x.heard.String())
		if strings.Contains(heard, parsed.SecretText()) || strings.Contains(heard, "portillon:machine") ||
			len(x.paths) != 1 ||
			x.paths[0] != "GET "+wire.JoinPath+"site" {
			t.Errorf("%s: it heard %q\n%s", name, x.paths, heard)
		}
		x.mu.Unlock()
	}
}

// The hub rejects a request that was signed for another connection, so an eavesdropper cannot send the request again.
func TestSignedRequestsAreBoundToTheirConnection(t *testing.T) {
	w := newWorld(t)
	e, c := w.enrolled(t, "laser")
	signer, _, err := c.Signer(e.store())
	if err != nil {
		t.Fatal(err)
	}
	public, err := hublink.NewKey(c.HubDir())
	if err != nil {
		t.Fatal(err)
	}
	post := func(channel string) int {
		signed, err := wire.SignRenew(wire.Renew{Site: "big", Machine: "laser", Channel: channel, TLSKey: public}, signer)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := json.Marshal(wire.RenewAsk{Machine: "laser", Signed: signed})
		resp, err := insecure().Post("https://"+w.MachinesAddr()+wire.JoinPath+"renew", "application/json",
			bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for _, channel := range []string{"", strings.Repeat("00", 32)} {
		if got := post(channel); got != http.StatusForbidden {
			t.Errorf("%q: %d", channel, got)
		}
	}
}

func insecure() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

// Manifest, chunks and credentials contain names of members, so only enrolled machines may read them.
func TestBundleIsOnlyForEnrolledMachines(t *testing.T) {
	w := newWorld(t)
	e, c := w.enrolled(t, "laser")
	stranger := insecure()
	_, forged := certificate(t, "laser")
	impostor := &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*forged}},
		},
	}
	other := newWorld(t)
	oe, oc := other.enrolled(t, "laser")
	pair, err := tls.LoadX509KeyPair(oc.HubDir()+"/machine.crt", oc.HubDir()+"/machine.key")
	if err != nil {
		t.Fatal(err)
	}
	_ = oe
	neighbour := &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}},
		},
	}
	m, err := (wire.Store{Dir: c.Data + "/bundle", Site: "big"}).Signed()
	if err != nil {
		t.Fatal(err)
	}
	sha := wire.Hash(m)
	for who, client := range map[string]*http.Client{"a stranger": stranger, "a forged certificate": impostor,
		"another hub's machine": neighbour} {
		for _, path := range []string{"manifest", "chunks/" + sha, "credentials/" + sha} {
			resp, err := client.Get("https://" + w.MachinesAddr() + wire.JoinPath + path)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s gets %s: %s", who, path, resp.Status)
			}
		}
	}
	if _, err := e.link(t, c, true).Manifest(t.Context()); err != nil {
		t.Error(err)
	}
}

// After ten wrong secrets every open code is invalid.
func TestTenWrongSecretsInvalidateEveryOpenCode(t *testing.T) {
	w := newWorld(t)
	code := w.code("laser", false)
	guess := func(secret string) int {
		body, _ := json.Marshal(wire.CodeAsk{Secret: secret})
		resp, err := insecure().Post("https://"+w.MachinesAddr()+wire.JoinPath+"code", "application/json",
			bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for range 9 {
		if guess("0000000000000") != http.StatusForbidden {
			t.Fatal("a wrong secret was taken")
		}
	}
	for _, malformed := range []string{"", "x", strings.Repeat("0", 12), strings.Repeat("0", 14),
		strings.Repeat("0", 100000)} {
		if got := guess(malformed); got == http.StatusOK {
			t.Errorf("%.20q: %d", malformed, got)
		}
	}
	w.clock.add(time.Minute) // wait, because the hub limits the number of attempts per second
	e, _ := w.enrolment(t, code.Text)
	parsed, _ := wire.ParseJoinCode(code.Text)
	if got := guess(parsed.SecretText()); got != http.StatusOK {
		t.Errorf("after nine: %d", got)
	}
	guess("0000000000001")
	if err := e.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "too many wrong codes") {
		t.Error(err)
	}
	for range 30 {
		guess("0000000000000")
	}
	w.clock.add(time.Minute)
	again, out := w.enrolment(t, w.code("laser", false).Text) // a new code allows ten new attempts
	if err := again.Run(t.Context()); err != nil {
		t.Error(err, out)
	}
}

// deadDial simulates a network on which no address answers.
func deadDial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("network is unreachable")
}
