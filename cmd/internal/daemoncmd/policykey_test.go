package daemoncmd

import (
	"crypto/rand"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon"
	"portillon/keykind"
	"portillon/policy"
)

func publicKey(t *testing.T, name string) string {
	t.Helper()
	_, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func TestOneKeySignsPolicyAndBundlesWithoutASeparatePolicyKey(t *testing.T) {
	site, pol := publicKey(t, "portillon:site:biklab"), publicKey(t, "portillon:policy:biklab")
	for name, c := range map[string]struct {
		policy, bundle string
		apart          bool
		bundleKind     keykind.Kind
		said           string
	}{
		"one is named":      {"", site, false, keykind.Site, "one key, “portillon:site:biklab”"},
		"both are the same": {site, site, false, keykind.Site, "one key, “portillon:site:biklab”"},
		"they are two of two": {pol, site, true, keykind.Hub,
			"“portillon:policy:biklab” signs the policy, “portillon:site:biklab” the bundles"},
	} {
		x := Config{PolicyKey: c.policy, Bundle: BundleConfig{Key: c.bundle}}
		if x.PolicyApart() != c.apart || x.bundleKind() != c.bundleKind || !strings.Contains(x.KeySituation().EN, c.said) ||
			x.KeySituation().FR == "" {
			t.Errorf("%s: apart %v, %v, %q", name, x.PolicyApart(), x.bundleKind(), x.KeySituation().EN)
		}
		k, _ := x.readKeys(secrets{})
		if (k.policy != nil) != c.apart {
			t.Errorf("%s: keys: %v", name, k.policy)
		}
		if s := x.store(k); (s.Policy != nil) != c.apart || (x.rosterOptions(k).Policy != nil) != c.apart {
			t.Errorf("%s: the store or the roster does not know the policy key", name)
		}
	}
}

func TestCheckWarnsIfTheHubHasThePolicyKey(t *testing.T) {
	hub, pol := publicKey(t, "portillon:hub:biklab"), publicKey(t, "portillon:policy:biklab")
	c := Config{Site: "biklab", PolicyKey: pol, Bundle: BundleConfig{Key: hub}, MQTT: MQTTConfig{HubKey: hub}}
	if w := c.checkSeparateKey(); w != nil {
		t.Error(w)
	}
	c.MQTT.HubKey = c.PolicyKey
	if w := c.checkSeparateKey(); len(w) != 1 || !strings.Contains(w[0], "whoever breaks into the hub can change the "+
		"policy") {
		t.Error(w)
	}
	bound := &policy.Policy{Model: policy.Model{SignedBindings: true}}
	if w := c.checkBindings(bound); w != nil {
		t.Error(w)
	}
	c.PolicyKey = ""
	if w := c.checkBindings(bound); len(w) != 1 || !strings.Contains(w[0], "policy-key: is missing") {
		t.Error(w)
	}
	if w := c.checkBindings(&policy.Policy{}); w != nil {
		t.Error(w)
	}
}

// If the machine rejects a policy, the panel and the command doctor report the rejection until a valid bundle arrives.
func TestRejectedPolicyIsShownUntilAValidBundleArrives(t *testing.T) {
	s := newThiefSite(t, situations[1])
	v := s.machine()
	good := s.build(1, 5, "policy.yaml", thiefNow, nil)
	v.offerGenuine(good)
	var told daemon.BundleState
	v.k.onState = func(b daemon.BundleState) { told = b }
	f := s.forge(good, thiefNow)
	f.b.Manifest.SignedPolicy = ""
	err := v.offer(f.sign(s))
	v.k.wrongKey.manifest = wrongKeyText(err)
	v.k.setState(v.k.state)
	if !isWrongKey(err) ||
		!strings.Contains(told.Refused, "policy-unsigned: bundle version 2: no policy key has signed the policy") {
		t.Errorf("%v, told %q", err, told.Refused)
	}
	said := (Config{PolicyKey: publicKey(t, "portillon:policy:biklab")}).withExpectedKey(err).Error()
	if !strings.HasSuffix(said, `want "portillon:policy:biklab" (policy-key)`) {
		t.Error(said)
	}
	err = v.offer(s.build(3, 6, "policy.yaml", thiefNow, nil))
	v.k.wrongKey.manifest = wrongKeyText(err)
	v.k.setState(v.k.state)
	if err != nil || told.Refused != "" || v.r.Signed.Number != 6 {
		t.Errorf("%v, told %q, policy number %d", err, told.Refused, v.r.Signed.Number)
	}
}

// If an administrator adds a policy key to machine.yaml, the machine stops using a bundle whose policy this key has not
// signed. The machine installs the next bundle whose policy the key has signed.
func TestMachineWithANewPolicyKeyUsesOnlyAPolicySignedByThatKey(t *testing.T) {
	s := newThiefSite(t, situations[1])
	keys := s.policyKeys
	s.policyKeys, s.at.apart = nil, false
	v := s.machine()
	v.offerGenuine(s.build(1, 1, "policy.yaml", thiefNow, nil))
	s.policyKeys, s.at.apart = keys, true
	v.r = nil
	if v.restart(); v.r != nil || !strings.Contains(v.k.state.Refused, "policy-unsigned") {
		t.Errorf("%v, %q", v.r, v.k.state.Refused)
	}
	if err := v.offer(s.build(2, 1, "policy.yaml", thiefNow, nil)); err != nil || !v.startsLaser(victimCard) {
		t.Error(err)
	}
}
