package openbadge

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/crc32"
	pixels "image"
	"image/png"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/openbadge/bake"
)

// If the hosted page of a badge has a property revoked, the badge is invalid unless the value is false.
func TestBadgeIsRevokedUnlessRevokedIsAbsentOrFalse(t *testing.T) {
	for _, c := range []struct {
		revoked any
		want    string
	}{
		{nil, "valid"}, {false, "valid"},
		{true, "invalid revoked"},
		{"true", "invalid revoked"},
		{json.Number("1"), "invalid revoked"},
		{"1", "invalid revoked"},
		{"false", "invalid malformed"},
		{json.Number("0"), "invalid malformed"},
		{"", "invalid malformed"},
		{"True", "invalid malformed"},
		{json.Number("1.0"), "invalid malformed"},
		{object{}, "invalid malformed"},
		{[]any{}, "invalid malformed"},
		{[]any{false}, "invalid malformed"},
		{object{"@value": true}, "invalid malformed"}, {"2026-01-01T00:00:00Z", "invalid malformed"},
	} {
		w := lab2()
		presented, _ := json.Marshal(w[labBadge])
		w[labBadge].(object)["revoked"] = c.revoked
		if got := codes(Verify(presented, Options{Trust: trust2(), At: today, Documents: w})); got != c.want {
			t.Errorf("revoked: %v: %s, want %s", c.revoked, got, c.want)
		}
	}
}

// Many issuers revoke a badge by replacing its page with a page that contains only the badge's id and "revoked".
func TestHostedPageMayContainOnlyTheRevocation(t *testing.T) {
	w := lab2()
	presented, _ := json.Marshal(w[labBadge])
	for _, v := range []any{true, "true"} {
		w[labBadge] = object{
			"@context":         "https://w3id.org/openbadges/v2",
			"id":               labBadge,
			"revoked":          v,
			"revocationReason": "lost",
		}
		got := Verify(presented, Options{Trust: trust2(), At: today, Documents: w})
		if codes(got) != "invalid revoked" || !strings.Contains(got.Why(), "lost") {
			t.Errorf("revoked: %v: %s", v, got.Why())
		}
	}
}

// signed2Badge returns a signed badge of Open Badges 2.0 and the documents that the badge refers to.
func signed2Badge(t *testing.T, change func(w web, claims object)) ([]byte, web) {
	t.Helper()
	at := labIssuer + "/key"
	w := lab2()
	profile := w[labIssuer].(object)
	profile["publicKey"], profile["revocationList"] = at, labIssuer+"/revoked"
	w[at] = object{
		"id":           at,
		"type":         "CryptographicKey",
		"owner":        labIssuer,
		"publicKeyPem": inPEM(&rsaPrivate(t).PublicKey),
	}
	w[labIssuer+"/revoked"] = revoked2()
	claims := w[labBadge].(object)
	claims["verification"] = object{"type": "signed", "creator": at}
	change(w, claims)
	h, _ := json.Marshal(object{"alg": "RS256"})
	p, _ := json.Marshal(claims)
	text := b64(h) + "." + b64(p)
	return []byte(text + "." + b64(signRS256(t)([]byte(text)))), w
}

func TestBadgesAreRevokedByUID(t *testing.T) {
	for name, c := range map[string]struct {
		uid     any
		entries []any
		want    string
	}{
		"its uid":                 {"u-7", []any{object{"uid": "u-7", "revocationReason": "lost"}}, "invalid revoked"},
		"its uid beside an id":    {"u-7", []any{object{"id": "urn:x:other", "uid": "u-7"}}, "invalid revoked"},
		"its id beside a uid":     {"u-7", []any{object{"id": labBadge, "uid": "u-8"}}, "invalid revoked"},
		"another's":               {"u-7", []any{object{"uid": "u-8"}}, "valid"},
		"a list of ids says it":   {"u-7", []any{"u-7"}, "valid"},
		"a badge without one":     {nil, []any{object{"uid": "u-7"}}, "valid"},
		"an empty one":            {"", []any{object{"uid": "u-7"}}, "valid"},
		"an entry of an empty id": {"u-7", []any{object{"uid": ""}}, "indeterminate status-unusable"},
	} {
		b, w := signed2Badge(t, func(w web, p object) {
			p["uid"] = c.uid
			w[labIssuer+"/revoked"] = revoked2(c.entries...)
		})
		if got := codes(Verify(b, Options{Trust: trust2(), At: today, Documents: w, Status: w})); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// pictureOf returns a PNG with an additional chunk, in which old tools stored the address of a badge.
func pictureOf(t testing.TB, kind, data string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, pixels.NewGray(pixels.Rect(0, 0, 3, 3))); err != nil {
		t.Fatal(err)
	}
	body := append([]byte(kind), data...)
	n, sum := uint32(len(data)), crc32.ChecksumIEEE(body)
	chunk := slices.Concat(
		[]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)},
		body,
		[]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)},
	)
	const header = 8 + 12 + 13
	return slices.Concat(b.Bytes()[:header], chunk, b.Bytes()[header:])
}

