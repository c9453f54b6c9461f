package openbadge

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"portillon/openbadge/internal/ld"
)

func TestRevocationListsAreReadStrictly(t *testing.T) {
	const head = `{"id":"https://lab.example/revoked/1","revokedCredential":`
	for in, want := range map[string]string{
		head + `[]}`:             "",
		head + `{"id":"urn:a"}}`: "urn:a",
		head + `[{"id":"urn:a"},{"id":"urn:b","revoked":false},{"id":"urn:c","revoked":true,` +
			`"revocationReason":"x"},{"id":"urn:d","revoked":null}]}`: "urn:a urn:c urn:d",
		head + `["urn:a"]}`:                                    "!",
		head + `[{"revoked":true}]}`:                           "!",
		head + `[{"id":"urn:a","revoked":"false"}]}`:           "!",
		head + `[{"id":"urn:a"},{"id":"urn:b","id":"urn:c"}]}`: "!",
		head + `null}`:                                         "!",
		`{"id":"https://lab.example/revoked/1"}`:               "!",
		`{"revokedCredential":[]}`:                             "!",
		`{"ID":"x","revokedcredential":[]}`:                    "!",
		`<html>`:                                               "!",
		``:                                                     "!",
	} {
		l, err := ParseRevocationList([]byte(in))
		got := "!"
		if err == nil {
			var ids []string
			for _, id := range []string{"urn:a", "urn:b", "urn:c", "urn:d", ""} {
				if l.Revoked(id) {
					ids = append(ids, id)
				}
			}
			got = strings.Join(ids, " ")
		}
		if got != want {
			t.Errorf("%s: %q, want %q (%v)", in, got, want, err)
		}
	}
}

const listURL = "https://lab.example/status/1"

// onList returns a badge signed by k that has status entries in the list at listURL.
func onList(t testing.TB, k *Key, change func(entries []any) []any) []byte {
	t.Helper()
	d, err := ld.Parse(issued(t, k)["JSON"])
	if err != nil {
		t.Fatal(err)
	}
	entries := []any{entryAt("5", "revocation")}
	if change != nil {
		entries = change(entries)
	}
	d["credentialStatus"] = entries
	return sign(t, d, k)
}

func entryAt(index any, purpose string) object {
	return object{
		"type":                 BitstringEntryType,
		"statusPurpose":        purpose,
		"statusListIndex":      index,
		"statusListCredential": listURL,
	}
}

// aList returns the unsigned status list of the key k, in which the given entries are set.
func aList(k *Key, entries int, set ...int64) object {
	b := make(bits, entries/8)
	for _, i := range set {
		b.set(i, true)
	}
	return object{
		"@context":   []any{ContextVC},
		"id":         listURL,
		"type":       []any{"VerifiableCredential", "BitstringStatusListCredential"},
		"issuer":     k.DID(),
		"validFrom":  "2026-01-01T00:00:00Z",
		"validUntil": "2026-12-31T00:00:00Z",
		"credentialSubject": object{
			"id":            listURL + "#list",
			"type":          "BitstringStatusList",
			"statusPurpose": "revocation",
			"encodedList":   encodeBits(b),
		},
	}
}

func signJWT(t testing.TB, d object, k *Key) []byte {
	t.Helper()
	payload, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString(
		[]byte(`{"alg":"EdDSA"}`),
	) + "." + base64.RawURLEncoding.EncodeToString(
		payload,
	)
	return []byte(text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.private, []byte(text))))
}

