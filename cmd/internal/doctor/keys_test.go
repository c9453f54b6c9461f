//go:build linux

package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/daemoncmd"
	"portillon/daemon/control"
	"portillon/policy"
)

func TestKeysOfTheMachineAreComparedWithTheKeysInHubYaml(t *testing.T) {
	public := func(name string) string {
		_, v, err := note.GenerateKey(rand.Reader, name)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	site, own := public("portillon-biklab"), public("laser.biklab")
	c, s := healthyPi(t)
	c.Bundle.Key, c.MQTT.HubKey = site, site
	well := Pinned{File: "hub.yaml", Machine: own, Bundle: site, Hub: site, Own: own}
	for _, x := range []struct {
		name   string
		change func(*Pinned)
		state  State
		names  []string
	}{
		{"all as they should be", func(*Pinned) {}, Well, nil},
		{"another machine key", func(p *Pinned) { p.Machine = public("vinyl.biklab") }, Ill,
			[]string{"laser.biklab+", "vinyl.biklab+"}},
		{"another site key", func(p *Pinned) { p.Bundle = public("portillon-other") }, Ill,
			[]string{"portillon-biklab+", "portillon-other+"}},
		{"another hub key", func(p *Pinned) { p.Hub = public("the-hub") }, Ill, []string{"portillon-biklab+", "the-hub+"}},
		{"a hub that does not know the machine", func(p *Pinned) { p.Machine = "" }, Ill, []string{own}},
	} {
		p := well
		x.change(&p)
		s.Hub = func() (Pinned, error) { return p, nil }
		checkKeys(t, x.name, c, s, x.state, x.names)
	}
	s.Hub = func() (Pinned, error) { return Pinned{}, errors.New("damaged") }
	checkKeys(t, "a hub.yaml that cannot be read", c, s, Unknown, []string{"damaged"})
}

func checkKeys(t *testing.T, name string, c daemoncmd.Config, s System, want State, names []string) {
	t.Helper()
	said, state := "", State(255)
	for _, f := range Examine(t.Context(), c, s) {
		if f.Look == "keys" {
			state = f.State
			for _, l := range []policy.Language{policy.French, policy.English} {
				for _, n := range names {
					if !strings.Contains(f.Fact.In(l)+f.Cure.In(l), n) {
						t.Errorf("%s: %q does not name %q", name, f.Fact.In(l), n)
					}
				}
			}
			said += f.Fact.EN
		}
	}
	if state != want {
		t.Errorf("%s: %d %q, want %d", name, state, said, want)
	}
}

func TestDoctorReportsTheReasonForWhichTheMachineRejectsABundle(t *testing.T) {
	c, s := healthyPi(t)
	s.Status = func(context.Context) (control.Status, error) {
		return control.Status{Reader: true, BundleRefused: "card key 1a2b3c4d, here 5e6f7a8b"}, nil
	}
	for _, f := range Examine(t.Context(), c, s) {
		if f.Look == "bundle" && f.State == Ill && strings.Contains(f.Fact.FR, "1a2b3c4d") {
			return
		}
	}
	t.Error("not shown")
}