func svgOf(address string) []byte {
	return []byte(
		`<svg xmlns="http://www.w3.org/2000/svg" xmlns:openbadges="http://` +
			`openbadges.org"><openbadges:assertion verify="` + address + `"/></svg>`,
	)
}

// An old picture contains only the address of its badge. Verify must treat the document at this address as if
// somebody had presented the document itself.
func TestAddressInAPictureIsFetched(t *testing.T) {
	for name, c := range map[string]struct {
		documents Resolver
		trust     []Issuer
		at        string
		want, why string
	}{
		"in reach":    {lab2(), trust2(), labBadge, "valid", ""},
		"without TLS": {lab2(), trust2(), "http" + strings.TrimPrefix(labBadge, "https"), "valid", ""},
		"out of reach": {
			web{},
			trust2(),
			labBadge,
			"indeterminate hosted-unreachable",
			"contains only the badge's address, " + labBadge,
		},
		"nobody to ask":   {nil, nil, labBadge, "indeterminate hosted-unreachable", "no access to the web"},
		"gone":            {gone{lab2(), labBadge, ErrGone}, trust2(), labBadge, "invalid revoked", "was removed"},
		"not there":       {gone{lab2(), labBadge, ErrNotFound}, trust2(), labBadge, "invalid not-hosted", "no document at"},
		"a web page":      {everywhere("<!DOCTYPE html><html>"), trust2(), labBadge, "invalid malformed", "HTML"},
		"another address": {everywhere(labBadge), trust2(), labBadge, "invalid malformed", "the address"},
		"a class":         {lab2(), trust2(), labClass, "invalid not-an-open-badge", ""},
		"nobody could": {
			lab2(),
			[]Issuer{{ID: labIssuer, Keys: []string{"z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi"}}},
			labBadge,
			"invalid issuer-not-trusted",
			"",
		},
		"a picture within": {everywhere(svgOf(labBadge)), trust2(), labBadge, "invalid malformed", "picture"},
	} {
		for kind, picture := range map[string][]byte{"png": pictureOf(t, "tEXt", "openbadges\x00"+c.at), "svg": svgOf(c.at)} {
			v := Verify(picture, Options{Trust: c.trust, At: today, Documents: c.documents})
			if codes(v) != c.want || !strings.Contains(v.Why(), c.why) || v.Baked != kind {
				t.Errorf("%s in a %s: %s (%s), want %s (%s)", name, kind, codes(v), v.Why(), c.want, c.why)
			}
		}
	}
}

// If people may mistake a document for a supported badge, the reason must name the kind of this document.
func TestReasonNamesTheKindOfAnUnsupportedDocument(t *testing.T) {
	jwe := strings.Join([]string{b64([]byte(`{"alg":"RSA-OAEP","enc":"A256GCM"}`)), "a", "b", "c", "d"}, ".")
	header := func(typ string) string {
		return b64([]byte(`{"alg":"EdDSA","typ":"`+typ+`"}`)) + "." + b64([]byte(`{}`)) + "." + b64([]byte("x"))
	}
	for in, want := range map[string]string{
		jwe:                       "unsupported-form: encrypted tokens (JWE",
		header("JWT") + "~":       "unsupported-form: selective disclosure (SD-JWT",
		header("dc+sd-jwt"):       "unsupported-form: selective disclosure (SD-JWT",
		header("at+jwt"):          `unsupported-form: token has type "at+jwt"`,
		"<!DOCTYPE html>\n<html>": "malformed: a web page (HTML)",
		"\ufeff <HTML lang='fr'>": "malformed: a web page (HTML)",
		labBadge:                  `malformed: only the address "` + labBadge,
		`{"uid":"1","recipient":"sha256$00","badge":"https://lab.example/b","verify":{"type":"hosted",` +
			`"url":"https://lab.example/a"},"issuedOn":1}`: "unsupported-form: an Open Badges 1 assertion",
		`{"@context":"https://w3id.org/openbadges/v1","type":"Assertion","id":"https://lab.example/a",` +
			`"badge":"https://lab.example/b"}`: "unsupported-form: an Open Badges 1 assertion",
		`{"@context":["https://www.w3.org/ns/credentials/v2",` +
			`"https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json"],` +
			`"type":["VerifiableCredential","ClrCredential"]}`: "not-an-open-badge: a Comprehensive Learner Record",
		`{"@context":["https://www.w3.org/ns/credentials/v2"],` +
			`"type":"VerifiablePresentation"}`: "not-an-open-badge: a presentation",
		"a.b": "malformed: neither JSON nor a JWT",
	} {
		if v := Verify([]byte(in), Options{Trust: trust2(), At: today}); !strings.HasPrefix(v.Why(), want) ||
			v.State != Invalid {
			t.Errorf("%.60s: %s, want %s", in, v.Why(), want)
		}
	}
}

