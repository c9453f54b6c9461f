package openbadge

import (
	"strings"
	"testing"

	"portillon/openbadge/internal/ld"
)

const refreshURL = "https://lab.example/now"

// refreshable returns a badge signed by k that names a refresh service. The function change modifies the badge before
// it is signed.
func refreshable(t testing.TB, k *Key, change func(d object)) []byte {
	t.Helper()
	d := draft()
	d.ID, d.Status = "urn:x:badge", ""
	b, err := IssueJSON(d, k, today)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := ld.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	doc["@context"] = []any{ContextVC, ContextOB, ContextExtensions}
	doc["refreshService"] = object{"id": refreshURL, "type": RefreshType}
	if change != nil {
		change(doc)
	}
	return sign(t, doc, k)
}

// A newer version of the same badge from the same issuer must replace the old badge, even if the newer version is
// invalid. Verify must ignore every other answer.
func TestRefreshedBadgeReplacesTheOldOne(t *testing.T) {
	k, other := key(t), key(t)
	// the old badge has expired at this time
	o := Options{
		Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}, {ID: other.DID(), Keys: []string{other.Multikey()}}},
		At:    today.AddDate(2, 0, 0),
	}
	held := refreshable(t, k, nil)
	longer := func(d object) { d["validUntil"] = "2030-01-01T00:00:00Z" }
	for _, c := range []struct{ name, now, want, outcome string }{
		{"one that lasts longer", string(refreshable(t, k, longer)), "valid", "ok"},
		{"as a JWT", string(signJWT(t, ld.Without(parsed(t, refreshable(t, k, longer)), "proof"), k)), "valid", "ok"},
		{"one that has ended too", string(refreshable(t, k, nil)), "invalid expired", "ok"},
		{"one that has not begun", string(refreshable(t, k, func(d object) {
			d["validFrom"], d["validUntil"] = "2029-01-01T00:00:00Z", "2030-01-01T00:00:00Z"
		})), "invalid not-yet-valid", "ok"},
		{"one whose list is out of reach", string(refreshable(t, k, func(d object) {
			longer(d)
			d["credentialStatus"] = entryAt("1", "revocation")
		})), "indeterminate status-unreachable", "ok"},
		{
			"another badge of the issuer's",
			string(refreshable(t, k, func(d object) { longer(d); d["id"] = "urn:x:another" })),
			"invalid expired",
			"not used",
		},
		{
			"of another issuer",
			string(refreshable(t, other, func(d object) { longer(d); d["issuer"] = other.DID() })),
			"invalid expired",
			"not used",
		},
		{
			"signed by another",
			strings.Replace(string(refreshable(t, k, longer)), "2030-01-01", "2031-01-01", 1),
			"invalid expired",
			"not used",
		},
		{
			"an older one",
			string(refreshable(t, k, func(d object) { longer(d); d["validFrom"] = "2020-01-01T00:00:00Z" })),
			"invalid expired",
			"not used",
		},
		{
			"another kind",
			string(sign(t, func() object { e := endorsement(k); e["id"] = "urn:x:badge"; return e }(), k)),
			"invalid expired",
			"not used",
		},
		{"a page", "<html>", "invalid expired", "not used"},
		{"nothing", "", "invalid expired", "not used"},
	} {
		o.Refresh, o.Status = lists{refreshURL: c.now}, lists{}
		v := Verify(held, o)
		if got := codes(v); got != c.want || checkOf(v, "refresh").Outcome != c.outcome {
			t.Errorf("%s: %s, want %s; refresh %+v, want %s", c.name, got, c.want, checkOf(v, "refresh"), c.outcome)
		}
	}
}

func parsed(t testing.TB, b []byte) object {
	t.Helper()
	d, err := ld.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// An unreachable refresh service must not make the badge invalid, and Verify must make only one request.
func TestUnreachableRefreshServiceIsIgnored(t *testing.T) {
	k := key(t)
	held := refreshable(t, k, nil)
	o := Options{Trust: []Issuer{{ID: k.DID(), Keys: []string{k.Multikey()}}}, At: today}
	asked := asking{}
	o.Refresh = asked
	if v := Verify(held, o); v.State != Valid || checkOf(v, "refresh").Outcome != "out of reach" ||
		asked[refreshURL] != 1 ||
		len(asked) != 1 {
		t.Errorf("%s %+v %v", v.Why(), v.Checks, asked)
	}
	// The newer version of the badge also names the refresh service. Verify must not make a second request to the
	// refresh service.
	again := counting{lists: lists{refreshURL: string(held)}, n: new(int)}
	o.Refresh = again
	if v := Verify(held, o); v.State != Valid || *again.n != 1 {
		t.Errorf("%s, asked %d times", v.Why(), *again.n)
	}
	// Verify must make no request for a badge whose proof is wrong.
	o.Refresh, asked = asked, asking{}
	o.Refresh = asked
	if v := Verify([]byte(strings.Replace(string(held), "2027", "2028", 1)), o); v.State != Invalid || len(asked) != 0 {
		t.Errorf("%s %v", v.Why(), asked)
	}
	// Without a resolver, or if the badge names an unknown kind of service, Verify must make no request.
	o.Refresh = nil
	if v := Verify(held, o); v.State != Valid || checkOf(v, "refresh").Outcome != "not judged" {
		t.Errorf("%s %+v", v.Why(), checkOf(v, "refresh"))
	}
	o.Refresh = asked
	v := Verify(
		refreshable(t, k, func(d object) { d["refreshService"].(object)["type"] = "https://x.example/another" }),
		o,
	)
	if v.State != Valid || len(asked) != 0 {
		t.Errorf("%s %v", v.Why(), asked)
	}
}

type counting struct {
	lists
	n *int
}

func (c counting) Resolve(url string) ([]byte, error) {
	*c.n++
	return c.lists.Resolve(url)
}
