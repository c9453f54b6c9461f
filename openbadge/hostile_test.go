package openbadge

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"portillon/openbadge/internal/ld"
)

// hostile returns documents whose verification would be slow without limits. Each of these documents is as large as
// MaxBytes allows.
func hostile() map[string][]byte {
	head := `{"@context":["` + ContextVC + `","` + ContextOB + `"],"id":"urn:x:1","type":["VerifiableCredential",` +
		`"OpenBadgeCredential"],` +
		`"issuer":"https://example.com/issuers/876543","validFrom":"2020-01-01T00:00:00Z",`
	achievement := `"achievement":{"id":"urn:x:a","type":"Achievement","name":"a"}`
	proof := `,"proof":[` + strings.Repeat(
		`{"type":"DataIntegrityProof","cryptosuite":"eddsa-rdfc-2022","proofPurpose":"assertionMethod",`+
			`"verificationMethod":"https://example.com/issuers/876543#z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi",`+
			`"proofValue":"z41ZsNkz78FHSGkAD5J4b8EN49DkywMMJSL3UdUNffbsCAWmTLPvtnJpd3JGGooYX7TNrzgsTLkXUWiGsRRZ788ML"},`,
		7,
	) +
		`{"type":"DataIntegrityProof"}]}`
	subject := func(inside string) []byte {
		return []byte(head + `"credentialSubject":{"type":"AchievementSubject",` + achievement + `,` + inside + `}` + proof)
	}
	fill := func(item string, most int) string {
		n := min(most, (MaxBytes-4096)/(len(item)+1))
		return strings.TrimSuffix(strings.Repeat(item+",", n), ",")
	}
	twins := `"identifier":[` + fill(`{"type":"IdentityObject"}`, 1600) + `]`
	nest := strings.Repeat(`{"type":"Profile","parentOrg":`, 20) + `{"type":"Profile"}` + strings.Repeat(`}`, 20)
	var numbered []string
	for i := range 2000 {
		numbered = append(numbered, fmt.Sprintf(`{"type":"IdentityObject","salt":"%d"}`, i))
	}
	return map[string][]byte{
		"one context, many times": []byte(
			strings.Replace(head, `"`+ContextOB+`"`, fill(`"`+ContextOB+`"`, 1<<20), 1) + `"x":1}`,
		),
		"one type, many times": []byte(
			strings.Replace(
				head,
				`"OpenBadgeCredential"`,
				fill(`"OpenBadgeCredential"`, 4900),
				1,
			) + fmt.Sprintf(
				`"credentialSubject":%s}`,
				nest,
			),
		),
		"many types": subject(
			`"source":{"type":[` + fill(
				`"Profile","Address","Alignment","Image"`,
				1200,
			) + `],"name":"a","endorsement":[],"image":"urn:x:i","phone":"1"}`,
		),
		"twins without names": subject(twins),
		"twins with twins": subject(
			`"source":[` + fill(`{"type":"Profile","otherIdentifier":[`+fill(`{"type":"IdentifierEntry"}`, 30)+`]}`, 30) + `]`,
		),
		"few twins":                   subject(`"identifier":[` + fill(`{"type":"IdentityObject"}`, 12) + `]`),
		"a tree of twins":             subject(`"source":` + tree(5, 4)),
		"a deep tree of twins":        subject(`"source":` + tree(2, 10)),
		"many nodes, each of its own": subject(`"identifier":[` + strings.Join(numbered, ",") + `]`),
		"two long chains of twins":    subject(`"source":[` + nest + `,` + nest + `]`),
		"a long list": subject(
			`"result":{"type":"ResultDescription","allowedValue":[` + fill(`"x"`, 2400) + `]}`,
		),
		"contexts within": subject(
			`"identifier":[` + fill(`{"@context":[`+fill(`"`+ContextOB+`"`, 8)+`],"type":"IdentityObject"}`, 64) + `]`,
		),
		"many contexts within": subject(
			`"identifier":[` + fill(`{"@context":"`+ContextOB+`","type":"IdentityObject"}`, 6000) + `]`,
		),
		"a long JSON literal":             subject(`"_sd":{` + keys(15000) + `}`),
		"empty objects":                   subject(`"identifier":[` + fill(`{}`, 1<<20) + `]`),
		"empty arrays":                    subject(`"identifier":[` + fill(`[]`, 1<<20) + `]`),
		"numbers":                         subject(`"identifier":[` + fill(`1`, 1<<20) + `]`),
		"many keys":                       []byte(`{` + keys(60000) + `}`),
		"a token of dots":                 []byte(strings.Repeat(".", MaxBytes)),
		"a long text":                     subject(`"narrative":"` + strings.Repeat(`\u0001`, 150000) + `"`),
		"a long text under eight proofs":  subject(`"narrative":"` + strings.Repeat("é", 500000) + `"`),
		"arrays without end":              []byte(strings.Repeat("[", MaxBytes)),
		"a status list of nothing at all": []byte(`{"id":"x","revokedCredential":[` + fill(`{}`, 1<<20) + `]}`),
	}
}

