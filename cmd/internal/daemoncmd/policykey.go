package daemoncmd

import (
	"fmt"

	"portillon/keykind"
	"portillon/policy"
)

// PolicyApart reports whether machine.yaml names a policy key that differs from the key that verifies bundles. Without
// a separate policy key, one key signs both the policy and the bundles.
func (c Config) PolicyApart() bool {
	return c.PolicyKey != "" && !keykind.Same(c.PolicyKey, c.Bundle.Key)
}

// bundleKind returns the kind of the key that verifies bundles. If machine.yaml names a separate policy key, bundleKind
// also allows a hub key: the hub then signs bundles but cannot change the policy.
func (c Config) bundleKind() keykind.Kind {
	if c.PolicyApart() {
		return keykind.Hub
	}
	return keykind.Site
}

// KeySituation returns a sentence that describes which keys sign the policy and the bundles of this machine.
func (c Config) KeySituation() policy.Text {
	bundle, own := keykind.NameOf(c.Bundle.Key), keykind.NameOf(c.PolicyKey)
	if !c.PolicyApart() {
		return policy.Text{
			FR: fmt.Sprintf("Clés : une seule clé, « %s », signe les règles d’accès et les paquets d’accès : "+
				"qui la détient peut tout", bundle),
			EN: fmt.Sprintf("Keys: one key, “%s”, signs the policy and the bundles: "+
				"whoever has it may do everything", bundle)}
	}
	return policy.Text{
		FR: fmt.Sprintf("Clés : « %s » signe les règles d’accès, « %s » les paquets d’accès : "+
			"qui ne détient que la seconde ne change pas les règles", own, bundle),
		EN: fmt.Sprintf("Keys: “%s” signs the policy, “%s” the bundles: "+
			"whoever has only the second cannot change the policy", own, bundle)}
}

// checkSeparateKey warns if machine.yaml names a separate policy key, but the hub uses the same key.
func (c Config) checkSeparateKey() []string {
	if c.PolicyApart() && keykind.Same(c.PolicyKey, c.MQTT.HubKey) {
		return []string{c.positionOf("policy-key") + ": is the hub key too (mqtt: hub-key): whoever breaks into the hub " +
			"can change the policy; make a policy key that stays on another computer: portillon bundle keygen " + c.Site +
			" --kind policy -o policy.key"}
	}
	return nil
}

// checkBindings warns if the policy contains «bindings: signed» but this machine's keys do not provide the protection
// of that setting.
func (c Config) checkBindings(p *policy.Policy) []string {
	if p.SignedBindings && !c.PolicyApart() {
		return []string{"policy-key: is missing, and the policy says «bindings: signed»: members' cards and addresses " +
			"are signed by the key of bundles alone here; name the policy key"}
	}
	return nil
}
