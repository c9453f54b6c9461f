package enrol

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portillon/cmd/internal/hublink"
	"portillon/policy"
	"portillon/wire"
)

// A machine that was off for a year has an expired certificate. The machine renews the certificate with a proof of its
// key, without an administrator.
func TestMachineThatWasOffForAYearRenewsItsCertificate(t *testing.T) {
	w := newWorld(t)
	e, c := w.enrolled(t, "laser")
	before := e.link(t, c, true)
	if before.Due() {
		t.Error("a new certificate is due")
	}
	w.clock.add(61 * 24 * time.Hour)
	if !before.Due() {
		t.Error("after two thirds of its life the certificate is not due")
	}
	w.clock.add(340 * 24 * time.Hour)
	l := e.link(t, c, true)
	if _, err := l.Manifest(t.Context()); err != nil {
		t.Fatal(err)
	}
	if l.Due() {
		t.Error("the certificate was not renewed")
	}
	if again := e.link(t, c, true); again.Due() {
		t.Error("the new certificate is not on the disk")
	}
	if !e.mqtt(t, w, c).connect() {
		t.Error("the broker is not verified")
	}
	m, err := w.Enrol().Machines.Get(t.Context(), admin, "laser")
	if err != nil || m.Expires.Sub(w.clock.Now()) < 89*24*time.Hour {
		t.Errorf("%v %v", m.Expires, err)
	}
}