func TestBitstringStatusIsChecked(t *testing.T) {
	if testing.Short() {
		t.Skip("short: verifies hundreds of badges or large lists")
	}
	k, other := key(t), key(t)
	o := Options{
		Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}, {ID: other.DID(), Keys: []string{other.Multikey()}}},
		At:    today,
	}
	badge := onList(t, k, nil)
	list := func(change func(d, subject object)) string {
		d := aList(k, minEntries)
		change(d, d["credentialSubject"].(object))
		return string(sign(t, d, k))
	}
	set := func(i ...int64) string { return string(sign(t, aList(k, minEntries, i...), k)) }
	for _, c := range []struct{ name, list, want string }{
		{"not set", set(), "valid"},
		{"its neighbours are set", set(4, 6), "valid"},
		{"set", set(5), "invalid revoked"},
		{"set, as a JWT", string(signJWT(t, aList(k, minEntries, 5), k)), "invalid revoked"},
		{"not set, as a JWT", string(signJWT(t, aList(k, minEntries), k)), "valid"},
		{"by another name", list(func(d, s object) { d["id"] = "https://lab.example/elsewhere" }), "valid"},
		{"for two purposes", list(func(d, s object) { s["statusPurpose"] = []any{"suspension", "revocation"} }), "valid"},
		{"with a ttl", list(func(d, s object) { s["ttl"] = json.Number("300000") }), "valid"},
		{"for another purpose", list(func(d, s object) { s["statusPurpose"] = "suspension" }), "invalid status-mismatch"},
		{"for no purpose", list(func(d, s object) { delete(s, "statusPurpose") }), "invalid status-mismatch"},
		{
			"of another issuer",
			string(sign(
				t,
				aList(other, minEntries),
				other,
				func(p object) { p["verificationMethod"] = other.methodID(other.DID()) },
			)),
			"indeterminate status-unusable",
		},
		{"of the issuer, signed by another", string(sign(t, aList(k, minEntries), other)), "indeterminate status-unusable"},
		{
			"with a key that is not pinned",
			string(sign(
				t,
				aList(k, minEntries),
				other,
				func(p object) { p["verificationMethod"] = k.DID() + "#" + other.Multikey() },
			)),
			"indeterminate status-unusable",
		},
		{
			"of an issuer whom nobody trusts",
			list(func(d, s object) { d["issuer"] = key(t).DID() }),
			"indeterminate status-unusable",
		},
		{"without a proof", string(asJSON(t, aList(k, minEntries))), "indeterminate status-unusable"},
		{
			"that has ended",
			list(func(d, s object) { d["validUntil"] = "2026-11-01T00:00:00Z" }),
			"indeterminate status-unusable",
		},
		{
			"that has not begun",
			list(func(d, s object) { d["validFrom"] = "2026-12-01T00:00:00Z" }),
			"indeterminate status-unusable",
		},
		{
			"whose proof has ended",
			string(sign(t, aList(k, minEntries), k, func(p object) { p["expires"] = "2026-11-23T00:00:00Z" })),
			"indeterminate status-unusable",
		},
		{
			"with a status of its own",
			list(func(d, s object) { d["credentialStatus"] = entryAt("6", "revocation") }),
			"indeterminate status-unusable",
		},
		{"that is short", string(sign(t, aList(k, 100_000), k)), "indeterminate status-unusable"},
		{
			"that is a bomb",
			list(func(d, s object) { s["encodedList"] = packed(make([]byte, 64<<20)) }),
			"indeterminate status-unusable",
		},
		{
			"of the old form",
			list(func(d, s object) { s["encodedList"] = strings.TrimPrefix(encodeBits(make(bits, 16384)), "u") }),
			"indeterminate status-unusable",
		},
		{"without entries", list(func(d, s object) { delete(s, "encodedList") }), "indeterminate status-unusable"},
		{
			"whose subject is none",
			list(func(d, s object) { d["credentialSubject"] = object{"id": "urn:x:y"} }),
			"indeterminate status-unusable",
		},
		{
			"with a ttl that is none",
			list(func(d, s object) { s["ttl"] = json.Number("-1") }),
			"indeterminate status-unusable",
		},
		{"that says something of itself elsewhere", list(func(d, s object) {
			d["refreshService"] = object{"id": s["id"], "type": "BitstringStatusList", "ttl": json.Number("1")}
		}), "indeterminate status-unusable"},
		{"that is a badge", string(badge), "indeterminate status-unusable"},
		{"of the other kind", `{"id":"` + listURL + `","revokedCredential":[]}`, "indeterminate status-unusable"},
		{"that is a page", "<html>", "indeterminate status-unusable"},
		{"that is nothing", "", "indeterminate status-unusable"},
		{
			"changed by one bit",
			strings.Replace(set(5), encodeBits(withBit(5)), encodeBits(withBit(6)), 1),
			"indeterminate status-unusable",
		},
	} {
		o.Status = lists{listURL: c.list}
		if got := codes(Verify(badge, o)); got != c.want {
			t.Errorf("a list %s: %s, want %s: %s", c.name, got, c.want, Verify(badge, o).Why())
		}
	}
	o.Allow.ShortStatusLists = true
	o.Status = lists{listURL: string(sign(t, aList(k, 100_000), k))}
	if got := codes(Verify(badge, o)); got != "valid" {
		t.Errorf("a short list, allowed: %s", got)
	}
	o.At, o.Status = time.Time{}, lists{listURL: list(func(d, s object) { d["validUntil"] = "2026-11-01T00:00:00Z" })}
	if got := codes(Verify(badge, o)); got != "valid" {
		t.Errorf("a list that has ended, at no time: %s", got)
	}
}

