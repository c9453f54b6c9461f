package openbadge

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"portillon/openbadge/internal/ld"
	"portillon/openbadge/internal/otherstest"
)

const (
	labIssuer = "https://lab.example/issuer"
	labClass  = "https://lab.example/classes/laser"
	labBadge  = "https://lab.example/badges/1"
)

// lab2 returns the web documents of an issuer: a profile, a class and a hosted badge.
func lab2() web {
	const context = "https://w3id.org/openbadges/v2"
	return web{
		labIssuer: object{
			"@context": context,
			"type":     "Profile",
			"id":       labIssuer,
			"name":     "BIK'LAB",
			"url":      "https://lab.example",
			"email":    "lab@lab.example",
		},
		labClass: object{
			"@context":    context,
			"type":        "BadgeClass",
			"id":          labClass,
			"name":        "Découpe laser",
			"description": "Seul·e",
			"image":       "https://lab.example/i.png",
			"criteria":    object{"narrative": "Avoir montré…"},
			"issuer":      labIssuer,
		},
		labBadge: object{
			"@context":     context,
			"type":         "Assertion",
			"id":           labBadge,
			"badge":        labClass,
			"issuedOn":     "2026-01-01T00:00:00Z",
			"verification": object{"type": "hosted"},
			"recipient":    object{"type": "email", "hashed": false, "identity": "lea@lab.example"},
		},
	}
}

func trust2() []Issuer { return []Issuer{{ID: labIssuer, Keys: []string{labIssuer}}} }

// gone is a Resolver that returns an error for one address, as for an issuer that has removed a badge.
type gone struct {
	web
	url string
	err error
}

func (g gone) Resolve(url string) ([]byte, error) {
	if url == g.url {
		return nil, g.err
	}
	return g.web.Resolve(url)
}