func TestLostCertificateIsRenewedByTheMachinesKey(t *testing.T) {
	w := newWorld(t)
	e, c := w.enrolled(t, "laser")
	if err := os.Remove(filepath.Join(c.HubDir(), "machine.crt")); err != nil {
		t.Fatal(err)
	}
	l := e.link(t, c, true)
	if !l.Due() {
		t.Error("a certificate that is missing is not due")
	}
	if err := l.Renew(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Manifest(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMachineFindsAHubThatWasOffForAWeek(t *testing.T) {
	w := newWorld(t)
	e, c := w.enrolled(t, "laser")
	l := e.link(t, c, true)
	w.stop()
	if err := l.Find(t.Context()); err == nil {
		t.Error("a hub that is off was found")
	}
	w.clock.add(7 * 24 * time.Hour)
	w.start()
	if err := l.Find(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := l.Manifest(t.Context()); err != nil {
		t.Error(err)
	}
	if !e.mqtt(t, w, c).connect() {
		t.Error("the broker is closed to the machine")
	}
}

// fixedFinder is a Finder with fixed answers.
type fixedFinder []string

func (f fixedFinder) Find(context.Context) ([]string, error) { return f, nil }

func TestHubAtANewAddressIsIdentifiedByItsAuthorityAndName(t *testing.T) {
	w := newWorld(t)
	e, c := w.enrolled(t, "laser")
	other := newWorld(t) // another hub, of a site with the same name
	w.stop()
	w.config.Join.Listen, w.config.MQTT.Listen = "127.0.0.1:0", "127.0.0.1:0"
	hold, err := net.Listen("tcp", c.Hub.Address) // the port stays occupied, so that the hub chooses another port
	if err != nil {
		t.Fatal(err)
	}
	w.start()
	if err := hold.Close(); err != nil {
		t.Fatal(err)
	}
	host := func() *hublink.Link {
		signer, _, err := c.Signer(e.store())
		if err != nil {
			t.Fatal(err)
		}
		l, err := hublink.Open(
			hublink.Config{Dir: c.HubDir(), Site: "big", Machine: "laser", Name: c.Hub.Name, Address: c.Hub.Address,
				Signer: signer, Now: w.clock.Now, Trusted: func() bool { return true },
				Finder: fixedFinder{"127.0.0.1:1", other.MachinesAddr(), w.MachinesAddr()}},
		)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := host()
	if err := l.Move(t.Context(), other.MachinesAddr()); err == nil {
		t.Error("another hub was taken")
	}
	if err := l.Find(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Manifest(t.Context()); err != nil {
		t.Error(err)
	}
	if again := host(); again.Address() != w.MachinesAddr() {
		t.Errorf("the next start asks at %s", again.Address())
	}
	if got := l.Resolve("hub.test:8883"); got != "127.0.0.1:8883" {
		t.Error(got)
	}
	if got := l.Resolve("elsewhere.test:8883"); got != "elsewhere.test:8883" {
		t.Error(got)
	}
}

// The command portillond enrol --hub ADDRESS needs no code, and accepts only the hub at which the machine was enrolled.
func TestMovedHubIsAcceptedWithoutACode(t *testing.T) {
	w := newWorld(t)
	e, c := w.enrolled(t, "laser")
	other := newWorld(t)
	if err := e.Move(t.Context(), other.MachinesAddr(), nil); err == nil {
		t.Error("another hub was taken")
	}
	w.stop()
	w.config.Join.Listen = "127.0.0.1:0"
	w.start()
	if err := e.Move(t.Context(), "https://"+w.MachinesAddr(), nil); err != nil {
		t.Fatal(err)
	}
	if l := e.link(t, c, true); l.Address() != w.MachinesAddr() {
		t.Error(l.Address())
	}
	if err := e.Move(t.Context(), "", fixedFinder{other.MachinesAddr(), w.MachinesAddr()}); err != nil {
		t.Error(err)
	}
	if err := e.Move(t.Context(), "", fixedFinder{}); err == nil {
		t.Error("no hub answered, and that was no error")
	}
	e.Dir = "nowhere"
	err := e.Move(t.Context(), "", fixedFinder{})
	if err == nil || !strings.Contains(err.Error(), "contains no enrolled machine") {
		t.Error(err)
	}
}

// A Pi has no clock chip, so at the first boot the clock may show any time.
func TestWrongClockAtFirstBootDoesNotPreventEnrolment(t *testing.T) {
	w := newWorld(t)
	for name, at := range map[policy.MachineID]time.Time{"in-1970": time.Unix(3600, 0),
		"in-2090": time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)} {
		e, out := w.enrolment(t, w.code(name, false).Text)
		wrong := &clock{at: at}
		e.Host = &pi{clock: wrong}
		if err := e.Run(t.Context()); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		c := e.read(t, name)
		l := e.link(t, c, false)
		if l.Due() {
			t.Errorf("%s: a clock that is not trusted says that the certificate is due", name)
		}
		ahead, within, err := l.Time(t.Context())
		if err != nil {
			t.Fatal(name, err)
		}
		if off := (ahead - w.clock.Now().Sub(at)).Abs(); off > time.Second+within {
			t.Errorf("%s: the hub is %v ahead, want %v", name, ahead, w.clock.Now().Sub(at))
		}
		wrong.add(ahead)
		if _, err := e.link(t, c, true).Manifest(t.Context()); err != nil {
			t.Errorf("%s: with the hub's time: %v", name, err)
		}
	}
}

// Once the clock is trusted, the dates of certificates are checked, so that a thief cannot use a hub's old key with the
// key's expired certificate.
func TestDatesOfTheHubsCertificateAreCheckedOnceTheClockIsTrusted(t *testing.T) {
	w := newWorld(t)
	e, c := w.enrolled(t, "laser")
	e.Host = &pi{clock: &clock{at: w.clock.Now().Add(3 * 365 * 24 * time.Hour)}}
	if _, err := e.link(t, c, true).Manifest(t.Context()); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Error(err)
	}
	if _, err := e.link(t, c, false).Manifest(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTimeNotSignedByTheHubIsRejected(t *testing.T) {
	w := newWorld(t)
	e, c := w.enrolled(t, "laser")
	_, other := key(t, "portillon:hub:big")
	c.MQTT.HubKey = other
	if _, _, err := e.link(t, c, false).Time(t.Context()); !errors.Is(err, wire.ErrBadSignature) {
		t.Error(err)
	}
	e.Dial = deadDial
	if _, _, err := e.link(t, c, false).Time(t.Context()); err == nil {
		t.Error("a hub that is away told the time")
	}
	if _, err := net.ResolveTCPAddr("tcp", c.Hub.Address); err != nil {
		t.Error(err)
	}
}