func TestBadgeMustHaveOneSubject(t *testing.T) {
	k := key(t)
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today}
	for name, c := range map[string]struct {
		change func(d object)
		want   string
	}{
		"one":           {func(d object) {}, "valid"},
		"one in a list": {func(d object) { d["credentialSubject"] = []any{d["credentialSubject"]} }, "valid"},
		"none":          {func(d object) { delete(d, "credentialSubject") }, "credentialSubject is missing"},
		"an empty list": {func(d object) { d["credentialSubject"] = []any{} }, "credentialSubject is missing"},
		"two": {
			func(d object) { d["credentialSubject"] = []any{d["credentialSubject"], object{"id": "urn:x:2"}} },
			"2 subjects, want one",
		},
		"an address":     {func(d object) { d["credentialSubject"] = "urn:x:2" }, "is not an object"},
		"no achievement": {func(d object) { delete(d["credentialSubject"].(object), "achievement") }, "has 0 achievements"},
		"another subject": {
			func(d object) { d["credentialSubject"] = object{"id": "urn:x:2", "type": "Profile"} },
			"not AchievementSubject",
		},
		"two achievements": {func(d object) {
			s := d["credentialSubject"].(object)
			s["achievement"] = []any{s["achievement"], object{"id": "urn:x:b", "type": "Achievement"}}
		}, "has 2 achievements"},
	} {
		doc, err := draft().document(k)
		if err != nil {
			t.Fatal(err)
		}
		delete(doc, "credentialStatus")
		c.change(doc)
		v := Verify(sign(t, doc, k), o)
		if got := v.State.String() + " " + v.Why(); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// aToken returns a badge of the data model 2.0 as a VC-JWT. The function change modifies the content of the token
// before it is signed.
func aToken(t testing.TB, k *Key, header string, change func(p object)) []byte {
	t.Helper()
	d := draft()
	d.IssuerID, d.Status = k.DID(), ""
	doc, err := d.document(k)
	if err != nil {
		t.Fatal(err)
	}
	change(doc)
	p, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	text := b64([]byte(header)) + "." + b64(p)
	return []byte(text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.private, []byte(text))))
}

