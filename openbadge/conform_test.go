package openbadge

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// conformant returns a correct badge with values for most of the data model.
func conformant(t testing.TB, k *Key) object {
	t.Helper()
	d := draft()
	d.Status = ""
	doc, err := d.document(k)
	if err != nil {
		t.Fatal(err)
	}
	more := parse(t, []byte(`{"image":{"id":"https://lab.example/i.png","type":"Image"},
		"refreshService":{"id":"https://lab.example/r","type":"1EdTechCredentialRefresh"},
		"evidence":[{"id":"https://lab.example/e","type":["Evidence"],"narrative":"x"}],
		"awardedDate":"2026-01-01T00:00:00Z"}`))
	for key, v := range more {
		doc[key] = v
	}
	doc["@context"] = []any{ContextVC, ContextOB, ContextExtensions}
	achievement := doc["credentialSubject"].(object)["achievement"].(object)
	for key, v := range parse(t, []byte(`{"image":{"id":"https://lab.example/a.png","type":"Image","caption":"c"},
		"tag":["laser"],"creditsAvailable":1.5,
		"alignment":[{"type":["Alignment"],"targetName":"n","targetUrl":"https://x.example/t"}],
		"creator":{"id":"https://lab.example/issuer","type":["Profile"],"name":"Lab",
		"otherIdentifier":[{"type":"IdentifierEntry","identifier":"1","identifierType":"systemId"}]},
		"resultDescription":[{"id":"urn:x:r","type":["ResultDescription"],"name":"n","resultType":"Status",
		"rubricCriterionLevel":[{"id":"urn:x:l","type":["RubricCriterionLevel"],"name":"n"}]}]}`)) {
		achievement[key] = v
	}
	return doc
}

func warned(v Verdict) string {
	var all []string
	for _, w := range v.Warnings {
		all = append(all, w.Code+" "+w.Path)
	}
	return strings.Join(all, "; ")
}

// Verify must report each violated requirement of the standard with its path: as a warning, or, with Strict, as a
// reason.
func TestMissingRequirementsOfTheStandardCauseWarnings(t *testing.T) {
	k := key(t)
	subject := func(d object) object { return d["credentialSubject"].(object) }
	achievement := func(d object) object { return subject(d)["achievement"].(object) }
	for name, c := range map[string]struct {
		change func(d object)
		want   string
	}{
		"all there": {func(d object) {}, ""},
		"neither id nor identity": {
			func(d object) { delete(subject(d), "id"); delete(subject(d), "identifier") },
			"no-recipient credentialSubject",
		},
		"an empty identity": {
			func(d object) { delete(subject(d), "id"); subject(d)["identifier"] = []any{} },
			"no-recipient credentialSubject",
		},
		"an id alone": {func(d object) { delete(subject(d), "identifier") }, ""},
		"evidence of no type": {
			func(d object) { delete(d["evidence"].([]any)[0].(object), "type") },
			"missing-type evidence[0].type",
		},
		"evidence alone": {func(d object) { d["evidence"] = d["evidence"].([]any)[0] }, "wrong-form evidence"},
		"no criteria": {
			func(d object) { delete(achievement(d), "criteria") },
			"missing-property credentialSubject.achievement.criteria",
		},
		"criteria as an address": {
			func(d object) { achievement(d)["criteria"] = "https://lab.example/c" },
			"wrong-form credentialSubject.achievement.criteria",
		},
		"no description": {
			func(d object) { delete(achievement(d), "description") },
			"missing-property credentialSubject.achievement.description",
		},
		"no name of its own":     {func(d object) { delete(d, "name") }, "missing-property name"},
		"a name with a language": {func(d object) { d["name"] = object{"@value": "Laser", "@language": "fr"} }, ""},
		"identity of no hashed": {func(d object) {
			delete(subject(d)["identifier"].([]any)[0].(object), "hashed")
		}, "missing-property credentialSubject.identifier[0].hashed"},
		"identity of no type": {func(d object) {
			delete(subject(d)["identifier"].([]any)[0].(object), "identityType")
		}, "missing-property credentialSubject.identifier[0].identityType"},
		"an image as an address": {
			func(d object) { achievement(d)["image"] = "https://lab.example/a.png" },
			"wrong-form credentialSubject.achievement.image",
		},
		"an image of no type": {func(d object) { delete(d["image"].(object), "type") }, "missing-type image.type"},
		"a refresh of no type": {
			func(d object) { delete(d["refreshService"].(object), "type") },
			"missing-type refreshService.type",
		},
		"a refresh of no address": {
			func(d object) { delete(d["refreshService"].(object), "id") },
			"missing-property refreshService.id",
		},
		"an issuer as an address": {func(d object) { d["issuer"] = k.DID() }, ""},
		"an issuer of no type":    {func(d object) { delete(d["issuer"].(object), "type") }, "missing-type issuer.type"},
		"tags alone": {
			func(d object) { achievement(d)["tag"] = "laser" },
			"wrong-form credentialSubject.achievement.tag",
		},
		"credits as a text": {
			func(d object) { achievement(d)["creditsAvailable"] = "1.5" },
			"wrong-form credentialSubject.achievement.creditsAvailable",
		},
		"an alignment of nothing": {func(d object) {
			achievement(d)["alignment"] = []any{object{"type": "Alignment"}}
		}, "missing-property credentialSubject.achievement.alignment[0].targetName; missing-property " +
			"credentialSubject.achievement.alignment[0].targetUrl"},
		"an awarded date of none": {func(d object) { d["awardedDate"] = "yesterday" }, "wrong-form awardedDate"},
		"deep within": {func(d object) {
			r := achievement(d)["resultDescription"].([]any)[0].(object)
			delete(r["rubricCriterionLevel"].([]any)[0].(object), "name")
		}, "missing-property credentialSubject.achievement.resultDescription[0].rubricCriterionLevel[0].name"},
	} {
		doc := conformant(t, k)
		c.change(doc)
		b := sign(t, doc, k)
		o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today}
		v := Verify(b, o)
		if codes(v) != "valid" || warned(v) != c.want {
			t.Errorf("%s: %s, warned of %q, want %q", name, v.Why(), warned(v), c.want)
		}
		o.Strict = true
		if v = Verify(b, o); (v.State == Valid) != (c.want == "") ||
			c.want != "" && !strings.HasPrefix(codes(v), "invalid not-conformant") {
			t.Errorf("%s, strictly: %s", name, codes(v))
		}
	}
}

