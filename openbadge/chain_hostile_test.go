package openbadge

import (
	"crypto"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"portillon/openbadge/internal/ld"
)

// hostileChains returns documents with eight proofs, each of which refers to all earlier proofs. An attacker has
// signed the first proofs correctly with did:keys. Only the last proof claims to be made with the issuer's key, and
// its signature is wrong. Each proof covers the earlier proofs, so each proof costs as much work as a document.
func hostileChains(t testing.TB) map[string][]byte {
	fill := func(item string, n int) []any {
		return parse(t, []byte(`{"x":[`+strings.TrimSuffix(strings.Repeat(item+",", n), ",")+`]}`))["x"].([]any)
	}
	insides := map[string]object{
		"twins":           {"identifier": fill(`{"type":"IdentityObject"}`, 1400)},
		"a tree of twins": {"source": parse(t, []byte(tree(2, 4)))},
		// to canonicalise this tree costs 1,134,316 bytes of work, just below the limit of 1,200,000
		"a wide tree":   {"source": parse(t, []byte(tree(3, 3)))},
		"a long text":   {"narrative": strings.Repeat("é", 400_000)},
		"control signs": {"narrative": strings.Repeat("\u0001", 140_000)},
		"many values":   {"identifier": fill(`{"type":"IdentityObject","salt":"1","hashed":false}`, 1200)},
	}
	out := map[string][]byte{}
	for what, inside := range insides {
		for _, suites := range [...][]string{{"eddsa-rdfc-2022"}, {"eddsa-jcs-2022"}, {"eddsa-jcs-2022", "eddsa-rdfc-2022"}} {
			out[fmt.Sprintf("a chain of %s on %s", strings.Join(suites, " and "), what)] = hostileChain(t, suites, inside)
		}
	}
	d := parse(t, out["a chain of eddsa-jcs-2022 on a tree of twins"])
	every := ld.List(ld.List(d["proof"])[7].(object)["previousProof"])
	for name, names := range map[string][]any{
		"eight proofs, each after all eight": append(every, "urn:proof:7"),
		"eight proofs, each after 2,100":     slices.Repeat(every, 300),
	} {
		for _, p := range ld.List(d["proof"]) {
			p.(object)["previousProof"] = names
		}
		out[name], _ = json.Marshal(d)
	}
	return out
}

func hostileChain(t testing.TB, suites []string, inside object) []byte {
	d := parse(
		t,
		[]byte(
			`{"@context":["`+ContextVC+`","`+ContextOB+`"],"id":"urn:x:1","type":["VerifiableCredential",`+
				`"OpenBadgeCredential"],`+
				`"issuer":"https://example.com/issuers/876543","validFrom":"2020-01-01T00:00:00Z",`+
				`"credentialSubject":{"type":"AchievementSubject","achievement":{"id":"urn:x:a","type":"Achievement","name":"a"}}}`,
		),
	)
	for k, v := range inside {
		ld.Obj(d, "credentialSubject")[k] = v
	}
	by := edwardsSigner(key(t))
	var names []any
	var previous []object
	for i := range maxProofs {
		suite := suites[i%len(suites)]
		p := object{
			"id":                 fmt.Sprintf("urn:proof:%d", i),
			"type":               "DataIntegrityProof",
			"cryptosuite":        suite,
			"verificationMethod": by.method,
			"proofPurpose":       "assertionMethod",
		}
		if i > 0 {
			p["previousProof"] = names[:i:i]
		}
		if i == maxProofs-1 {
			p["verificationMethod"] = example.ID + "#" + example.Keys[0]
		}
		c, _ := suiteOf(p)
		m, err := c.message(open(t, d), p, previous, crypto.SHA256)
		if err != nil {
			t.Fatalf("%s: %v", suite, err) // one proof of the document must cost nearly the limit of work, but not more
		}
		p["proofValue"] = "z" + encode58(by.sign(t, m))
		d["proof"] = append(ld.List(d["proof"]), p)
		names, previous = append(names, p["id"]), append(previous, p)
	}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
