package doctor

import (
	"strings"

	"portillon/keykind"
	"portillon/policy"
)

// Pinned contains the public keys in a hub.yaml and the machine's own public key. The doctor compares no empty key.
type Pinned struct {
	File    string // path of the hub.yaml
	Machine string // key of this machine in the section machines
	Bundle  string // under bundle:
	Policy  string // policy-key in the section bundle; empty if bundles are signed with the same key
	Hub     string // public key of the hub itself

	Own string // public half of the machine's key, from the key file
}

// keys compares the keys of this machine with those of the hub, as far as it can read the keys of both. The names of
// keys from older releases do not contain the kind of key, so keys compares the keys themselves.
func (x *exam) keys() {
	defer x.keySituation()
	if x.s.Hub == nil {
		return
	}
	p, err := x.s.Hub()
	if err != nil {
		x.addFinding("keys", Unknown, tf("Le fichier du hub ne se compare pas : %v", "The hub’s file cannot be compared: %v",
			err),
			t("Corriger ce fichier, ou relancer avec sudo", "Mend that file, or run again with sudo"))
		return
	}
	if p.Machine == "" {
		x.addFinding("keys", Ill, tf("%s ne connaît pas la machine « %s » : le hub refuse tous ses enregistrements",
			"%s does not know the machine “%s”: the hub refuses all its records", p.File, x.c.Machine),
			tf("Mettre sous machines: { %s: { key: %s } }", "Put it under machines: { %s: { key: %s } }", x.c.Machine, p.Own))
		return
	}
	ill := false
	differ := func(mine, theirs string, fact, cure policy.Text) {
		if mine != "" && theirs != "" && !keykind.Same(mine, theirs) {
			ill = true
			x.addFinding("keys", Ill, fact, cure)
		}
	}
	differ(p.Own, p.Machine, tf("machine-key est la clé « %s », %s attend « %s » : le hub refuse tous les enregistrements",
		"machine-key is the key “%s”, %s wants “%s”: the hub refuses all records",
		shortKey(p.Own), p.File, shortKey(p.Machine)),
		tf("Mettre sous machines: %s: key: « %s »", "Put under machines: %s: key: “%s”", x.c.Machine, p.Own))
	differ(x.c.Bundle.Key, p.Bundle, tf("bundle: key est « %s », %s signe avec « %s » : la machine refuse ses bundles",
		"bundle: key is “%s”, %s has “%s”: the machine refuses the hub’s bundles", shortKey(x.c.Bundle.Key), p.File,
		shortKey(p.Bundle)),
		tf("Mettre sous bundle: key: « %s »", "Put under bundle: key: “%s”", p.Bundle))
	if x.c.PolicyApart() && p.Bundle != "" && p.Policy == "" {
		ill = true
		x.addFinding("keys", Ill, tf("policy-key est « %s », %s n’en nomme pas : le hub peut distribuer des bundles "+
			"que la machine refuse", "policy-key is “%s”, %s names none: the hub may hand out bundles that the machine refuses",
			shortKey(x.c.PolicyKey), p.File),
			tf("Mettre sous bundle: policy-key: « %s »", "Put under bundle: policy-key: “%s”", x.c.PolicyKey))
	}
	if !x.c.PolicyApart() && p.Policy != "" {
		ill = true
		x.addFinding("keys", Ill, tf("%s nomme la clé de politique « %s », la machine n’en connaît pas : elle croit la "+
			"clé des bundles pour tout", "%s names the policy key “%s”, the machine pins none: it believes the key of bundles "+
			"for everything", p.File, shortKey(p.Policy)),
			tf("Mettre dans le fichier de la machine : policy-key: « %s »",
				"Put into the machine’s file: policy-key: “%s”", p.Policy))
	}
	differ(x.c.PolicyKey, p.Policy, tf("policy-key est « %s », %s attend « %s » : la machine refuse ses bundles",
		"policy-key is “%s”, %s has “%s”: the machine refuses the hub’s bundles",
		shortKey(x.c.PolicyKey), p.File, shortKey(p.Policy)),
		tf("Mettre sous policy-key: « %s »", "Put under policy-key: “%s”", p.Policy))
	differ(x.c.MQTT.HubKey, p.Hub, tf("mqtt: hub-key est « %s », la clé du hub est « %s » (%s) : la machine refuse ses "+
		"accusés et ses ordres", "mqtt: hub-key is “%s”, the hub’s key is “%s” (%s): the machine refuses its "+
		"acknowledgements and commands", shortKey(x.c.MQTT.HubKey), shortKey(p.Hub), p.File),
		tf("Mettre sous mqtt: hub-key: « %s »", "Put under mqtt: hub-key: “%s”", p.Hub))
	if !ill && p.Own != "" {
		x.addFinding("keys", Well, tf("Les clés sont celles de %s", "The keys are those of %s", p.File), policy.Text{})
	}
}

// keySituation adds a finding that tells whether one key signs both the policy and the bundles.
func (x *exam) keySituation() {
	if x.c.Bundle.Key != "" {
		x.addFinding("policy-key", Well, x.c.KeySituation(), policy.Text{})
	}
}

// shortKey returns the name and the hash of a public key, without the key itself.
func shortKey(public string) string {
	parts := strings.SplitN(public, "+", 3)
	return strings.Join(parts[:min(len(parts), 2)], "+")
}
