package enrol

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/wire"
)

// joiner is a computer in a test that joins with a code.
type joiner struct {
	t       *testing.T
	signer  note.Signer
	public  string
	tlsKey  []byte
	channel []byte
	join    wire.Join
	secret  string
}

func (b *bench) joiner(replace bool) *joiner {
	b.t.Helper()
	c, err := b.Codes.New(b.t.Context(), admin, "laser", replace)
	if err != nil {
		b.t.Fatal(err)
	}
	code, err := wire.ParseJoinCode(c.Text)
	if err != nil {
		b.t.Fatal(err)
	}
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	j := &joiner{t: b.t, channel: make([]byte, wire.ChannelSize), secret: code.SecretText()}
	rand.Read(j.channel)
	if j.tlsKey, err = x509.MarshalPKIXPublicKey(k.Public()); err != nil {
		b.t.Fatal(err)
	}
	j.named("portillon:machine:laser.biklab")
	j.join = wire.Join{
		Site:    "biklab",
		Machine: "laser",
		Channel: hex.EncodeToString(j.channel),
		TLSKey:  j.tlsKey,
		Replace: replace,
	}
	return j
}

func (j *joiner) named(name string) {
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		j.t.Fatal(err)
	}
	if j.signer, err = note.NewSigner(private); err != nil {
		j.t.Fatal(err)
	}
	j.public = public
}

func (j *joiner) ask() wire.JoinAsk {
	signed, err := wire.SignJoin(j.join, j.signer)
	if err != nil {
		j.t.Fatal(err)
	}
	return wire.JoinAsk{Secret: j.secret, Key: j.public, Signed: signed}
}

func TestJoinRefusesARequestThatDoesNotMatchItsCode(t *testing.T) {
	if testing.Short() {
		t.Skip("short: signs many certificates")
	}
	b := newBench(t)
	if _, err := b.Machines.Add(t.Context(), admin, "laser"); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*joiner){
		"a replacement with a code for a first enrolment": func(j *joiner) { j.join.Replace = true },
		"another machine":              func(j *joiner) { j.join.Machine = "vinyl" },
		"another site":                 func(j *joiner) { j.join.Site = "elsewhere" },
		"a key of another machine":     func(j *joiner) { j.named("portillon:machine:vinyl.biklab") },
		"a key of a hub":               func(j *joiner) { j.named("portillon:hub:biklab") },
		"a key whose name has no kind": func(j *joiner) { j.named("laser.biklab") },
		"another connection":           func(j *joiner) { j.channel[0]++ },
		"no TLS key":                   func(j *joiner) { j.join.TLSKey = nil },
		"no secret":                    func(j *joiner) { j.secret = "" },
		"a key that did not sign": func(j *joiner) {
			was := j.signer
			j.named("portillon:machine:laser.biklab")
			j.signer = was
		},
	} {
		j := b.joiner(false)
		change(j)
		if _, err := b.joins().join(t.Context(), j.ask(), j.channel); err == nil {
			t.Errorf("%s was taken", what)
		}
		if all, err := b.Machines.Enrolled(t.Context()); err != nil || len(all) != 0 {
			t.Fatalf("%s: %+v %v", what, all, err)
		}
	}
}

func TestJoinCallsApplyWithTheNewMachineImmediately(t *testing.T) {
	var force []Enrolled
	b := newBench(t, func(o *Options) {
		o.Apply = func(_ context.Context, all []Enrolled) error { force = all; return nil }
	})
	if _, err := b.Machines.Add(t.Context(), admin, "laser"); err != nil {
		t.Fatal(err)
	}
	j := b.joiner(false)
	answer, err := b.joins().join(t.Context(), j.ask(), j.channel)
	if err != nil || answer.CardKey != strings.Repeat("5a", 16) || answer.Username != "laser" ||
		answer.Broker != "ssl://hub.test:8883" {
		t.Fatal(answer, err)
	}
	if len(force) != 1 || force[0].Public != j.public || force[0].Password != sha256.Sum256([]byte(answer.Password)) ||
		force[0].Revoked {
		t.Fatalf("%+v", force)
	}
	cert, err := x509.ParseCertificate(answer.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if id, expired, err := b.certs().machineOf(t.Context(), cert); id != "laser" || expired || err != nil {
		t.Error(id, expired, err)
	}
	b.now = b.now.Add(machineLife + time.Second)
	if _, expired, err := b.certs().machineOf(t.Context(), cert); !expired || err != nil {
		t.Error(expired, err)
	}
	if _, err := b.Codes.New(t.Context(), admin, "laser", false); err == nil {
		t.Error("a code for a new machine was made for one that is enrolled")
	}
	next := b.joiner(true)
	if _, err := b.joins().join(t.Context(), next.ask(), next.channel); err != nil || force[0].Replacing != "Ada" ||
		force[0].Public != next.public {
		t.Errorf("%+v %v", force, err)
	}
	if _, _, err := b.certs().machineOf(t.Context(), cert); !errors.Is(err, errNotMachine) {
		t.Error("the certificate of the computer before counts: ", err)
	}
	if err := b.Machines.Replaced(t.Context(), "laser"); err != nil {
		t.Fatal(err)
	}
	all, err := b.Machines.Enrolled(t.Context())
	if err != nil || all[0].Replacing != "" {
		t.Errorf("%+v %v", all, err)
	}
	m, _ := b.Machines.Get(t.Context(), admin, "laser")
	if err := b.Machines.Revoke(t.Context(), admin, "laser", m.Version, "sold"); err != nil || !force[0].Revoked ||
		force[0].Password != [32]byte{} {
		t.Errorf("%+v %v", force, err)
	}
	if _, _, err := b.joins().keyOf(t.Context(), "laser"); !errors.Is(err, errNotMachine) {
		t.Error("a revoked machine may renew: ", err)
	}
}
