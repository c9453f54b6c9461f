package openbadge

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"portillon/openbadge/internal/ld"
)

func key(t testing.TB) *Key {
	t.Helper()
	k, err := GenerateKey("a test's")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func draft() Draft {
	return Draft{
		IssuerName: "BIK'LAB",
		Achievement: Achievement{
			ID:          "https://lab.example/achievements/laser-user?cid=1&lang=fr",
			Name:        "Découpe laser - Utilisateur autonome",
			Description: "Seul·e",
			Criteria:    "Avoir…",
		},
		Email:      "Lea@Example.org",
		Subject:    "urn:uuid:6f2e33e5-7a29-4155-840a-59483ba10164",
		ValidFrom:  today.AddDate(-1, 0, 0),
		ValidUntil: today.AddDate(1, 0, 0),
		Status:     "https://lab.example/revoked/1",
		Evidence: []Evidence{
			{ID: "urn:portillon:laser:42", Name: "lens-cleaning", Narrative: "five \"interventions\"\n\tand\u007f more"},
		},
	}
}

type lists map[string]string

func (l lists) Resolve(url string) ([]byte, error) {
	if s, ok := l[url]; ok {
		return []byte(s), nil
	}
	return nil, errors.New("out of reach")
}

// issued returns two badges made from the same draft: as JSON and as a JWT.
func issued(t testing.TB, k *Key) map[string][]byte {
	t.Helper()
	j, err := IssueJSON(draft(), k, today)
	if err != nil {
		t.Fatal(err)
	}
	w, err := IssueJWT(draft(), k)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"JSON": j, "JWT": w}
}

func TestIssuedBadgesAreValid(t *testing.T) {
	k := key(t)
	for form, b := range issued(t, k) {
		v := Verify(
			b,
			Options{
				Trust:  []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}},
				At:     today,
				Status: lists{"https://lab.example/revoked/1": `{"id":"https://lab.example/revoked/1","revokedCredential":[]}`},
			},
		)
		if v.State != Valid || len(v.Checks) != 7 {
			t.Fatalf("%s: %s %+v", form, v.Why(), v.Checks)
		}
		for who, want := range map[string]bool{
			"lea@example.org": true,
			"LEA@EXAMPLE.ORG": true,
			"lea@example.com": false,
			"":                false,
		} {
			if v.Badge.IsFor(Recipient{Emails: []string{who}}) != want {
				t.Errorf("%s: for %q: %v", form, who, !want)
			}
		}
		if !v.Badge.IsFor(Recipient{Subjects: []string{"urn:uuid:6f2e33e5-7a29-4155-840a-59483ba10164"}}) ||
			v.Badge.IsFor(Recipient{}) ||
			v.Badge.IsFor(Recipient{Subjects: []string{""}}) {
			t.Errorf("%s: recipient by subject", form)
		}
		if e := v.Badge.Evidence; len(e) != 1 || e[0].Name != "lens-cleaning" {
			t.Errorf("%s: evidence %+v", form, e)
		}
	}
}

func TestTrustTimeAndStatusAreChecked(t *testing.T) {
	k, other := key(t), key(t)
	trust := []Issuer{{ID: k.DID(), Keys: []string{k.DID()}}}
	clean := lists{"https://lab.example/revoked/1": `{"id":"x","revokedCredential":[{"id":"urn:another"}]}`}
	for form, b := range issued(t, k) {
		id := Verify(b, Options{}).Badge.ID
		revoked := lists{"https://lab.example/revoked/1": `{"id":"x","revokedCredential":[{"id":"` + id + `"}]}`}
		restored := lists{
			"https://lab.example/revoked/1": `{"id":"x","revokedCredential":[{"id":"` + id + `","revoked":false}]}`,
		}
		for _, c := range []struct {
			name string
			o    Options
			want string
		}{
			{"all well", Options{Trust: trust, At: today, Status: clean}, "valid"},
			{"dates and status left to the caller", Options{Trust: trust, At: time.Time{}, Status: nil}, "valid"},
			{"nobody trusted", Options{Trust: nil, At: today, Status: clean}, "invalid issuer-not-trusted"},
			{
				"another key pinned",
				Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{other.Multikey()}}}, At: today, Status: clean},
				"invalid key-not-pinned",
			},
			{
				"no key pinned",
				Options{Trust: []Issuer{{ID: k.DID(), Keys: nil}}, At: today, Status: clean},
				"invalid key-not-pinned",
			},
			{
				"another issuer's key",
				Options{Trust: []Issuer{{ID: other.DID(), Keys: []string{k.Multikey()}}}, At: today, Status: clean},
				"invalid issuer-not-trusted",
			},
			{
				"too early",
				Options{Trust: trust, At: today.AddDate(-2, 0, 0), Status: clean},
				"invalid " + map[string]string{"JSON": "not-yet-valid not-yet-valid", "JWT": "not-yet-valid"}[form],
			},
			{"too late", Options{Trust: trust, At: today.AddDate(2, 0, 0), Status: clean}, "invalid expired"},
			{"revoked", Options{Trust: trust, At: today, Status: revoked}, "invalid revoked"},
			{"revoked and back", Options{Trust: trust, At: today, Status: restored}, "valid"},
			{"late and revoked", Options{Trust: trust, At: today.AddDate(2, 0, 0), Status: revoked}, "invalid expired revoked"},
			{"list out of reach", Options{Trust: trust, At: today, Status: lists{}}, "indeterminate status-unreachable"},
			{
				"list that is none",
				Options{Trust: trust, At: today, Status: lists{"https://lab.example/revoked/1": "<html>"}},
				"indeterminate status-unusable",
			},
			{"forged and list out of reach", Options{Trust: nil, At: today, Status: lists{}}, "invalid issuer-not-trusted"},
		} {
			if got := codes(Verify(b, c.o)); got != c.want {
				t.Errorf("%s, %s: %s, want %s", form, c.name, got, c.want)
			}
		}
	}
}

