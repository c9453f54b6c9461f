package ld

import (
	"crypto"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// lines returns the canonical statements of a credential whose achievement has the given properties.
func lines(t *testing.T, achievement string) (string, error) {
	t.Helper()
	d, err := Parse(
		[]byte(`{"@context":["` + VC + `","` + OB + `"],"id":"urn:x:1","type":["VerifiableCredential","OpenBadgeCredential"],
		"credentialSubject":{"id":"urn:x:s","type":"AchievementSubject","achievement":{"id":"urn:x:a","type":"Achievement",
		` + achievement + `}}}`),
	)
	if err != nil {
		return "", err
	}
	doc, err := Open(d)
	if err != nil {
		return "", err
	}
	text, err := doc.Canonical(crypto.SHA256)
	return string(text), err
}

const ob = "https://purl.imsglobal.org/spec/vc/ob/vocab.html#"

func TestValuesBecomeStandardStatements(t *testing.T) {
	for in, want := range map[string]string{
		`"name":"a\"b\\c\n\t\u0001\u007f"`: `<urn:x:a> <https://schema.org/name> ` +
			`"a\"b\\c\n\t\u0001\u007F" .`,
		`"name":{"@value":"Découpe","@language":"FR-fr"}`: `<urn:x:a> <https://schema.org/name> "Découpe"@fr-fr .`,
		`"name":{"@value":"Cut"}`:                         `<urn:x:a> <https://schema.org/name> "Cut" .`,
		`"name":["a",null,"b","a"]`:                       `<urn:x:a> <https://schema.org/name> "a" .`,
		`"creditsAvailable":36`: `<urn:x:a> <` + ob + `creditsAvailable> ` +
			`"36"^^<https://www.w3.org/2001/XMLSchema#float> .`,
		`"creditsAvailable":2.5`: `<urn:x:a> <` + ob + `creditsAvailable> ` +
			`"2.5E0"^^<https://www.w3.org/2001/XMLSchema#float> .`,
		`"version":-0`: `<urn:x:a> <` + ob + `version> "0"^^<http://www.w3.org/2001/XMLSchema#integer> .`,
		`"version":12.50e-3`: `<urn:x:a> <` + ob + `version> "1.25E-2"^^<http://www.w3.org/2001/` +
			`XMLSchema#double> .`,
		`"version":true`:                `<urn:x:a> <` + ob + `version> "true"^^<http://www.w3.org/2001/XMLSchema#boolean> .`,
		`"image":"https://x.example/i"`: `<urn:x:a> <` + ob + `image> <https://x.example/i> .`,
		`"image":{"id":"https://x.example/i","type":"Image"}`: `<https://x.example/i> ` +
			`<` + rdf + `type> <` + ob + `Image> .`,
		`"type2":null,"name":"a"`:                                   "unknown-term",
		`"name":{"@value":"x","@language":"fr","@direction":"ltr"}`: "malformed",
		`"name":{"@value":"x","@language":"f r"}`:                   "malformed",
		`"name":{"@value":1}`:                                       "malformed",
		`"image":{"@value":"x"}`:                                    "malformed",
		`"name":{"@set":["x"]}`:                                     "unknown-term",
		`"name":[["x"]]`:                                            "malformed",
		`"image":"i.png"`:                                           "relative-iri",
		`"image":"_:b0"`:                                            "relative-iri",
		`"image":"https://x.example/> <urn:x:p> <urn:x:o> .\n<a"`:   "relative-iri",
		`"image":"https://x.example/>"`:                             "relative-iri",
		`"image":"https://x.example/\\u003e"`:                       "relative-iri",
		`"image":"https://x.example/%2f?é#%C3%A9"`: `<urn:x:a> <` + ob + `image> ` +
			`<https://x.example/%2f?é#%C3%A9> .`,
		`"image":"urn:x:\u007f"`:            "relative-iri",
		`"image":"https://x.example/%2"`:    "relative-iri",
		`"image":"urn:x:%g0"`:               "relative-iri",
		`"image":"https://x.example:port/"`: "relative-iri",
		`"image":"1a:x"`:                    "relative-iri",
		`"image":"a_b:x"`:                   "relative-iri",
		`"image":"https:"`:                  "relative-iri",
		`"image":"name:x"`:                  "relative-iri",
		`"image":5`:                         "malformed",
		`"version":1e-7`:                    "malformed", // jsonld.js 8 writes this number as 0
		`"criteria":{"id":null}`:            "malformed",
		`"criteria":{"id":5}`:               "malformed",
		`"criteria":{"type":null}`:          "malformed",
		`"criteria":{"type":5}`:             "malformed",
		`"criteria":{"type":"criteria2"}`:   "unknown-term",
		`"criteria":{"@context":{}}`:        "unknown-context",
		`"https://schema.org/name":"x"`:     "unknown-term",
		`"@type":"Achievement"`:             "unknown-term",
	} {
		got, err := lines(t, in)
		if err != nil {
			got = err.Error() + "\n"
		}
		if !strings.Contains(got, want+"\n") && !strings.HasPrefix(got, want+":") {
			t.Errorf("%s: no %s in\n%s", in, want, got)
		}
	}
}

// The prefixes of a type apply to the id and the references of its node. An id that begins with such a prefix is not
// absolute. The prefixes of a type do not apply to nested nodes (JSON-LD 1.1, expansion steps 7 and 13.4.3).
func TestPrefixesOfATypeApplyToItsIDs(t *testing.T) {
	for _, c := range []struct{ want, id, issuer string }{
		{"", "urn:x:1", `{"id":"did:x:y"}`},
		{"", "urn:x:1", `{"id":"cred:x","type":[]}`},
		{"relative-iri", "urn:x:1", `{"id":"cred:x"}`},
		{"relative-iri", "urn:x:1", `"cred:x"`},
		{"relative-iri", "cred:x", `"did:x:y"`},
	} {
		d, err := Parse(
			[]byte(`{"@context":["` + vc1 + `"],"id":"` + c.id + `","type":"VerifiableCredential","issuer":` + c.issuer + `}`),
		)
		if err == nil {
			_, err = Open(d)
		}
		if got, _, _ := strings.Cut(errText(err), ":"); got != c.want {
			t.Errorf("%s %s: %v, want %q", c.id, c.issuer, err, c.want)
		}
	}
}

// The terms of a type do not apply to nested nodes. The order of an array's values has no meaning, except in lists.
func TestTermsOfATypeDoNotApplyToNestedNodes(t *testing.T) {
	if _, err := lines(t, `"criteria":{"achievementType":"x"}`); !strings.Contains(errText(err), "unknown-term") {
		t.Errorf("a term of the achievement is accepted within its criteria: %v", err)
	}
	one, err1 := lines(t, `"tag":["a","b"],"resultDescription":{"type":"ResultDescription","allowedValue":["x","x","y"]}`)
	two, err2 := lines(
		t,
		`"resultDescription":{"allowedValue":["x","x","y"],"type":["ResultDescription"]},"tag":["b","a","a"]`,
	)
	if err1 != nil || err2 != nil || one != two {
		t.Errorf("%v %v\n%s\n%s", err1, err2, one, two)
	}
	other, err := lines(
		t,
		`"resultDescription":{"allowedValue":["x","y","x"],"type":["ResultDescription"]},"tag":["b","a","a"]`,
	)
	if err != nil || other == one {
		t.Errorf("two lists in different order have the same canonical form: %v", err)
	}
}

// In all combinations of known contexts, exactly one term can express a signed statement. Therefore an attacker
// cannot rename a term that a reader looks for.
func TestEachStatementHasOneTerm(t *testing.T) {
	word, aliases := map[string]string{}, map[string]bool{}
	var walk func(at string, c *context)
	walk = func(at string, c *context) {
		for _, x := range c.terms {
			switch have := word[x.iri]; {
			case x.alias != "":
				aliases[x.alias+" "+x.name] = true
			case have != "" && have != x.name:
				t.Errorf("%s: %q and %q both mean %s", at, have, x.name, x.iri)
			default:
				word[x.iri] = x.name
			}
			if x.scoped != nil {
				walk(at+" "+x.name, x.scoped)
			}
		}
	}
	for _, k := range known {
		walk(k.url, k.ctx)
	}
	want := []string{
		"OpenBadgeCredential AchievementCredential",
		"achievement Achievement",
		"address Address",
		"creator Profile",
		"criteria Criteria",
		"geo GeoCoordinates",
		"image Image",
	}
	if got := slices.Sorted(maps.Keys(aliases)); !slices.Equal(got, want) {
		t.Errorf("aliases: %q, want %q", got, want)
	}
	if _, err := lines(t, `"Criteria":{"narrative":"x"}`); !strings.Contains(
		errText(err),
		`"Criteria" is an alias of "criteria"`,
	) {
		t.Error(err)
	}
}

// If a long id occurs in many statements, the text could need gigabytes, so package ld must check its size before
// writing it.
func TestSizeOfStatementsIsLimited(t *testing.T) {
	many := `"tag":["` + strings.Repeat(`x","`, 3000) + `"]`
	if _, err := lines(
		t,
		`"related":{"type":"Achievement","id":"urn:x:`+strings.Repeat("y", 500000)+`",`+many+`}`,
	); !strings.Contains(
		errText(err),
		"too-complex",
	) {
		t.Error(err)
	}
	if _, err := lines(t, `"criteria":{"type":[`+strings.Repeat(`"Criteria",`, maxTypes)+`"Image"]}`); !strings.Contains(
		errText(err),
		"too-complex",
	) {
		t.Error(err)
	}
	// Package ld must accept a badge with an embedded image.
	if _, err := lines(t, `"image":"data:image/png;base64,`+strings.Repeat("A", 700000)+`"`); err != nil {
		t.Error(err)
	}
}

// A document can be converted to canonical form with SHA-256 and then with SHA-384, even if the document repeats
// statements.
func TestDocumentsCanBeCanonicalisedWithBothHashes(t *testing.T) {
	open := func() *Document {
		d, err := Parse(
			[]byte(`{"@context":"` + VC + `","type":["VerifiableCredential","VerifiableCredential"],"name":["a","a","b"]}`),
		)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := Open(d)
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	doc := open()
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA256} {
		got, err := doc.Canonical(h)
		want, err2 := open().Canonical(h)
		if err != nil || err2 != nil || string(got) != string(want) || strings.Count(string(got), "\n") != 3 {
			t.Errorf("%v: %v %v\n%s\n%s", h, err, err2, got, want)
		}
	}
}

// A document must have only one canonical form. If the test reads the canonical form as N-Quads and converts it
// again, it must get the same form. The document with its keys in another order must have the same canonical form.
func FuzzOpen(f *testing.F) {
	head := `{"@context":["` + VC + `","` + OB + `"],"type":["VerifiableCredential","OpenBadgeCredential"],`
	for _, s := range []string{
		head + `"id":"urn:x:1","issuer":{"id":"did:key:z","type":"Profile","name":"é\u0001"},` +
			`"credentialSubject":[{"type":"AchievementSubject","achievement":{"id":"urn:x:a","type":["Achievement"],` +
			`"criteria":{"narrative":"\n"}}},{}]}`,
		head + `"endorsement":[{"@context":["` + VC + `"],"type":["EndorsementCredential","VerifiableCredential"],` +
			`"proof":[{"type":"DataIntegrityProof"},{}]}]}`,
		head + `"name":{"@value":"x","@language":"FR"},"_sd":[1e3,{"b":null,"a":"\u2028"}]}`,
		`{"@context":["` + vc1 + `","` + ob300 + `"],"type":"VerifiableCredential","issuer":{"id":"cred:x"},` +
			`"issuanceDate":2010}`,
		`{"@context":"` + VC + `","type":"BitstringStatusListCredential",` +
			`"credentialSubject":{"type":"BitstringStatusList","statusPurpose":["revocation",true,-0.5]}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		words, err := Parse(b)
		if err != nil {
			return
		}
		doc, err := Open(words)
		if err != nil {
			if _, ok := err.(*Fault); !ok {
				t.Fatalf("%v is no Fault", err)
			}
			return
		}
		text, err := doc.Canonical(crypto.SHA384)
		if err != nil {
			return
		}
		again, err := canonicalise(sortedSet(parseNQuads(t, string(text))), crypto.SHA384)
		if err != nil || string(again) != string(text) {
			t.Fatalf("%v\n%s\nis\n%s", err, text, again)
		}
		sorted, err := json.Marshal(words)
		if err != nil {
			t.Fatal(err)
		}
		if words, err = Parse(sorted); err != nil {
			return // the escapes may make the text longer than the limit
		}
		if doc, err = Open(words); err != nil {
			t.Fatal(err)
		}
		if again, err := doc.Canonical(crypto.SHA384); err != nil || string(again) != string(text) {
			t.Fatalf("%v\n%s\nis\n%s", err, text, again)
		}
	})
}