func TestHostedBadgeIsReadFromItsOwnAddress(t *testing.T) {
	for name, c := range map[string]struct {
		change func(w web, presented object)
		want   string
	}{
		"as hosted": {func(w web, p object) {}, "valid"},
		"the copy says it ends later": {func(w web, p object) {
			w[labBadge].(object)["expires"] = "2026-02-01T00:00:00Z"
			p["expires"] = "2030-01-01T00:00:00Z"
		}, "invalid expired"},
		"the copy is another's": {func(w web, p object) {
			p["recipient"] = object{"type": "email", "hashed": false, "identity": "evil@lab.example"}
		}, "valid"},
		"the copy is of another class": {
			func(w web, p object) { p["badge"] = "https://lab.example/classes/all" },
			"valid",
		},
		"the copy is not the hosted one": {
			func(w web, p object) { w[labBadge].(object)["id"] = "https://lab.example/badges/2" },
			"invalid not-hosted",
		},
		"revoked in place": {
			func(w web, p object) { w[labBadge].(object)["revoked"] = true },
			"invalid revoked",
		},
		"out of reach": {
			func(w web, p object) { delete(w, labBadge) },
			"indeterminate hosted-unreachable",
		},
		"its class is out of reach": {
			func(w web, p object) { delete(w, labClass) },
			"indeterminate hosted-unreachable",
		},
		"its issuer is out of reach": {
			func(w web, p object) { delete(w, labIssuer) },
			"indeterminate hosted-unreachable",
		},
		"no page but a page": {func(w web, p object) { w[labBadge] = "<html>" }, "invalid malformed"},
		"no address":         {func(w web, p object) { p["id"] = "urn:uuid:1" }, "invalid not-hosted"},
		"no id":              {func(w web, p object) { delete(p, "id") }, "invalid not-hosted"},
		"without a verification": {
			func(w web, p object) { delete(p, "verification") },
			"invalid not-an-open-badge",
		},
		"says that it is signed": {
			func(w web, p object) { p["verification"] = object{"type": "signed"} },
			"invalid no-proof",
		},
		"hosted, it says that it is signed": {
			func(w web, p object) { w[labBadge].(object)["verification"] = object{"type": "SignedBadge"} },
			"invalid no-proof",
		},
		"says both": {
			func(w web, p object) { p["verification"] = object{"type": []any{"hosted", "signed"}} },
			"invalid malformed",
		},
		"no recipient": {
			func(w web, p object) { delete(w[labBadge].(object), "recipient") },
			"invalid not-an-open-badge",
		},
		"hashed neither way": {
			func(w web, p object) { w[labBadge].(object)["recipient"].(object)["hashed"] = "false" },
			"invalid not-an-open-badge",
		},
		"of no date": {
			func(w web, p object) { delete(w[labBadge].(object), "issuedOn") },
			"invalid not-an-open-badge",
		},
		"of tomorrow": {
			func(w web, p object) { w[labBadge].(object)["issuedOn"] = "2027-01-01T00:00:00Z" },
			"invalid not-yet-valid",
		},
		"a date without a zone": {
			func(w web, p object) { w[labBadge].(object)["issuedOn"] = "2026-01-01" },
			"invalid malformed",
		},
		"its class is no class": {
			func(w web, p object) { w[labClass].(object)["type"] = "Profile" },
			"invalid not-an-open-badge",
		},
		"its class has no issuer": {
			func(w web, p object) { delete(w[labClass].(object), "issuer") },
			"invalid not-an-open-badge",
		},
		"its class is within it": {func(w web, p object) { w[labBadge].(object)["badge"] = w[labClass] }, "valid"},
		"its class's issuer is within it": {
			func(w web, p object) { w[labClass].(object)["issuer"] = w[labIssuer] },
			"valid",
		},
		"an issuer within that trusts itself": {func(w web, p object) {
			w[labClass].(object)["issuer"] = object{"type": "Profile", "id": "https://evil.example/i", "name": "x"}
		}, "indeterminate hosted-unreachable"},
		"a loop": {func(w web, p object) { w[labClass].(object)["issuer"] = labClass }, "invalid not-an-open-badge"},
	} {
		w := lab2()
		p := maps.Clone(w[labBadge].(object))
		c.change(w, p)
		data, _ := json.Marshal(p)
		v := Verify(data, Options{Trust: trust2(), At: today, Documents: w})
		if got := codes(v); got != c.want {
			t.Errorf("%s: %s, want %s (%s)", name, got, c.want, v.Why())
		}
		if v.State == Valid &&
			(v.Assurance != Hosted || v.Kind != BadgeKind || v.Badge.AchievementID != labClass || !v.Badge.IsFor(Recipient{
				Emails: []string{"Lea@lab.example"},
			}) || v.Badge.IssuerID != labIssuer) {
			t.Errorf("%s: %+v", name, v.Badge)
		}
	}
	data, _ := json.Marshal(lab2()[labBadge])
	for err, want := range map[error]string{
		ErrGone:               "invalid revoked",
		ErrNotFound:           "invalid not-hosted",
		errors.New("timeout"): "indeterminate hosted-unreachable",
	} {
		if got := codes(Verify(
			data,
			Options{Trust: trust2(), At: today, Documents: gone{lab2(), labBadge, err}},
		)); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
	if got := codes(Verify(data, Options{Trust: trust2(), At: today})); got != "indeterminate hosted-unreachable" {
		t.Errorf("verdict without a Resolver: %s", got)
	}
}

// The profile of the badge's issuer must be at an address that is pinned to the issuer.
func TestHostedBadgeNeedsAPinnedProfile(t *testing.T) {
	data, _ := json.Marshal(lab2()[labBadge])
	for name, c := range map[string]struct {
		trust []Issuer
		want  string
	}{
		"nobody":         {nil, "invalid issuer-not-trusted"},
		"another issuer": {[]Issuer{{ID: labIssuer + "2", Keys: []string{labIssuer}}}, "invalid issuer-not-trusted"},
		"a key alone":    {[]Issuer{{ID: labIssuer, Keys: []string{key(t).DID()}}}, "invalid issuer-not-trusted"},
		"another address": {
			[]Issuer{{ID: labIssuer, Keys: []string{"https://lab.example/issuer2"}}},
			"invalid key-not-pinned",
		},
		"no key":           {[]Issuer{{ID: labIssuer, Keys: nil}}, "invalid issuer-not-trusted"},
		"the second entry": {[]Issuer{{ID: labIssuer, Keys: nil}, {ID: labIssuer, Keys: []string{labIssuer}}}, "valid"},
	} {
		if got := codes(Verify(data, Options{Trust: c.trust, At: today, Documents: lab2()})); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// asked is a Resolver that counts how many requests a verification makes.
type asked struct{ n int }

func (a *asked) Resolve(string) ([]byte, error) { a.n++; return nil, errors.New("out of reach") }

// The presenter chooses the address of a hosted badge. Therefore Verify must make no request if no hosted badge could
// be valid.
func TestNothingIsFetchedForABadgeThatCannotBeValid(t *testing.T) {
	data, _ := json.Marshal(lab2()[labBadge])
	for want, trust := range map[int][]Issuer{0: {{ID: "did:key:z6Mk", Keys: []string{key(t).DID()}}}, 1: trust2()} {
		a := &asked{}
		Verify(data, Options{Trust: trust, At: today, Documents: a, Status: a, Refresh: a})
		if a.n != want {
			t.Errorf("asked %d times, want %d", a.n, want)
		}
	}
}

// The profile says which addresses belong to the issuer's badges. Addresses that only look similar must be rejected.
func TestSimilarAddressesDoNotBelongToTheIssuer(t *testing.T) {
	for name, c := range map[string]struct {
		verification object
		address      string
		want         bool
	}{
		"its own host":   {nil, "https://lab.example/badges/1", true},
		"without TLS":    {nil, "http://lab.example/badges/1", true},
		"in capitals":    {nil, "https://LAB.example/badges/1", true},
		"another host":   {nil, "https://evil.example/badges/1", false},
		"a longer host":  {nil, "https://lab.example.evil.example/badges/1", false},
		"a subdomain":    {nil, "https://evil.lab.example/badges/1", false},
		"a user":         {nil, "https://lab.example@evil.example/badges/1", false},
		"another port":   {nil, "https://lab.example:444/badges/1", false},
		"another scheme": {nil, "ftp://lab.example/badges/1", false},
		"a fragment":     {nil, "https://lab.example/badges/1#x", false},
		"startsWith": {
			object{"startsWith": "https://lab.example/badges/"},
			"https://lab.example/badges/1",
			true,
		},
		"startsWith, another": {
			object{"startsWith": "https://lab.example/badges/"},
			"https://lab.example/other/1",
			false,
		},
		"startsWith, climbing": {
			object{"startsWith": "https://lab.example/badges/"},
			"https://lab.example/badges/../other/1",
			false,
		},
		"startsWith, escaped": {
			object{"startsWith": "https://lab.example/badges/"},
			"https://lab.example/badges/%2e%2e/other",
			false,
		},
		"startsWith, a bare host": {
			object{"startsWith": "https://lab.example"},
			"https://lab.example.evil.example/1",
			false,
		},
		"startsWith, a list": {
			object{"startsWith": []any{"https://a.example/", "https://lab.example/"}},
			"https://lab.example/1",
			true,
		},
		"startsWith, no text": {object{"startsWith": []any{1, nil, object{}}}, "https://lab.example/1", false},
		"allowedOrigins":      {object{"allowedOrigins": "badges.example"}, "https://badges.example/1", true},
		"allowedOrigins, an origin": {
			object{"allowedOrigins": []any{"https://badges.example"}},
			"https://badges.example/1",
			true,
		},
		"allowedOrigins, another": {object{"allowedOrigins": "badges.example"}, "https://lab.example/1", false},
		"allowedOrigins, longer": {
			object{"allowedOrigins": "badges.example"},
			"https://badges.example.evil.example/1",
			false,
		},
		"both, one kept": {
			object{"allowedOrigins": "lab.example", "startsWith": "https://lab.example/x"},
			"https://lab.example/y",
			false,
		},
		"both kept": {
			object{"allowedOrigins": "lab.example", "startsWith": "https://lab.example/x"},
			"https://lab.example/x1",
			true,
		},
	} {
		w := &issuer2{at: labIssuer, pinned: true, profile: object{}}
		if c.verification != nil {
			w.profile["verification"] = c.verification
		}
		err := w.requireHostedAddress(c.address)
		if (err == nil) != c.want || err != nil && !isFault(err, "hosted-elsewhere") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := lab2()
	w["https://evil.example/classes/laser"] = w[labClass]
	w[labBadge].(object)["badge"] = "https://evil.example/classes/laser"
	data, _ := json.Marshal(w[labBadge])
	if got := codes(Verify(data, Options{Trust: trust2(), At: today, Documents: w})); got != "invalid hosted-elsewhere" {
		t.Errorf("a class that somebody else hosts: %s", got)
	}
}

// Verify must reject a key in another spelling, because other readers may accept a value that this package would
// ignore.
func TestOtherSpellingsOfKeysAreRejected(t *testing.T) {
	published := ld.Obj(parse(t, otherstest.File(t, inspector2, "assets/issuer1.json")), "@context")
	changed := maps.Clone(published)
	changed["end"] = object{"@id": "obi:expires", "@type": "xsd:dateTime"}
	for name, c := range map[string]struct {
		change func(object)
		want   string
	}{
		"an issuer's own word": {func(d object) { d["level"] = "2" }, "valid"},
		"the context in full":  {func(d object) { d["@context"] = published }, "valid"},
		"its other address": {
			func(d object) { d["@context"] = []any{"https://openbadgespec.org/v2/context.json"} },
			"valid",
		},
		"a context with one more": {
			func(d object) { d["@context"] = []any{"https://w3id.org/openbadges/v2", object{"end": "obi:expires"}} },
			"invalid unknown-context",
		},
		"a context that differs": {
			func(d object) { d["@context"] = []any{"https://w3id.org/openbadges/v2", changed} },
			"invalid unknown-context",
		},
		"a context of elsewhere": {
			func(d object) { d["@context"] = []any{"https://w3id.org/openbadges/v2", "https://evil.example/c"} },
			"invalid unknown-context",
		},
		"Expires":     {func(d object) { d["Expires"] = "2026-01-02T00:00:00Z" }, "invalid unknown-term"},
		"issuedon":    {func(d object) { d["issuedon"] = "2026-01-02T00:00:00Z" }, "invalid unknown-term"},
		"obi:expires": {func(d object) { d["obi:expires"] = "2026-01-02T00:00:00Z" }, "invalid unknown-term"},
		"the full name": {
			func(d object) { d["https://w3id.org/openbadges#expires"] = "2026-01-02T00:00:00Z" },
			"invalid unknown-term",
		},
		"@id beside id":       {func(d object) { d["@id"] = labBadge }, "invalid ambiguous"},
		"@id in its place":    {func(d object) { d["@id"] = d["id"]; delete(d, "id") }, "valid"},
		"@type in its place":  {func(d object) { d["@type"] = d["type"]; delete(d, "type") }, "valid"},
		"verify in its place": {func(d object) { d["verify"] = d["verification"]; delete(d, "verification") }, "valid"},
		"verify beside null":  {func(d object) { d["verify"], d["verification"] = d["verification"], nil }, "valid"},
		"verify beside it":    {func(d object) { d["verify"] = d["verification"] }, "invalid ambiguous"},
		"Verify": {
			func(d object) { d["Verify"] = d["verification"]; delete(d, "verification") },
			"invalid unknown-term",
		},
		"@type of its recipient": {func(d object) {
			r := d["recipient"].(object)
			r["@type"] = r["type"]
			delete(r, "type")
		}, "valid"},
		"an extension": {func(d object) {
			d["extensions:x"] = object{"@context": "https://x.example/c", "type": []any{"Extension", "extensions:X"}}
		}, "valid"},
		"a bare extension":    {func(d object) { d["extensions:x"] = "yes" }, "invalid malformed"},
		"an unknown type":     {func(d object) { d["type"] = []any{"Assertion", "Master"} }, "invalid unknown-term"},
		"a type of one's own": {func(d object) { d["type"] = []any{"Assertion", "https://lab.example/Master"} }, "valid"},
		"two kinds at once":   {func(d object) { d["type"] = []any{"Assertion", "BadgeClass"} }, "invalid ambiguous"},
	} {
		w := lab2()
		c.change(w[labBadge].(object))
		data, _ := json.Marshal(w[labBadge])
		if got := codes(Verify(data, Options{Trust: trust2(), At: today, Documents: w})); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// For a signed badge, the profile must list a key, the assertion must name this key, and the badge must not be on the
// issuer's revocation list.
func TestSignedBadgeNeedsTheKeyItNames(t *testing.T) {
	at := labIssuer + "/key"
	pemKey := object{
		"id":           at,
		"type":         "CryptographicKey",
		"owner":        labIssuer,
		"publicKeyPem": inPEM(&rsaPrivate(t).PublicKey),
	}
	for name, c := range map[string]struct {
		change func(w web, claims object)
		trust  []string
		want   string
	}{
		"as it should be": {func(w web, p object) {}, nil, "valid"},
		"no creator":      {func(w web, p object) { p["verification"] = object{"type": "signed"} }, nil, "valid"},
		"another creator": {func(w web, p object) {
			p["verification"] = object{"type": "signed", "creator": "https://evil.example/key"}
		}, nil, "invalid key-not-pinned"},
		"another's key": {
			func(w web, p object) { w[at].(object)["owner"] = "https://evil.example" },
			nil,
			"indeterminate trust-unusable",
		},
		"a key in PEM, pinned": {func(w web, p object) {}, []string{inPEM(&rsaPrivate(t).PublicKey)}, "valid"},
		"hosted, it says": {
			func(w web, p object) { p["verification"] = object{"type": "hosted"} },
			nil,
			"invalid claims-mismatch",
		},
		"revoked by its id": {
			func(w web, p object) { w[labIssuer+"/revoked"] = revoked2(labBadge) },
			nil,
			"invalid revoked",
		},
		"revoked by a uid": {func(w web, p object) {
			w[labIssuer+"/revoked"] = revoked2(object{"uid": labBadge, "revocationReason": "lost"})
		}, nil, "invalid revoked"},
		"another is revoked": {
			func(w web, p object) { w[labIssuer+"/revoked"] = revoked2("urn:x:1", object{"id": "urn:x:2"}) },
			nil,
			"valid",
		},
		"a list of nothing": {
			func(w web, p object) { w[labIssuer+"/revoked"] = revoked2(1) },
			nil,
			"indeterminate status-unusable",
		},
		"a list of another kind": {
			func(w web, p object) { w[labIssuer+"/revoked"] = object{"id": "x", "revokedCredential": []any{}} },
			nil,
			"indeterminate status-unusable",
		},
		"the list is out of reach": {
			func(w web, p object) { delete(w, labIssuer+"/revoked") },
			nil,
			"indeterminate status-unreachable",
		},
		"expired":         {func(w web, p object) { p["expires"] = "2026-02-01T00:00:00Z" }, nil, "invalid expired"},
		"its class in it": {func(w web, p object) { p["badge"] = w[labClass] }, nil, "valid"},
	} {
		w := lab2()
		profile := w[labIssuer].(object)
		profile["publicKey"], profile["revocationList"] = at, labIssuer+"/revoked"
		w[at], w[labIssuer+"/revoked"] = maps.Clone(pemKey), revoked2()
		claims := w[labBadge].(object)
		claims["verification"] = object{"type": "signed", "creator": at}
		c.change(w, claims)
		h, _ := json.Marshal(object{"alg": "RS256", "typ": "JWT"})
		p, _ := json.Marshal(claims)
		text := b64(h) + "." + b64(p)
		pins := c.trust
		if pins == nil {
			pins = []string{labIssuer}
		}
		o := Options{Trust: []Issuer{{ID: labIssuer, Keys: pins}}, At: today, Documents: w, Status: w}
		v := Verify([]byte(text+"."+b64(signRS256(t)([]byte(text)))), o)
		if got := codes(v); got != c.want || v.Form != "ob2 jws" || v.State == Valid && v.Assurance != Signed {
			t.Errorf("%s: %s, want %s (%s)", name, got, c.want, v.Why())
		}
		bad := signRS256(t)([]byte(text + "x"))
		if got := codes(Verify([]byte(text+"."+b64(bad)), o)); got == "valid" {
			t.Errorf("%s: another signature verifies", name)
		}
	}
}

func revoked2(entries ...any) object {
	if entries == nil {
		entries = []any{}
	}
	return object{
		"@context":          "https://w3id.org/openbadges/v2",
		"type":              "RevocationList",
		"id":                labIssuer + "/revoked",
		"revokedAssertions": entries,
	}
}

// Verify must reject badge classes and profiles even if they are correct, because they are not badges.
func TestBadgeClassesAndProfilesAreNotBadges(t *testing.T) {
	w := lab2()
	for at, kind := range map[string]Kind{labClass: ClassKind, labIssuer: ProfileKind} {
		data, _ := json.Marshal(w[at])
		o := Options{Trust: trust2(), At: today, Documents: w}
		if v := VerifyDocument(data, o); v.State != Valid || v.Kind != kind || v.Badge != nil || v.Assurance != "" {
			t.Errorf("%s: %s %+v", kind, v.Why(), v)
		}
		if got := codes(Verify(data, o)); got != "invalid not-an-open-badge" {
			t.Errorf("%s: %s", kind, got)
		}
	}
}

func FuzzOpenBadges2(f *testing.F) {
	for _, d := range lab2() {
		b, _ := json.Marshal(d)
		f.Add(b, string(b))
	}
	f.Fuzz(func(t *testing.T, b []byte, doc string) {
		v := Verify(b, Options{Trust: trust2(), At: today, Documents: everywhere(doc), Status: everywhere(doc)})
		if v.State != Valid && len(v.Reasons) == 0 {
			t.Fatal("refused without a reason")
		}
		if v.State == Valid && !strings.Contains(doc, labIssuer) {
			t.Fatalf("verdict is valid for a badge that the issuer did not make: %s", doc)
		}
	})
}