// Claims must supply the values that the credential lacks; a number in a claim may have any JSON form. If a claim and
// the credential both have a value, the two values must be equal.
func TestClaimsSupplyMissingValues(t *testing.T) {
	k := key(t)
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today}
	at := func(d time.Duration) json.Number { return json.Number(fmt.Sprint(today.Add(d).Unix())) }
	later, earlier := at(24*time.Hour), at(-24*time.Hour)
	for name, c := range map[string]struct {
		change func(p object)
		want   string
	}{
		"no claims":           {func(p object) {}, "valid"},
		"exp sets the end":    {func(p object) { delete(p, "validUntil"); p["exp"] = later }, "valid"},
		"exp that has passed": {func(p object) { delete(p, "validUntil"); p["exp"] = earlier }, "invalid expired"},
		"exp of the year 1970": {
			func(p object) { delete(p, "validUntil"); p["exp"] = json.Number("0") },
			"invalid expired",
		},
		"exp before the beginning": {
			func(p object) { delete(p, "validUntil"); p["exp"] = json.Number("1") },
			"invalid expired",
		},
		"exp as a text": {
			func(p object) { delete(p, "validUntil"); p["exp"] = string(later) },
			"invalid claims-mismatch",
		},
		"exp beyond all years": {
			func(p object) { delete(p, "validUntil"); p["exp"] = json.Number("1e300") },
			"invalid claims-mismatch",
		},
		"exp that says another end": {func(p object) { p["exp"] = later }, "invalid claims-mismatch"},
		"exp null":                  {func(p object) { p["exp"] = nil }, "valid"},
		"nbf sets the beginning":    {func(p object) { delete(p, "validFrom"); p["nbf"] = earlier }, "valid"},
		"nbf that has not come": {
			func(p object) { delete(p, "validFrom"); p["nbf"] = later },
			"invalid not-yet-valid",
		},
		"nbf with an exponent": {
			func(p object) { delete(p, "validFrom"); p["nbf"] = json.Number("1.7408196e9") },
			"valid",
		},
		"nbf and iat": {
			func(p object) { delete(p, "validFrom"); p["nbf"] = later; p["iat"] = earlier },
			"invalid not-yet-valid",
		},
		"iat alone":                    {func(p object) { delete(p, "validFrom"); p["iat"] = earlier }, "valid"},
		"iat beside another beginning": {func(p object) { p["iat"] = earlier }, "valid"},
		"iat that is no time":          {func(p object) { p["iat"] = "today" }, "invalid claims-mismatch"},
		"no beginning at all":          {func(p object) { delete(p, "validFrom") }, "invalid not-an-open-badge"},
		"jti sets the id":              {func(p object) { p["jti"] = p["id"]; delete(p, "id") }, "valid"},
		"neither jti nor id":           {func(p object) { delete(p, "id") }, "invalid not-an-open-badge"},
		"iss sets the issuer":          {func(p object) { p["iss"] = k.DID(); delete(p, "issuer") }, "valid"},
		"iss sets the issuer's id":     {func(p object) { p["iss"] = k.DID(); delete(p["issuer"].(object), "id") }, "valid"},
		"iss of another":               {func(p object) { p["iss"] = "did:x:evil" }, "invalid claims-mismatch"},
		"sub sets the subject": {
			func(p object) { delete(p["credentialSubject"].(object), "id"); p["sub"] = "did:x:lea" },
			"valid",
		},
		"sub of another":         {func(p object) { p["sub"] = "did:x:evil" }, "invalid claims-mismatch"},
		"cnf":                    {func(p object) { p["cnf"] = object{"kid": "did:x:lea#1"} }, "valid"},
		"a claim that is a word": {func(p object) { p["scope"] = "x" }, "invalid unknown-term"},
	} {
		v := Verify(aToken(t, k, `{"alg":"EdDSA","typ":"JWT"}`, c.change), o)
		if codes(v) != c.want {
			t.Errorf("%s: %s, want %s (%s)", name, codes(v), c.want, v.Why())
		}
		if name == "cnf" && checkOf(v, "holder").Outcome != "not judged" {
			t.Errorf("no check reports that cnf was not checked: %+v", v.Checks)
		}
		if name == "exp sets the end" && v.Badge.ValidUntil.Unix() != today.Add(24*time.Hour).Unix() {
			t.Errorf("%s: %v", name, v.Badge.ValidUntil)
		}
	}
}

func TestTokenTypeIsAMediaType(t *testing.T) {
	k := key(t)
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today}
	for typ, want := range map[string]string{
		`"JWT"`:                "valid",
		`"jwt"`:                "valid",
		`"application/jwt"`:    "valid",
		`"vc+jwt"`:             "valid",
		`"application/vc+jwt"`: "valid",
		`"Application/VC+JWT"`: "valid",
		`"vc+ld+jwt"`:          "valid", `"JOSE"`: "valid", `null`: "valid",
		`"application/"`:                "valid", // the typ is only the prefix "application/", without a type
		`"text/vc+jwt"`:                 "invalid unsupported-form",
		`"application/application/jwt"`: "invalid unsupported-form",
		`"vp+jwt"`:                      "invalid unsupported-form",
		`"JWT "`:                        "invalid unsupported-form", `5`: "invalid malformed", `["JWT"]`: "invalid malformed",
	} {
		if got := codes(Verify(aToken(t, k, `{"alg":"EdDSA","typ":`+typ+`}`, func(object) {}), o)); got != want {
			t.Errorf("typ %s: %s, want %s", typ, got, want)
		}
	}
}