// tree returns a tree of nodes with the given depth, in which each inner node has n identical children.
func tree(n, deep int) string {
	if deep == 0 {
		return `{"type":"Profile"}`
	}
	return `{"type":"Profile","parentOrg":[` + strings.TrimSuffix(strings.Repeat(tree(n, deep-1)+",", n), ",") + `]}`
}

func keys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"k%d":1,`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// No input of a presenter may cost more than allocationsMost allocations or memoryMost megabytes. All inputs of this
// test are invalid.
func TestHostileDocumentsHaveBoundedCost(t *testing.T) {
	if testing.Short() {
		t.Skip("short: verifies hundreds of badges or large lists")
	}
	all := hostile()
	maps.Copy(all, hostileChains(t))
	maps.Copy(all, hostilePictures())
	for name, in := range all {
		var v Verdict
		c := judgeCost(t, name, func() { v = Verify(in, Options{Trust: []Issuer{example}, At: today}) })
		if v.State != Invalid {
			t.Errorf("%s: %s", name, v.State)
		}
		t.Logf("%-34s %s  %.120s", name, c, v.Why())
	}
}

// The same statements can be written as different JSON trees. If an attacker moved the issuer's statements to a
// second node with the credential's id, the signature would still be correct. Readers who look only at the first node
// would then miss these statements. Therefore, if a second node has the credential's id, it must be empty.
func TestSecondNodeCannotHideStatementsOfTheIssuer(t *testing.T) {
	k := key(t)
	// the badge has expired, and the attacker hides its validUntil in the second node
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today.AddDate(3, 0, 0)}
	d, err := ld.Parse(issued(t, k)["JSON"])
	if err != nil {
		t.Fatal(err)
	}
	// An issuer may refer to its own credential by its id; 1EdTech's complete.json does this in refreshService.
	delete(d, "proof")
	d["refreshService"] = object{"id": d["id"], "type": "1EdTechCredentialRefresh"}
	signed := sign(t, d, k)
	if got := codes(Verify(signed, o)); got != "invalid expired" {
		t.Fatalf("as issued: %s", got)
	}
	for _, word := range []string{"validUntil", "credentialStatus", "evidence"} {
		d, _ := ld.Parse(signed)
		d["refreshService"] = object{
			"id":   d["id"],
			"type": []any{"1EdTechCredentialRefresh", "VerifiableCredential"},
			word:   d[word],
		}
		delete(d, word)
		b, _ := json.Marshal(d)
		if v := Verify(b, o); v.State == Valid || !strings.HasPrefix(codes(v), "invalid ambiguous") {
			t.Errorf("%s moved: %s", word, codes(v))
		}
	}
}

// sign adds an eddsa-rdfc-2022 proof to any document. The function change modifies the proof before sign signs it.
func sign(t testing.TB, d object, k *Key, change ...func(p object)) []byte {
	t.Helper()
	p := object{
		"type":               "DataIntegrityProof",
		"cryptosuite":        issuedSuite,
		"created":            today.Format(time.RFC3339),
		"verificationMethod": k.methodID(k.DID()),
		"proofPurpose":       "assertionMethod",
	}
	for _, f := range change {
		f(p)
	}
	delete(d, "proof")
	doc, err := ld.OpenList(d)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := signedHash(doc, ld.Without(p, "@context"))
	if err != nil {
		t.Fatal(err)
	}
	p["proofValue"] = "z" + encode58(ed25519.Sign(k.private, hash))
	d["proof"] = p
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The proofs of this test are signed with the issuer's own key. Verify must reject them because of their properties.
func TestProofsWithMissingOrExtraPropertiesAreRejected(t *testing.T) {
	k, other := key(t), key(t)
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.DID()}}}, At: today}
	for name, c := range map[string]struct {
		change func(object)
		want   string
	}{
		"as usual":           {func(p object) {}, "valid"},
		"without created":    {func(p object) { delete(p, "created") }, "valid"},
		"for authentication": {func(p object) { p["proofPurpose"] = "authentication" }, "invalid bad-signature"},
		"without a purpose":  {func(p object) { delete(p, "proofPurpose") }, "invalid bad-signature"},
		"without a method":   {func(p object) { delete(p, "verificationMethod") }, "invalid malformed"},
		"naming another's key": {
			func(p object) { p["verificationMethod"] = other.methodID(k.DID()) },
			"invalid bad-signature",
		},
		"naming no key":             {func(p object) { p["verificationMethod"] = k.DID() + "#key-1" }, "valid"},
		"with a context of its own": {func(p object) { p["@context"] = ContextVC }, "invalid unknown-context"},
		"with a node in it":         {func(p object) { p["domain"] = object{"id": "urn:x:1"} }, "invalid malformed"},
		"after one that is missing": {func(p object) { p["previousProof"] = "urn:x:1" }, "invalid broken-chain"},
		"that has ended": {
			func(p object) { p["expires"] = today.Add(-time.Hour).Format(time.RFC3339) },
			"invalid expired",
		},
		"of tomorrow": {
			func(p object) { p["created"] = today.Add(24 * time.Hour).Format(time.RFC3339) },
			"invalid not-yet-valid",
		},
		"of no time at all": {func(p object) { p["created"] = "soon" }, "invalid malformed"},
	} {
		d, _ := ld.Parse(issued(t, k)["JSON"])
		if got := codes(Verify(sign(t, d, k, c.change), o)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	d, _ := ld.Parse(issued(t, k)["JSON"])
	b := sign(t, d, k, func(p object) { p["expires"] = today.Add(time.Hour).Format(time.RFC3339) })
	if v := Verify(b, Options{Trust: o.Trust}); v.State != Valid || !v.Badge.ValidUntil.Equal(today.Add(time.Hour)) {
		t.Errorf("a proof that ends first: %s until %v", v.State, v.Badge.ValidUntil)
	}
}

// If the verifier cannot use its own list of keys, the verdict is indeterminate, because the badge may be valid.
func TestUnusableTrustIsIndeterminate(t *testing.T) {
	k := key(t)
	for form, b := range issued(t, k) {
		for want, keys := range map[string][]string{
			"indeterminate trust-unusable": {"did:web:lab.example"},
			"valid":                        {"zDnaekGZTbQBerwcehBSXLqAg6s55hVEBms1zFy89VHXtJSa9", k.DID()},
			"invalid key-not-pinned":       {key(t).DID()},
		} {
			if got := codes(Verify(b, Options{Trust: []Issuer{{ID: k.DID(), Keys: keys}}, At: today})); got != want {
				t.Errorf("%s: %s, want %s", form, got, want)
			}
		}
	}
}

func TestEveryStatusOfABadgeMustBeGood(t *testing.T) {
	k := key(t)
	d, _ := ld.Parse(issued(t, k)["JSON"])
	d["credentialStatus"] = []any{
		d["credentialStatus"],
		object{"id": "https://lab.example/revoked/2", "type": RevocationListType},
	}
	signed := sign(t, d, k)
	first, second := "https://lab.example/revoked/1", "https://lab.example/revoked/2"
	good := func(id string) string { return `{"id":"` + id + `","revokedCredential":[]}` }
	for want, l := range map[string]lists{
		"valid":                            {first: good(first), second: good(second)},
		"indeterminate status-unreachable": {first: good(first)},
		"invalid revoked": {
			first:  good(first),
			second: `{"id":"` + second + `","revokedCredential":[{"id":"` + ld.Str(d, "id") + `"}]}`,
		},
	} {
		if got := codes(Verify(
			signed,
			Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.DID()}}}, At: today, Status: l},
		)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestUnreadableBadgesAreNotIssued(t *testing.T) {
	k := key(t)
	for name, change := range map[string]func(*Draft){
		"a relative achievement": func(d *Draft) { d.Achievement.ID = "laser" },
		"a relative issuer":      func(d *Draft) { d.IssuerID = "lab" },
		"an id with a space":     func(d *Draft) { d.ID = "urn:x:1 2" },
		"a status that is none":  func(d *Draft) { d.Status = "revoked.json" },
		"evidence of nowhere":    func(d *Draft) { d.Evidence = []Evidence{{ID: "page"}} },
		"an id that breaks out":  func(d *Draft) { d.Subject = "urn:x:1>" },
		"no name":                func(d *Draft) { d.Achievement.Name = "" },
	} {
		d := draft()
		change(&d)
		if b, err := IssueJSON(d, k, today); err == nil {
			t.Errorf("%s: %s", name, b)
		}
		if b, err := IssueJWT(d, k); err == nil {
			t.Errorf("%s: %s", name, b)
		}
	}
}
