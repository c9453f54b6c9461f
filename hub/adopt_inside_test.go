package hub

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/actor"
	"portillon/hub/ledger/ledgertest"
	"portillon/policy"
	"portillon/site"
	"portillon/wire"
)

// exampleSite returns the example site, after calling each of the changes, which may modify the site.
func exampleSite(t *testing.T, changes ...func(*site.Site)) *site.Site {
	t.Helper()
	s, err := site.Read("../site-example")
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		change(s)
	}
	return s
}

// withBundle installs a bundle of the site in the folder of the hub that adopts the site.
func withBundle(t *testing.T, c Config, s *site.Site, o site.Order) {
	t.Helper()
	var err error
	if o.Signer, err = c.Signer(); err != nil {
		t.Fatal(err)
	}
	o.Issued, o.Expires, o.CardKey = time.Now(), time.Now().AddDate(0, 1, 0), slices.Repeat([]byte{1}, cardKeyBytes)
	built, err := s.Build(o)
	if err != nil {
		t.Fatal(err)
	}
	store := wire.Store{Dir: filepath.Join(c.Data, "bundle"), Site: c.Site}
	public, err := c.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	store.Keys = note.VerifierList(public)
	if _, err := store.Install(built.Signed, built.Chunk, nil); err != nil {
		t.Fatal(err)
	}
}

