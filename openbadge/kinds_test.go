package openbadge

import (
	"strings"
	"testing"

	"portillon/openbadge/internal/ld"
)

func endorsement(k *Key) object {
	return object{
		"@context":  []any{ContextVC, ContextOB},
		"id":        "urn:x:e",
		"type":      []any{"VerifiableCredential", "EndorsementCredential"},
		"issuer":    k.DID(),
		"validFrom": "2026-01-01T00:00:00Z",
		"credentialSubject": object{
			"id":                 "did:x:lab",
			"type":               []any{"EndorsementSubject"},
			"endorsementComment": "in good standing",
		},
	}
}

// VerifyDocument must accept every kind of document, and Verify must accept only badges.
func TestVerifyAcceptsOnlyBadges(t *testing.T) {
	k := key(t)
	o := Options{
		Trust:     []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}},
		At:        today,
		Status:    lists{"https://lab.example/revoked/1": `{"id":"x","revokedCredential":[{"id":"urn:x:gone"}]}`},
		Recipient: &Recipient{Emails: []string{"lea@example.org"}},
	}
	with := func(d object, change func(d object)) object {
		change(d)
		return d
	}
	plain := func() object {
		return object{
			"@context":          []any{ContextVC, ContextExtensions},
			"type":              []any{"VerifiableCredential"},
			"issuer":            k.DID(),
			"credentialSubject": object{"id": "did:x:lea"},
		}
	}
	revoked := object{"id": "https://lab.example/revoked/1", "type": RevocationListType}
	for _, c := range []struct {
		name string
		d    object
		kind Kind
		want string
	}{
		{"an endorsement", endorsement(k), EndorsementKind, "valid"},
		{
			"an endorsement without a comment",
			with(endorsement(k), func(d object) { delete(d["credentialSubject"].(object), "endorsementComment") }),
			EndorsementKind,
			"valid",
		},
		{
			"an endorsement of nobody",
			with(endorsement(k), func(d object) { delete(d["credentialSubject"].(object), "id") }),
			EndorsementKind,
			"invalid malformed",
		},
		{
			"an endorsement without a date",
			with(endorsement(k), func(d object) { delete(d, "validFrom") }),
			"",
			"invalid not-an-open-badge",
		},
		{
			"an endorsement that has ended",
			with(endorsement(k), func(d object) { d["validUntil"] = "2026-02-01T00:00:00Z" }),
			EndorsementKind,
			"invalid expired",
		},
		{
			"an endorsement that says a list",
			with(endorsement(k), func(d object) { d["credentialSubject"].(object)["endorsementComment"] = []any{"a", "b"} }),
			EndorsementKind,
			"invalid malformed",
		},
		{"a status list", aList(k, minEntries, 1), StatusListKind, "valid"},
		{"a short status list", aList(k, 8000), StatusListKind, "invalid malformed"},
		{
			"a status list of nothing",
			with(aList(k, minEntries), func(d object) { d["credentialSubject"].(object)["encodedList"] = "u" }),
			StatusListKind,
			"invalid malformed",
		},
		{"a plain credential", plain(), CredentialKind, "valid"},
		{"a plain credential, revoked", with(plain(), func(d object) {
			d["@context"], d["id"], d["credentialStatus"] = []any{ContextVC, ContextOB, ContextExtensions}, "urn:x:gone", revoked
		}), CredentialKind, "invalid revoked"},
		{"a plain credential whose list is out of reach", with(plain(), func(d object) {
			d["credentialStatus"] = object{"id": "https://lab.example/lost", "type": RevocationListType}
		}), CredentialKind, "indeterminate status-unreachable"},
		{
			"a plain credential about nobody",
			with(plain(), func(d object) { delete(d, "credentialSubject") }),
			CredentialKind,
			"invalid malformed",
		},
		{
			"a plain credential of nobody",
			with(plain(), func(d object) { delete(d, "issuer") }),
			"",
			"invalid not-an-open-badge",
		},
	} {
		for form, data := range map[string][]byte{"JSON": sign(t, c.d, k), "JWT": signJWT(t, ld.Without(c.d, "proof"), k)} {
			v := VerifyDocument(data, o)
			if got := codes(v); got != c.want || v.Badge != nil || v.State == Valid && v.Kind != c.kind {
				t.Errorf("%s, %s: %q %s, want %q %s: %s", c.name, form, v.Kind, got, c.kind, c.want, v.Why())
			}
			if v := Verify(data, o); v.State != Invalid {
				t.Errorf("%s, %s: %s as a badge", c.name, form, v.State)
			}
		}
		if v := VerifyDocument(sign(t, c.d, k), Options{At: today}); v.State != Invalid ||
			!strings.Contains(v.Why(), "issuer-not-trusted") && v.Reasons[0].Code != "not-an-open-badge" {
			t.Errorf("%s: %s where nobody is trusted: %s", c.name, v.State, v.Why())
		}
	}
}

// A document that has the type of a badge and the type of a list is a badge, not a list.
func TestDocumentWithTwoTypesIsABadge(t *testing.T) {
	k := key(t)
	d, _ := ld.Parse(issued(t, k)["JSON"])
	d["type"] = append(d["type"].([]any), "BitstringStatusListCredential")
	delete(d, "credentialStatus")
	subject := d["credentialSubject"].(object)
	subject["type"], subject["statusPurpose"], subject["encodedList"] = []any{
		"AchievementSubject",
		"BitstringStatusList",
	}, "revocation", encodeBits(
		withBit(1),
	)
	data := sign(t, d, k)
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today}
	if v := Verify(data, o); v.State != Valid || v.Kind != BadgeKind {
		t.Errorf("%s %s", v.Kind, v.Why())
	}
	if _, err := ReadStatusList(data, o); err == nil {
		t.Error("ReadStatusList accepted the badge as a list")
	}
}

func TestDocumentsOfOtherProjectsAreVerified(t *testing.T) {
	for name, want := range map[string]Kind{
		"endorsement-valid.json":   EndorsementKind,
		"bit-string-list/testlist": StatusListKind,
	} {
		data := file(t, shared(t, inspector, name))
		o := Options{Trust: pinItsOwn(data), At: today}
		if v := VerifyDocument(data, o); v.State != Valid || v.Kind != want || v.Badge != nil {
			t.Errorf("%s: %s %s", name, v.Kind, v.Why())
		}
		if got := codes(Verify(data, o)); got != "invalid not-an-open-badge" {
			t.Errorf("%s, as a badge: %s", name, got)
		}
	}
}

// The verdict must list the parts that Verify has not checked, so that readers do not believe that these parts are
// verified.
func TestUncheckedPartsAreListed(t *testing.T) {
	k := key(t)
	d, _ := ld.Parse(issued(t, k)["JSON"])
	d["credentialSchema"] = object{"id": "https://lab.example/schema.json", "type": "1EdTechJsonSchemaValidator2019"}
	d["endorsementJwt"] = []any{"a.b.c"}
	d["refreshService"] = object{"id": "https://lab.example/now", "type": RefreshType}
	v := Verify(sign(t, d, k), Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}})
	if v.State != Valid {
		t.Fatal(v.Why())
	}
	for _, name := range []string{"schema", "endorsements", "refresh", "dates", "status", "recipient"} {
		if c := checkOf(v, name); c.Outcome != "not judged" {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
