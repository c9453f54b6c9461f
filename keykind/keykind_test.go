package keykind

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func TestKindIsReadFromTheName(t *testing.T) {
	for _, c := range []struct {
		kind Kind
		id   string
		want string
	}{
		{Site, "biklab", "portillon:site:biklab"},
		{Hub, "biklab", "portillon:hub:biklab"},
		{Machine, "laser.biklab", "portillon:machine:laser.biklab"},
		{Policy, "biklab", "portillon:policy:biklab"},
		{Policy, "laser.biklab", ""},
		{Machine, "laser", ""},
		{Site, "laser.biklab", ""},
		{Site, "", ""},
		{Site, "a b", ""},
		{Site, "a+b", ""},
		{Card, "biklab", ""},
		{Unknown, "biklab", ""},
	} {
		name, err := Name(c.kind, c.id)
		if name != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s %q: %q %v", c.kind, c.id, name, err)
		}
		if k, id := KindOf(name); c.want != "" && (k != c.kind || id != c.id) {
			t.Errorf("%q: %s %q", name, k, id)
		}
	}
}

// Older key names do not contain the kind, and may be any text.
func TestKeyNameWithoutAKindHasTheKindUnknown(t *testing.T) {
	for _, name := range []string{
		"", "portillon-biklab", "laser.biklab", "site.biklab", "portillon:", "portillon:site", "portillon:site:",
		"portillon:issuer:biklab", "portillon:machine:laser", "portillon:site:a:b", "portillon:site:A",
	} {
		if k, id := KindOf(name); k != Unknown || id != "" {
			t.Errorf("%q: %s %q", name, k, id)
		}
	}
}

func TestKeyOfUnknownKindIsAcceptedInEveryPlaceForPublicOrPrivateKeys(t *testing.T) {
	private, public, err := note.GenerateKey(rand.Reader, "laser.biklab")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []Kind{Site, Hub, Machine} {
		if err := (Place{Kind: k, Private: true, ID: "x"}).Check(private); err != nil {
			t.Error(err)
		}
		if err := (Place{Kind: k, ID: "x"}).Check(public); err != nil {
			t.Error(err)
		}
		var wrong *Wrong
		if err := (Place{Kind: k}).Check(private); !errors.As(err, &wrong) || strings.Contains(err.Error(), private[30:]) {
			t.Error(err)
		}
	}
	if got, err := PublicHalf(private + "\n"); err != nil || got != public {
		t.Errorf("%q %v, want %q", got, err, public)
	}
}

func TestSiteKeyIsAcceptedAsHubKeyButHubKeyIsRefusedAsSiteKey(t *testing.T) {
	_, site, _ := note.GenerateKey(rand.Reader, "portillon:site:biklab")
	_, hub, _ := note.GenerateKey(rand.Reader, "portillon:hub:biklab")
	if err := (Place{Kind: Hub, ID: "biklab"}).Check(site); err != nil {
		t.Error(err)
	}
	if err := (Place{Kind: Site, ID: "biklab"}).Check(hub); err == nil {
		t.Error("Check accepted a hub key in the place of the site key")
	}
}

func TestOnlyASiteKeyMayBeUsedAsPolicyKey(t *testing.T) {
	_, site, _ := note.GenerateKey(rand.Reader, "portillon:site:biklab")
	_, hub, _ := note.GenerateKey(rand.Reader, "portillon:hub:biklab")
	_, policy, _ := note.GenerateKey(rand.Reader, "portillon:policy:biklab")
	for _, c := range []struct {
		place Kind
		key   string
		fits  bool
	}{{Policy, site, true}, {Policy, policy, true}, {Policy, hub, false}, {Site, policy, false}, {Hub, policy, false}} {
		if err := (Place{Kind: c.place, ID: "biklab"}).Check(c.key); (err == nil) != c.fits {
			t.Errorf("%s in the place of the %s: %v", NameOf(c.key), c.place, err)
		}
	}
}

func TestSameIgnoresTheNamesOfKeys(t *testing.T) {
	_, public, _ := note.GenerateKey(rand.Reader, "a")
	_, other, _ := note.GenerateKey(rand.Reader, "a")
	renamed := "b+00000000+" + strings.SplitN(public, "+", 3)[2]
	if !Same(public, renamed) || Same(public, other) || Same("", "") || Same(public, "") {
		t.Error("Same does not compare keys without their names")
	}
}

func FuzzLook(f *testing.F) {
	private, public, _ := note.GenerateKey(rand.Reader, "portillon:site:biklab")
	for _, s := range []string{
		private, public, `{"type":"Multikey","publicKeyMultibase":"z"}`, `{"kty":"OKP","d":"x"}`, "did:web:x",
		strings.Repeat("5a", 32), "-----BEGIN PUBLIC KEY-----", "PRIVATE+KEY+++AX000000000000000000000000000000000000000000",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Look(s)
		for k := Unknown; k <= Policy; k++ {
			for _, half := range []bool{true, false} {
				err := Place{Kind: k, Private: half}.Check(s)
				if err != nil && (got == Found{} || strings.Contains(err.Error(), "\n")) {
					t.Errorf("%q: %v", s, err)
				}
			}
		}
		if p, err := PublicHalf(s); err == nil && NameOf(p) == "" {
			t.Errorf("%q", p)
		}
	})
}