// Badges that this package issues cause no warnings, in any form.
func TestIssuedBadgesConformToTheStandard(t *testing.T) {
	k := key(t)
	for form, b := range issued(t, k) {
		v := Verify(b, Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today, Strict: true,
			Status: lists{"https://lab.example/revoked/1": `{"id":"https://lab.example/revoked/1","revokedCredential":[]}`}})
		if v.State != Valid || len(v.Warnings) > 0 {
			t.Errorf("%s: %s %s", form, v.Why(), warned(v))
		}
	}
}

func TestEveryWarningHasBothLanguages(t *testing.T) {
	if got := WarningCodes(); !slices.Equal(
		got,
		[]string{"missing-property", "missing-type", "wrong-form", "no-recipient"},
	) {
		t.Errorf("%q: the codes of warnings must not change, because other programs depend on them", got)
	}
	for _, w := range warnings {
		if w.fr == "" || w.en == "" || w.fr == w.en {
			t.Errorf("%s: %q, %q", w.code, w.fr, w.en)
		}
	}
}

// A badge with many defects must cause only a limited number of warnings.
func TestWarningsAreBounded(t *testing.T) {
	k := key(t)
	doc := conformant(t, k)
	var many []any
	for range 100 {
		many = append(many, object{"narrative": "x"})
	}
	doc["evidence"] = many
	if v := Verify(sign(t, doc, k), Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today}); len(
		v.Warnings,
	) != maxWarnings {
		t.Errorf("%d warnings, want %d", len(v.Warnings), maxWarnings)
	}
}

// checkConformance must not panic on any signed document, and must report each defect of a path only once.
func FuzzConforms(f *testing.F) {
	for _, d := range []object{
		conformant(f, key(f)),
		{"evidence": []any{object{}, "x", nil, []any{}}},
		{"credentialSubject": []any{}},
		{"issuer": json.Number("1")},
	} {
		b, _ := json.Marshal(d)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var doc object
		if json.Unmarshal(b, &doc) != nil || doc == nil {
			return
		}
		q := inquiry{}
		q.checkConformance(doc)
		seen := map[Warning]bool{}
		for _, w := range q.Warnings {
			if seen[w] || w.FR == "" {
				t.Fatalf("%+v twice, or without words", w)
			}
			seen[w] = true
		}
	})
}