func withBit(i int64) bits {
	b := make(bits, minEntries/8)
	b.set(i, true)
	return b
}

func asJSON(t testing.TB, d object) []byte {
	t.Helper()
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The issuer has signed the badge's status entry, so a fault in the entry is the issuer's. If this entry is
// unreadable, or if the list has no such entry, Verify must return the verdict invalid.
func TestInvalidStatusEntriesMakeABadgeInvalid(t *testing.T) {
	k := key(t)
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today}
	both := aList(k, minEntries, 7)
	both["credentialSubject"].(object)["statusPurpose"] = []any{"revocation", "suspension", "message"}
	o.Status = lists{
		listURL:                         string(sign(t, both, k)),
		"https://lab.example/revoked/1": `{"id":"x","revokedCredential":[]}`,
	}
	one := func(index any, purpose string, more ...any) func([]any) []any {
		return func([]any) []any {
			e := entryAt(index, purpose)
			for i := 0; i < len(more); i += 2 {
				e[more[i].(string)] = more[i+1]
			}
			return []any{e}
		}
	}
	for name, c := range map[string]struct {
		change func([]any) []any
		want   string
	}{
		"as a text":                   {one("7", "revocation"), "invalid revoked"},
		"as a number":                 {one(json.Number("7"), "revocation"), "invalid revoked"},
		"suspended":                   {one("7", "suspension"), "invalid suspended"},
		"the first":                   {one("0", "revocation"), "valid"},
		"the last":                    {one("131071", "revocation"), "valid"},
		"one beyond":                  {one("131072", "revocation"), "invalid status-mismatch"},
		"far beyond":                  {one("9223372036854775807", "revocation"), "invalid status-mismatch"},
		"farther":                     {one("9223372036854775808", "revocation"), "invalid malformed"},
		"negative":                    {one("-1", "revocation"), "invalid malformed"},
		"negative, as a number":       {one(json.Number("-1"), "revocation"), "invalid malformed"},
		"with a sign":                 {one("+7", "revocation"), "invalid malformed"},
		"a fraction":                  {one("7.0", "revocation"), "invalid malformed"},
		"a fraction, as a number":     {one(json.Number("7.5"), "revocation"), "invalid malformed"},
		"empty":                       {one("", "revocation"), "invalid malformed"},
		"in hexadecimal":              {one("0x7", "revocation"), "invalid malformed"},
		"true":                        {one(true, "revocation"), "invalid malformed"},
		"none":                        {one(nil, "revocation"), "invalid malformed"},
		"without a purpose":           {one("0", ""), "invalid malformed"},
		"of a purpose we do not know": {one("0", "probation"), "invalid unsupported-status"},
		"to inform":                   {one("7", "message"), "valid"},
		"to refresh":                  {one("7", "refresh", "statusSize", json.Number("4")), "valid"},
		"of one bit":                  {one("0", "revocation", "statusSize", json.Number("1")), "valid"},
		"of two bits":                 {one("0", "revocation", "statusSize", json.Number("2")), "invalid unsupported-status"},
		"of no bits":                  {one("0", "revocation", "statusSize", json.Number("0")), "invalid malformed"},
		"with an id":                  {one("0", "revocation", "id", listURL+"#0"), "valid"},
		"with the list's id":          {one("0", "revocation", "id", listURL), "invalid malformed"},
		"of a list out of reach": {
			one("0", "revocation", "statusListCredential", listURL+"0"),
			"indeterminate status-unreachable",
		},
		"two, both good": {func(e []any) []any { return append(e, entryAt("8", "suspension")) }, "valid"},
		"two, the second revoked": {
			func(e []any) []any { return append(e, entryAt("7", "revocation")) },
			"invalid revoked",
		},
		"two, the first suspended": {
			func(e []any) []any { return append([]any{entryAt("7", "suspension")}, e...) },
			"invalid suspended",
		},
		"two, one out of reach, one bad": {func(e []any) []any {
			return append(one("0", "revocation", "statusListCredential", "urn:x:y")(nil), entryAt("7", "revocation"))
		}, "invalid status-unreachable revoked"},
		"two kinds": {func(e []any) []any {
			return append(e, object{"id": "https://lab.example/revoked/1", "type": RevocationListType})
		}, "valid"},
		"two under one id": {func(e []any) []any {
			return append(one("1", "revocation", "id", "urn:x:y")(nil), one("2", "suspension", "id", "urn:x:y")(nil)...)
		}, "invalid ambiguous"},
		"five": {func(e []any) []any {
			return []any{
				entryAt("1", "revocation"),
				entryAt("2", "revocation"),
				entryAt("3", "revocation"),
				entryAt("4", "revocation"),
				entryAt("5", "revocation"),
			}
		}, "invalid too-complex"},
		"the other kind, at this list": {
			func(e []any) []any { return []any{object{"id": listURL, "type": RevocationListType}} },
			"indeterminate status-unusable",
		},
	} {
		v := Verify(onList(t, k, c.change), o)
		if got := codes(v); got != c.want {
			t.Errorf("%s: %s, want %s: %s", name, got, c.want, v.Why())
		}
	}
}

