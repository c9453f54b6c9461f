package enrol

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/hublink"
	"portillon/hub/actor"
	"portillon/wire"
)

func (e *Enrolment) link(t *testing.T, c daemoncmd.Config, trusted bool) *hublink.Link {
	t.Helper()
	signer, _, err := c.Signer(e.store())
	if err != nil {
		t.Fatal(err)
	}
	l, err := c.HubLinkBy(e.Dial, signer, e.Host.Now, func() bool { return trusted })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// After an enrolment, each file that the unit needs exists, and other users cannot read the secret files.
func TestMachineJoinsTheSiteWithItsCode(t *testing.T) {
	w := newWorld(t)
	e, c := w.enrolled(t, "laser")
	if c.Site != "big" || c.Machine != "laser" || c.Bundle.Key != w.config.Bundle.Public || c.Hub.Name != "hub.test" ||
		c.MQTT.Username != "laser" || c.MQTT.PasswordFile != "credential:mqtt-password" || c.Bundle.File != "" {
		t.Errorf("%+v", c)
	}
	for _, name := range []string{"etc/credstore/portillon.card-key", "etc/credstore/portillon.laser.machine-key",
		"etc/credstore/portillon.laser.mqtt-password", "var/lib/portillon/laser/hub/machine.key"} {
		fi, err := os.Stat(e.path(name))
		if err != nil || fi.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, fi, err)
		}
	}
	s := wire.Store{Dir: filepath.Join(c.Data, "bundle"), Site: "big"}
	if m, err := s.Current(); err == nil || m.Version != 0 {
		t.Log(m.Version, err)
	}
	if _, err := os.Stat(filepath.Join(c.Data, "bundle", "manifest")); err != nil {
		t.Error("the bundle was not fetched: ", err)
	}
	m, err := w.Enrol().Machines.Get(t.Context(), admin, "laser")
	if err != nil || m.Enrolled.IsZero() || m.Fetched != 1 || m.Expires.Sub(w.clock.Now()) < 89*24*time.Hour ||
		len(m.KeyHash) != 16 {
		t.Errorf("%+v %v", m, err)
	}
	_, public, err := c.Signer(e.store())
	if err != nil || public != m.Key {
		t.Errorf("%q %v, the hub has %q", public, err, m.Key)
	}
	if _, err := e.link(t, c, true).Manifest(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestEnrolmentStartsTheUnitOnlyWhenAllFilesExist(t *testing.T) {
	w := newWorld(t)
	e, out := w.enrolment(t, w.code("laser", false).Text)
	host := e.Host.(*pi)
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err, out)
	}
	if len(host.calls) != 0 {
		t.Errorf("%q below another root", host.calls)
	}
	if err := e.restart(t.Context(), e.read(t, "laser")); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(host.calls, ", "); got != "enable portillond@laser, restart portillond@laser" {
		t.Error(got)
	}
}

func TestUsedCodeIsValidOnlyForTheComputerThatUsedItFirst(t *testing.T) {
	w := newWorld(t)
	code := w.code("laser", false).Text
	e, out := w.enrolment(t, code)
	if err := e.Run(t.Context()); err != nil {
		t.Fatal(err, out)
	}
	if err := e.Run(t.Context()); err != nil { // repeat the request with the same key, as after a lost response
		t.Error(err)
	}
	other, _ := w.enrolment(t, code)
	if err := other.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "another computer") {
		t.Error(err)
	}
	if _, err := os.Stat(other.path("etc/portillon/laser.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a machine that was refused has a file")
	}
	w.clock.add(61 * time.Minute)
	if err := e.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "older than an hour") {
		t.Error(err)
	}
}

// swapFirst returns a code with another first character. The check character detects every single wrong character.
func swapFirst(code string) string {
	if code[0] == 'Z' {
		return "Y" + code[1:]
	}
	return "Z" + code[1:]
}

func TestMissingWiringIsReportedBeforeTheCodeIsUsed(t *testing.T) {
	w := newWorld(t)
	code := w.code("laser", false).Text
	for name, change := range map[string]func(*Enrolment){
		"wiring is unknown":          func(e *Enrolment) { e.Wiring = "" },
		"no such file":               func(e *Enrolment) { e.Wiring = "no-such-wiring" },
		"reader.kind: is missing":    func(e *Enrolment) { write(t, e.Wiring, "portillon: 1\nrelay: {}\n") },
		"invalid code for a machine": func(e *Enrolment) { e.Code = swapFirst(code) },
		"leave --replace out":        func(e *Enrolment) { e.Replace = true },
		"hub address":                func(e *Enrolment) { e.Address = "http://127.0.0.1:8443" },
		"is an older key": func(e *Enrolment) {
			p, _ := key(t, "laser.big")
			write(t, e.path("etc/credstore/portillon.laser.machine-key"), p)
		},
		"connection refused": func(e *Enrolment) { e.Address = "127.0.0.1:1" },
	} {
		e, _ := w.enrolment(t, code)
		change(e)
		if err := e.Run(t.Context()); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	e, out := w.enrolment(t, code)
	if err := e.Run(t.Context()); err != nil {
		t.Error("the code was used up: ", err, out)
	}
}

// A revoked machine can no longer send requests to the hub, use its account at the broker, or use its codes.
func TestRevokedMachineLosesAllAccess(t *testing.T) {
	w := newWorld(t)
	e, c := w.enrolled(t, "laser")
	l := e.link(t, c, true)
	mq := e.mqtt(t, w, c)
	if !mq.connect() {
		t.Fatal("the machine cannot connect to the broker")
	}
	m, err := w.Enrol().Machines.Get(t.Context(), admin, "laser")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Enrol().Machines.Revoke(t.Context(), admin, "laser", m.Version, "stolen"); err != nil {
		t.Fatal(err)
	}
	mq.awaitLost()
	if mq.connect() {
		t.Error("a revoked machine connected to the broker")
	}
	var refused *hublink.Refused
	if _, err := l.Manifest(t.Context()); !errors.As(err, &refused) || refused.Code != "not-a-machine" {
		t.Error(err)
	}
	if err := l.Renew(t.Context()); !errors.As(err, &refused) || refused.Code != "not-a-machine" {
		t.Error("renew: ", err)
	}
	held, err := w.Enrol().Machines.Held(t.Context(), admin, "laser")
	if err != nil || held.Bundle != 1 || len(held.Members) != 1 || !held.CardKey {
		t.Errorf("%+v %v", held, err)
	}
	w.stop()
	w.start() // the machine is still revoked after a restart of the hub
	if _, err := l.Manifest(t.Context()); !errors.As(err, &refused) {
		t.Error(err)
	}
	if mq.connect() {
		t.Error("a revoked machine connected to the broker after the hub's restart")
	}
	if err := w.Enrol().Orders.Stop(t.Context(), actor.Local("root"), "laser"); err == nil {
		t.Error("a command was given to a revoked machine")
	}
}

func TestEnrolledMachinesStayEnrolledAfterARestart(t *testing.T) {
	w := newWorld(t)
	e, c := w.enrolled(t, "laser")
	w.stop()
	w.start()
	if !e.mqtt(t, w, c).connect() {
		t.Error("the account is gone")
	}
	if _, err := e.link(t, c, true).Manifest(t.Context()); err != nil {
		t.Error(err)
	}
}