func TestAdoptionImportsPolicyMembersBadgesAndMachines(t *testing.T) {
	laser := ledgertest.New(t, "biklab", "laser")
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newConfiguration(t, func(c *Config) {
		c.Machines = []MachineConfig{{ID: "laser", Key: laser.Key, Public: laser.VKey, PasswordFile: password}}
	})
	s := exampleSite(t)
	withBundle(t, c, s, site.Order{Version: 41})
	out, err := Adopt(t.Context(), c, s, Options{Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	if out.Policy != 1 || out.Version <= 41 || out.Members != len(s.Members) || out.Badges == 0 ||
		!slices.Equal(out.Machines, []policy.MachineID{"laser"}) || len(out.Left) != 0 {
		t.Errorf("%+v, want %d members, the laser, and a version above 41", out, len(s.Members))
	}
	if out.Badges != len(s.Badges) {
		t.Errorf("%d badges, want %d", out.Badges, len(s.Badges))
	}

	// Open the hub with the adopted site.
	c.Machines = nil
	h := openHub(t, c)
	p, err := h.services.publish.Policies.Current(t.Context(), actor.Local("test"))
	if err != nil || p.Text != string(s.Text()) {
		t.Errorf("another policy is in force: %v", err)
	}
	members, err := h.bundles.bundleMembers(t.Context())
	if err != nil || len(members) != len(s.Members) {
		t.Errorf("%d members in the bundle, %v; want %d", len(members), err, len(s.Members))
	}
	for _, m := range s.Members {
		if !slices.Contains(members, m.ID) {
			t.Errorf("%s is missing in the bundle", m.ID)
		}
	}
	if ids, err := h.enrolments.ledgerMachines(t.Context()); err != nil || !slices.Contains(ids, "laser") {
		t.Errorf("machines of the ledger: %v, %v", ids, err)
	}
	all, err := h.enrolments.machines.Machines.Enrolled(t.Context())
	if err != nil || len(all) != 1 || all[0].Public != laser.VKey {
		t.Errorf("%+v, %v; want the laser with its key of before", all, err)
	}
	if names, err := h.services.names(t.Context(), members[:1]); err != nil || names[members[0]] == "" {
		t.Errorf("%v, %v", names, err)
	}
	checkCredentials(t, h)
}

// checkCredentials checks that the hub returns each credential of the first non-empty bucket by the credential's
// hash.
func checkCredentials(t *testing.T, h *Hub) {
	t.Helper()
	for i := range wire.Buckets {
		b, err := h.bundles.store.Chunk(h.bundles.inForce, wire.BadgesChunk(i))
		var bucket wire.BadgesBucket
		if err != nil || b == nil || wire.DecodeChunk(b, &bucket) != nil || len(bucket.Credentials) == 0 {
			continue
		}
		for _, x := range bucket.Credentials {
			got, err := h.bundles.credential(t.Context(), wire.Hash(x))
			if err != nil || string(got) != string(x) {
				t.Errorf("bucket %d: %v", i, err)
			}
		}
		if _, err := h.bundles.credential(t.Context(), wire.Hash([]byte("x"))); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a credential of nobody: %v", err)
		}
		return
	}
	t.Error("no badge is in the bundle")
}

func TestAdoptionListsItemsThatAreNotImported(t *testing.T) {
	s := exampleSite(t, func(s *site.Site) {
		s.Badges = append(s.Badges, site.File{Name: "empty.json", Data: []byte("{}")})
		s.Skipped = append(s.Skipped, "badges/README: no badge")
	})
	out, err := Adopt(t.Context(), newConfiguration(t), s, Options{Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	left := strings.Join(out.Left, "\n")
	for _, want := range []string{"empty.json: ", "badges/README: no badge"} {
		if !strings.Contains(left, want) {
			t.Errorf("%q is not among what is left:\n%s", want, left)
		}
	}
	if len(out.Left) != 2 || out.Version == 0 || out.Badges != len(s.Badges)-1 {
		t.Errorf("%d are left, version %d, %d badges", len(out.Left), out.Version, out.Badges)
	}
}

func TestAdoptionStopsIfAnItemCannotBeRead(t *testing.T) {
	for name, x := range map[string]struct {
		config func(*Config)
		site   func(*site.Site)
		want   string
	}{
		"a hub beside a site of files": {config: func(c *Config) { c.Web.Listen = "" }, want: "hub.yaml has no web section"},
		"no hub key":                   {config: func(c *Config) { c.Key += ".gone" }, want: "no such file"},
		"no card key":                  {config: func(c *Config) { c.Join.CardKey += ".gone" }, want: "no such file"},
		"no password": {config: func(c *Config) {
			c.Machines = []MachineConfig{{ID: "laser", PasswordFile: "/gone"}}
		}, want: "machines.laser.password-file: "},
		"a badge without its file": {site: func(s *site.Site) {
			s.Members[0].Badges = append(s.Members[0].Badges, "gone.json")
		}, want: "gone.json"},
		"a member twice": {site: func(s *site.Site) { s.Members = append(s.Members, s.Members[0]) }, want: "members.yaml: "},
		"no bundle with the signed policy": {config: func(c *Config) {
			_, pinned := withPolicyKey(t)
			pinned(c)
		}, want: "no bundle in force contains a signed policy"},
	} {
		c, s := newConfiguration(t), exampleSite(t)
		if x.config != nil {
			x.config(&c)
		}
		if x.site != nil {
			x.site(s)
		}
		if _, err := Adopt(t.Context(), c, s, Options{Offline: true}); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
}

// If a separate policy key signs policies, the last policy that it signed stays in force, even if policy.yaml differs.
func TestAdoptionKeepsThePolicyThatThePolicyKeySigned(t *testing.T) {
	signer, pinned := withPolicyKey(t)
	s := exampleSite(t)
	text := strings.Replace(string(s.Text()), "\n", "\n# changed since\n", 1)
	changed, err := site.New([]byte(text), s.Members, s.Badges, s.Status, s.Web)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		site *site.Site
		left string
	}{
		"the same policy": {s, ""}, "another one in the folder": {changed, "policy.yaml differs from policy number 12"},
	} {
		c := newConfiguration(t, pinned)
		withBundle(t, c, s, site.Order{Version: 3, Policy: site.PolicyOrder{Number: 12, Signer: signer}})
		out, err := Adopt(t.Context(), c, x.site, Options{Offline: true})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		left := strings.Join(out.Left, "\n")
		if out.Policy != 12 || out.Version <= 3 || (left != "") != (x.left != "") || !strings.Contains(left, x.left) {
			t.Errorf("%s: policy %d, version %d, left %q", name, out.Policy, out.Version, left)
		}
	}
}