// Signatures do not cover the position of a statement in the document. Therefore a statusSize in a second node with
// the entry's id must make the badge invalid.
func TestStatusCannotBeHiddenInASecondNode(t *testing.T) {
	k := key(t)
	o := Options{
		Trust:  []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}},
		At:     today,
		Status: lists{listURL: string(sign(t, aList(k, minEntries), k))},
	}
	d, _ := ld.Parse(onList(t, k, func(e []any) []any {
		e[0].(object)["id"], e[0].(object)["statusSize"] = "urn:x:entry", json.Number("2")
		return append(e, object{"id": "urn:x:entry", "type": BitstringEntryType})
	}))
	d["credentialStatus"] = d["credentialStatus"].([]any)[:1]
	d["refreshService"] = object{"id": "urn:x:entry", "type": BitstringEntryType}
	signed := sign(t, d, k)
	if got := codes(Verify(signed, o)); got != "invalid unsupported-status" {
		t.Fatalf("as issued: %s", got)
	}
	d, _ = ld.Parse(signed)
	delete(d["credentialStatus"].([]any)[0].(object), "statusSize")
	d["refreshService"].(object)["statusSize"] = json.Number("2")
	v := Verify(asJSON(t, d), o)
	if got := codes(v); got != "invalid ambiguous" {
		t.Errorf("moved: %s: %s", got, v.Why())
	}
}

// Verify must not request the status list of a forged badge.
func TestListOfAForgedBadgeIsNotRequested(t *testing.T) {
	k := key(t)
	asked := asking{}
	Verify(
		onList(t, k, nil),
		Options{
			Trust:     []Issuer{{ID: k.DID(), Keys: []string{key(t).Multikey()}}},
			At:        today,
			Status:    asked,
			Refresh:   asked,
			Documents: asked,
		},
	)
	if len(asked) != 0 {
		t.Errorf("%v", asked)
	}
}

type asking map[string]int

func (a asking) Resolve(url string) ([]byte, error) {
	a[url]++
	return nil, ErrNotFound
}