// Verify accepts a status list of another issuer only if the badge's issuer permits that issuer in StatusIssuers.
func TestStatusListOfAnotherIssuerNeedsPermission(t *testing.T) {
	k, other, third := key(t), key(t), key(t)
	pin := func(k *Key, may ...string) Issuer {
		return Issuer{ID: k.DID(), Keys: []string{k.Multikey()}, StatusIssuers: may}
	}
	badge := onList(t, k, nil)
	for _, c := range []struct {
		name  string
		trust []Issuer
		by    *Key
		set   []int64
		want  string
	}{
		{"of its own", []Issuer{pin(k, other.DID()), pin(other)}, k, nil, "valid"},
		{"of one who is named", []Issuer{pin(k, other.DID()), pin(other)}, other, nil, "valid"},
		{"of one who is named, revoked", []Issuer{pin(k, other.DID()), pin(other)}, other, []int64{5}, "invalid revoked"},
		{"of one who is not named", []Issuer{pin(k), pin(other)}, other, nil, "indeterminate status-unusable"},
		{
			"of one who names the badge's issuer",
			[]Issuer{pin(k), pin(other, k.DID())},
			other,
			nil,
			"indeterminate status-unusable",
		},
		{
			"of one whom another issuer names",
			[]Issuer{pin(k), pin(third, other.DID()), pin(other)},
			other,
			nil,
			"indeterminate status-unusable",
		},
		{"of one who is named and not trusted", []Issuer{pin(k, other.DID())}, other, nil, "indeterminate status-unusable"},
	} {
		list := sign(
			t,
			aList(c.by, minEntries, c.set...),
			c.by,
			func(p object) { p["verificationMethod"] = c.by.methodID(c.by.DID()) },
		)
		v := Verify(badge, Options{Trust: c.trust, At: today, Status: lists{listURL: string(list)}})
		if codes(v) != c.want {
			t.Errorf("a list %s: %s, want %s (%s)", c.name, codes(v), c.want, v.Why())
		}
	}
}

// Verify must accept a list of 16 Mi entries that gzip cannot compress, in both forms (JSON and JWT). Verify must
// reject a list of more than 4 MiB.
func TestStatusListsUpToFourMebibytesAreAccepted(t *testing.T) {
	if testing.Short() {
		t.Skip("short: verifies hundreds of badges or large lists")
	}
	k := key(t)
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today}
	full := make(bits, maxBits)
	rand.Read(full)
	full.set(5, false)
	d := aList(k, minEntries)
	d["credentialSubject"].(object)["encodedList"] = encodeBits(full)
	bare := aList(k, minEntries)
	bare["credentialSubject"].(object)["encodedList"] = encodeBits(full)
	delete(bare["credentialSubject"].(object), "id")
	for name, list := range map[string][]byte{
		"JSON":                    sign(t, d, k),
		"a JWT":                   signJWT(t, d, k),
		"a subject without an id": sign(t, bare, k),
	} {
		if len(list) < 2<<20 {
			t.Fatalf("%s: %d bytes", name, len(list))
		}
		o.Status = lists{listURL: string(list)}
		if v := Verify(onList(t, k, nil), o); v.State != Valid {
			t.Errorf("%s of %d bytes: %s", name, len(list), v.Why())
		}
	}
	o.Status = lists{
		listURL: strings.Replace(string(sign(t, aList(k, minEntries), k)), "{", "{"+strings.Repeat(" ", MaxListBytes), 1),
	}
	if v := Verify(onList(t, k, nil), o); v.State != Indeterminate {
		t.Errorf("a list beyond the limit: %s", codes(v))
	}
	badge := bytes.Replace(onList(t, k, nil), []byte("{"), []byte("{"+strings.Repeat(" ", MaxBytes)), 1)
	if v := Verify(badge, o); codes(v) != "invalid too-complex" {
		t.Errorf("a badge of more than %d bytes: %s", MaxBytes, codes(v))
	}
}

// For every text in a picture, Verify must return a verdict with reasons and must not panic. If no hosted badge could
// be valid, Verify must make no request.
func FuzzBakedAddress(f *testing.F) {
	for _, s := range []string{
		labBadge,
		"http://lab.example/a",
		"https://",
		"HTTPS://lab.example",
		labBadge + " " + labBadge,
		"{}",
		"a.b.c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a := &asked{}
		v := Verify(
			pictureOf(t, "tEXt", "openbadges\x00"+s),
			Options{Trust: []Issuer{{ID: "did:x:i", Keys: nil}}, At: today, Documents: a},
		)
		if v.State == Valid || len(v.Reasons) == 0 || a.n > 0 {
			t.Fatalf("%q: %s, asked %d times", s, codes(v), a.n)
		}
		if _, format, err := bake.Extract(svgOf("x")); err != nil || format != bake.SVG {
			t.Fatal(err)
		}
	})
}