// If any byte of a signed badge is changed, the badge must be invalid, or its content must still be exactly the same.
func TestChangedBadgesAreNotValid(t *testing.T) {
	if testing.Short() {
		t.Skip("short: verifies hundreds of badges or large lists")
	}
	k := key(t)
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}}
	for form, b := range issued(t, k) {
		before, _ := json.Marshal(Verify(b, o).Badge)
		for i := range b {
			for _, x := range []byte{b[i] ^ 1, b[i] ^ 0x20} {
				c := bytes.Clone(b)
				c[i] = x
				v := Verify(c, o)
				after, _ := json.Marshal(v.Badge)
				if v.State == Valid && string(before) != string(after) {
					t.Fatalf("%s: byte %d changed from %q to %q: the badge is valid, but has other content", form, i, b[i], x)
				}
			}
		}
	}
}

func TestAttacksOnASignedDocumentAreRejected(t *testing.T) {
	k := key(t)
	// the badge has expired at this time
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today.AddDate(3, 0, 0)}
	b, _ := IssueJSON(draft(), k, today)
	change := func(f func(object)) []byte {
		d, err := ld.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		f(d)
		out, _ := json.Marshal(d)
		return out
	}
	vu := object{
		"vu": object{
			"@id":   "https://www.w3.org/2018/credentials#validUntil",
			"@type": "http://www.w3.org/2001/XMLSchema#dateTime",
		},
	}
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"as it was issued": {b, "invalid expired"},
		"another word for the end": {change(func(d object) {
			d["@context"] = append(d["@context"].([]any), vu)
			d["vu"] = d["validUntil"]
			delete(d, "validUntil")
		}), "invalid unknown-context"},
		"the end's full IRI": {change(func(d object) {
			d["https://www.w3.org/2018/credentials#validUntil"] = d["validUntil"]
			delete(d, "validUntil")
		}), "invalid unknown-term"},
		"a context inside": {
			change(func(d object) { d["credentialSubject"].(object)["@context"] = vu }),
			"invalid unknown-context",
		},
		"the end removed":     {change(func(d object) { delete(d, "validUntil") }), "invalid bad-signature"},
		"the end is null":     {change(func(d object) { d["validUntil"] = nil }), "invalid bad-signature"},
		"a word nobody knows": {change(func(d object) { d["role"] = "maintainer" }), "invalid unknown-term"},
		"@id beside id":       {change(func(d object) { d["@id"] = "urn:x:y" }), "invalid unknown-term"},
		"a relative id":       {change(func(d object) { d["id"] = "../x" }), "invalid relative-iri"},
		"two subjects": {
			change(func(d object) { d["credentialSubject"] = []any{d["credentialSubject"], d["credentialSubject"]} }),
			"invalid bad-signature expired not-an-open-badge",
		},
		"a key twice": {
			bytes.Replace(b, []byte(`"name"`), []byte(`"id": "urn:x:y", "id"`), 1),
			"invalid malformed",
		},
		"a proof for another use": {
			change(func(d object) { d["proof"].([]any)[0].(object)["proofPurpose"] = "authentication" }),
			"invalid bad-signature expired",
		},
		"another suite": {
			change(func(d object) { d["proof"].([]any)[0].(object)["cryptosuite"] = "eddsa-jcs-2022" }),
			"invalid bad-signature expired",
		},
		"a suite of no name": {
			change(func(d object) { delete(d["proof"].([]any)[0].(object), "cryptosuite") }),
			"invalid unsupported-proof expired",
		},
		"no proof":            {change(func(d object) { delete(d, "proof") }), "invalid no-proof expired"},
		"nested for ever":     {[]byte(strings.Repeat(`{"a":`, 100000)), "invalid too-complex"},
		"a megabyte and more": {append([]byte(`{"a":"`), bytes.Repeat([]byte("a"), MaxBytes)...), "invalid too-complex"},
	} {
		got := codes(Verify(c.in, o))
		if name == "the end removed" || name == "the end is null" {
			got = strings.TrimSuffix(got, " expired")
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestAttacksOnASignedTokenAreRejected(t *testing.T) {
	k, evil := key(t), key(t)
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today}
	token, _ := IssueJWT(draft(), k)
	parts := strings.Split(strings.TrimSpace(string(token)), ".")
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	make := func(k *Key, header string, payload []byte) []byte {
		text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload)
		return []byte(text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.private, []byte(text))))
	}
	for name, c := range map[string]struct {
		in   []byte
		want string
	}{
		"alg none": {
			[]byte(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."),
			"invalid unsupported-proof",
		},
		"a key in the header": {
			make(
				evil,
				`{"alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519",`+
					`"x":"`+base64.RawURLEncoding.EncodeToString(evil.private.Public().(ed25519.PublicKey))+`"}}`,
				payload,
			),
			"invalid key-not-pinned",
		},
		"a kid of one's own":  {make(evil, `{"alg":"EdDSA","kid":"`+evil.DID()+`"}`, payload), "invalid key-not-pinned"},
		"the issuer's kid":    {make(evil, `{"alg":"EdDSA","kid":"`+k.DID()+`"}`, payload), "invalid bad-signature"},
		"critical extensions": {make(k, `{"alg":"EdDSA","crit":["b64"]}`, payload), "invalid unsupported-form"},
		"a later end outside": {
			make(k, `{"alg":"EdDSA"}`, bytes.Replace(payload, []byte(`"exp":`), []byte(`"exp":9`), 1)),
			"invalid claims-mismatch",
		},
		"an id of another kind": {
			make(k, `{"alg":"EdDSA"}`, bytes.Replace(payload, []byte(`"jti":"`), []byte(`"jti":"x`), 1)),
			"invalid claims-mismatch",
		},
		"b64 without crit": {make(k, `{"alg":"EdDSA","b64":false}`, payload), "invalid unsupported-form"},
		"a line end within": {
			[]byte(strings.Replace(strings.TrimSpace(string(token)), ".", "\n.", 1)),
			"invalid malformed",
		},
		"a line end at its end": {
			[]byte(parts[0] + "." + parts[1] + "." + parts[2][:40] + "\n" + parts[2][40:]),
			"invalid malformed",
		},
		"as issued": {token, "valid"},
	} {
		if got := codes(Verify(c.in, o)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestRecipientHashesMatchTheAddress(t *testing.T) {
	for _, c := range []struct {
		id    Identity
		email string
		want  bool
	}{
		{
			Identity{"emailAddress", "sha256$ecf5409f3f4b91ab60cc5ef4c02aef7032354375e70cf4d8e43f6a1d29891942", true, "deadsea"},
			"nobody@example.org",
			true,
		},
		{
			Identity{"emailAddress", "sha256$ECF5409F3F4B91AB60CC5EF4C02AEF7032354375E70CF4D8E43F6A1D29891942", true, "deadsea"},
			"Nobody@Example.org",
			true,
		},
		{
			Identity{"emailAddress", "sha256$ecf5409f3f4b91ab60cc5ef4c02aef7032354375e70cf4d8e43f6a1d29891942", true, ""},
			"nobody@example.org",
			false,
		},
		{Identity{"emailAddress", "sha1$00", true, ""}, "nobody@example.org", false},
		{Identity{"emailAddress", "nobody@example.org", false, ""}, "NOBODY@example.org", true},
		{Identity{"telephone", "nobody@example.org", false, ""}, "nobody@example.org", false},
	} {
		if c.id.matches(c.email) != c.want {
			t.Errorf("%+v for %s: %v", c.id, c.email, !c.want)
		}
	}
}

func TestKeyFilesRoundTripAndErrorsDoNotQuoteThem(t *testing.T) {
	k := key(t)
	b, err := k.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseKey(b)
	if err != nil || again.DID() != k.DID() || !strings.HasPrefix(k.DID(), "did:key:z6Mk") {
		t.Fatal(err, k.DID())
	}
	for _, bad := range []string{
		"",
		"{}",
		strings.Replace(string(b), k.Multikey(), key(t).Multikey(), 1),
		strings.Replace(string(b), `"z3`, `"z4`, 1),
	} {
		if _, err := ParseKey([]byte(bad)); err == nil || len(bad) > 60 && strings.Contains(err.Error(), bad[50:60]) {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
}

func TestEveryReasonHasBothLanguages(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range words {
		if w.fr == "" || w.en == "" || w.fr == w.en || seen[w.code] || wordsOf(w.code) != w {
			t.Errorf("%q", w)
		}
		seen[w.code] = true
	}
	// Every code that the source uses must have a French and an English text.
	for _, name := range []string{
		"badge",
		"image",
		"jwk",
		"jwt",
		"ob2",
		"ob2_read",
		"order",
		"proof",
		"refresh",
		"status",
		"suite",
		"trust",
		"verify",
		"internal/ld/context",
		"internal/ld/json",
		"internal/ld/rdf",
		"internal/ld/rdfc",
	} {
		for _, m := range regexp.MustCompile(`(?:fault|Faultf)\("([a-z-]+)"|Invalid, "([a-z-]+)"|Indeterminate, `+
			`"([a-z-]+)"`).FindAllStringSubmatch(string(file(t, name+".go")), -1) {
			if code := m[1] + m[2] + m[3]; !seen[code] {
				t.Errorf("%s.go has the code %q, which has no texts", name, code)
			}
		}
	}
	if len(Codes()) != len(seen) {
		t.Errorf("%q", Codes())
	}
}

func FuzzVerify(f *testing.F) {
	k, _ := ParseKey([]byte(testKey))
	j, _ := IssueJSON(draft(), k, today)
	w, _ := IssueJWT(draft(), k)
	f.Add(j)
	f.Add(w)
	f.Add([]byte(`{"@context":["https://www.w3.org/ns/credentials/v2"],"type":"VerifiableCredential"}`))
	f.Add([]byte("e30.e30.e30"))
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today}
	want, _ := json.Marshal(Verify(j, o).Badge.AchievementID)
	f.Fuzz(func(t *testing.T, b []byte) {
		v := Verify(b, o)
		if v.State != Valid && len(v.Reasons) == 0 {
			t.Fatal("refused without a reason")
		}
		if got, _ := json.Marshal(v.Badge); v.State == Valid && !bytes.Contains(got, want) {
			t.Fatalf("verdict is valid for a badge with other content: %s", got)
		}
	})
}

func FuzzKey(f *testing.F) {
	f.Add("did:key:z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi")
	f.Add("z6Mk#z6Mk")
	f.Fuzz(func(t *testing.T, s string) {
		if k, ok := parseMultikey(s); ok && isEd25519(k) && !strings.Contains(s, multikey(k.(ed25519.PublicKey))) {
			t.Fatalf("%q is read as %s", s, multikey(k.(ed25519.PublicKey)))
		}
		ParseKey([]byte(s))
		ParseRevocationList([]byte(s))
	})
}

// testKey is a key that only tests use.
const testKey = `{"type":"Multikey","publicKeyMultibase":"z6MkkmuJmes4bvBp7SE38vz8jbXorXnWU1Q5VVKSHAv3brK8",` +
	`"secretKeyMultibase":"z3u2V1vEjTtURqSuV23EABYRadkQ3CH4v9dN1ymFcXigPX5g"}`

// The fuzzer signs tokens that have arbitrary headers and payloads, with the issuer's key. Verify must not panic, and
// a token that Verify accepts must be complete and signed with EdDSA.
func FuzzToken(f *testing.F) {
	k, _ := ParseKey([]byte(testKey))
	w, _ := IssueJWT(draft(), k)
	parts := strings.Split(string(w), ".")
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	f.Add(`{"alg":"EdDSA","typ":"JWT"}`, payload)
	f.Add(`{"alg":"none"}`, payload)
	f.Add(`{"alg":"EdDSA","crit":[],"kid":"#"}`, []byte(`{"vc":{}}`))
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today}
	f.Fuzz(func(t *testing.T, header string, payload []byte) {
		text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(payload)
		v := Verify([]byte(text+"."+base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.private, []byte(text)))), o)
		if v.State == Valid &&
			(!strings.Contains(header, "alg") || v.Badge.IssuerID != k.DID() || v.Badge.ValidFrom.After(today.Add(Skew))) {
			t.Fatalf("valid: %s %s", header, payload)
		}
		if v.State != Valid && len(v.Reasons) == 0 {
			t.Fatal("refused without a reason")
		}
	})
}