// A StatusList that was read once must be usable for many badges of its issuer.
func TestStatusListIsReadOnceForManyBadges(t *testing.T) {
	k := key(t)
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today}
	d := aList(k, minEntries, 7)
	d["credentialSubject"].(object)["ttl"] = json.Number("60000")
	l, err := ReadStatusList(sign(t, d, k), o)
	if err != nil || l.ID != listURL || l.Issuer != k.DID() || l.TTL != time.Minute || l.Until.IsZero() {
		t.Fatalf("%+v, %v", l, err)
	}
	mine := &Badge{ID: "urn:x:1", IssuerID: k.DID()}
	for _, c := range []struct {
		list *StatusList
		b    *Badge
		e    StatusEntry
		want string
	}{
		{l, mine, StatusEntry{Type: BitstringEntryType, Purpose: "revocation", Index: 6}, ""},
		{l, mine, StatusEntry{Type: BitstringEntryType, Purpose: "revocation", Index: 7}, "revoked"},
		{l, mine, StatusEntry{Type: BitstringEntryType, Purpose: "revocation", Index: -1}, "status-mismatch"},
		{
			l,
			&Badge{ID: "urn:x:1", IssuerID: "urn:x:other"},
			StatusEntry{Type: BitstringEntryType, Purpose: "revocation", Index: 6},
			"status-unusable",
		},
		{l, mine, StatusEntry{Type: RevocationListType}, "status-unusable"},
		{l, mine, StatusEntry{Type: "StatusList2021Entry"}, "unsupported-status"},
		{
			&StatusList{revoked: map[string]bool{}},
			&Badge{ID: "urn:x:1"},
			StatusEntry{Type: BitstringEntryType, Purpose: "revocation"},
			"status-unusable",
		},
		{nil, mine, StatusEntry{Type: RevocationListType}, "status-unreachable"},
		{nil, mine, StatusEntry{Type: BitstringEntryType, Purpose: "message"}, ""},
		{&StatusList{}, mine, StatusEntry{Type: RevocationListType}, "status-unusable"},
		{&StatusList{}, mine, StatusEntry{}, "unsupported-status"},
	} {
		code := ""
		var f *Fault
		if err := c.list.Judge(c.b, c.e); errors.As(err, &f) {
			code = f.Code
		}
		if code != c.want {
			t.Errorf("%+v: %q, want %q", c.e, code, c.want)
		}
	}
	old, err := ReadStatusList(
		[]byte(`{"id":"https://lab.example/revoked/1","revokedCredential":[{"id":"urn:x:1"}]}`),
		Options{},
	)
	if err != nil || old.Judge(mine, StatusEntry{Type: RevocationListType}) == nil ||
		old.Judge(&Badge{ID: "urn:x:2"}, StatusEntry{Type: RevocationListType}) != nil {
		t.Errorf("a 1EdTech list: %v", err)
	}
	other := object{
		"credentialSubject": object{
			"type":          "AnotherList",
			"statusPurpose": "revocation",
			"encodedList":   encodeBits(withBit(1)),
		},
	}
	if err := new(StatusList).readEntries(other, Allow{}); err == nil {
		t.Error("ReadStatusList accepted a list of another type")
	}
	if _, err := ReadStatusList(sign(t, aList(k, minEntries), k), Options{At: today}); !strings.Contains(
		errText(err),
		"status-unusable: issuer-not-trusted",
	) {
		t.Errorf("nobody's: %v", err)
	}
}

// Verify must accept a list whose id differs from its address, and the check must report the id.
func TestDifferentListIDIsReported(t *testing.T) {
	k := key(t)
	d := aList(k, minEntries)
	d["id"] = "https://lab.example/elsewhere"
	v := Verify(
		onList(t, k, nil),
		Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, Status: lists{listURL: string(sign(t, d, k))}},
	)
	if c := checkOf(v, "status"); c.Outcome != "ok" || !strings.Contains(c.Detail, "https://lab.example/elsewhere") {
		t.Errorf("%+v", c)
	}
}

func checkOf(v Verdict, name string) Check {
	for _, c := range v.Checks {
		if c.Name == name {
			return c
		}
	}
	return Check{}
}

// A status list is as untrusted as a badge, and may be larger. Still, the check of a document at a list's address
// must not cost more work than the check of a badge.
func TestStatusListsAreBoundedInWork(t *testing.T) {
	if testing.Short() {
		t.Skip("short: verifies hundreds of badges or large lists")
	}
	k := key(t)
	all := hostile()
	bomb := aList(k, minEntries)
	bomb["credentialSubject"].(object)["encodedList"] = packed(make([]byte, 128<<20))
	all["a bomb that the issuer signed"] = sign(t, bomb, k)
	all["the longest list that is read"] = sign(t, aList(k, maxBits*8, 3), k)
	all["a list of empty objects"] = []byte(
		`{"id":"x","revokedCredential":[` + strings.TrimSuffix(strings.Repeat(`{"id":""},`, 100_000), ",") + `]}`,
	)
	all["a list of many"] = []byte(
		`{"id":"x","revokedCredential":[` + strings.TrimSuffix(strings.Repeat(`{"id":"a"},`, 74_000), ",") + `]}`,
	)
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}, example}, At: today}
	for name, in := range all {
		c := judgeCost(t, name, func() { ReadStatusList(in, o) })
		t.Logf("%-34s %s", name, c)
	}
}
