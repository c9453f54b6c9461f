package hub_test

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/directory"
	"portillon/hub/issue"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/wire"
)

// withIssuer makes the hub issue badges with the published key of the example site, which the example's policy pins.
// withIssuer changes nothing if a test has set an address without TLS.
func withIssuer(t *testing.T) func(*hub.Config) {
	return func(c *hub.Config) {
		t.Helper()
		if c.Web.URL != nil {
			return
		}
		key, err := os.ReadFile("../site-example/keys/DEMO-ONLY-issuer.json")
		if err != nil {
			t.Fatal(err)
		}
		c.Web.URL = &url.URL{Scheme: "https", Host: "hub.lab.example"}
		c.Issuer.Key = filepath.Join(filepath.Dir(c.Data), "issuer.key")
		write(t, c.Issuer.Key, string(key))
		if err := os.Chmod(c.Issuer.Key, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// inBundle contains those parts of a bundle that say what a machine accepts of a member.
type inBundle struct {
	badges []string // SHA-256 of the member's badges
	lists  []wire.StatusList
}

// bundleOf reads the bundle in force as a machine does.
func bundleOf(t *testing.T, h *runningHub, id policy.MemberID) (out inBundle) {
	t.Helper()
	signed, _ := h.Manifest()
	key, err := h.config.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	m, err := wire.OpenManifest(signed, note.VerifierList(key))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range m.Chunks {
		w := httptest.NewRecorder()
		h.Handler().ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/chunks/"+c.SHA256, nil))
		var roster wire.RosterBucket
		var lists wire.StatusBucket
		switch {
		case c.Name == wire.StatusChunk && wire.DecodeChunk(w.Body.Bytes(), &lists) == nil:
			out.lists = lists.Lists
		case strings.HasPrefix(c.Name, "roster/") && wire.DecodeChunk(w.Body.Bytes(), &roster) == nil:
			for _, x := range roster.Members {
				if x.ID == string(id) {
					out.badges = x.Badges
				}
			}
		}
	}
	return out
}

// accepts reports whether a machine accepts a badge of the bundle: whether no status list revokes the badge.
func (b inBundle) accepts(t *testing.T, id string, data []byte) bool {
	t.Helper()
	v := openbadge.Verify(data, openbadge.Options{})
	if !slices.Contains(b.badges, id) || v.Badge == nil || len(v.Badge.Status) != 1 {
		return false
	}
	trust := []openbadge.Issuer{{ID: v.Badge.IssuerID, Keys: []string{v.Badge.IssuerID}}}
	for _, l := range b.lists {
		list, err := openbadge.ReadStatusList(l.Body, openbadge.Options{Trust: trust, At: time.Now().Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		if l.URL == v.Badge.Status[0].List {
			return list.Judge(v.Badge, v.Badge.Status[0]) == nil
		}
	}
	return false
}

// old is a web that has one text at every address.
type old string

func (o old) Resolve(string) ([]byte, error) { return []byte(o), nil }

func TestAwardedBadgesReachTheNextBundleAndRevokedOnesAreRefused(t *testing.T) {
	h, b := managedHub(t, withIssuer(t))
	ctx := t.Context()
	text, err := os.ReadFile("../site-example/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Publishing().Policies.Publish(ctx, root, string(text), "first", 1, nil); err != nil {
		t.Fatal(err)
	}
	m, err := h.Directory().Members.Add(ctx, root, directory.Member{Name: "Zoé", Emails: []string{"zoe@example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	award := func(badge policy.BadgeID) (issue.Issued, []byte) {
		all, err := h.Issuing().Award(ctx, root, issue.Award{Badge: badge, Members: []policy.MemberID{m.ID}, Why: "seen"})
		if err != nil {
			t.Fatal(err)
		}
		_, data, err := h.Directory().Badges.BadgeData(ctx, root, m.ID, all[0].Credential)
		if err != nil {
			t.Fatal(err)
		}
		return all[0], data
	}
	user, userData := award("laser-user")
	mentor, mentorData := award("laser-mentor")
	eventually(t, func() bool {
		now := bundleOf(t, h, m.ID)
		return now.accepts(t, user.Credential, userData) && now.accepts(t, mentor.Credential, mentorData)
	})

	// The revoked badge stays with the member, and the hub and the machines refuse it. The member has lost the badge that
	// was taken back.
	if err := h.Issuing().Revoke(ctx, root, user.ID, "unsafe"); err != nil {
		t.Fatal(err)
	}
	if err := h.Issuing().Undo(ctx, root, mentor.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		now := bundleOf(t, h, m.ID)
		return slices.Equal(now.badges, []string{user.Credential}) && !now.accepts(t, user.Credential, userData)
	})
	got, err := h.Directory().Members.Get(ctx, root, m.ID)
	if err != nil || len(got.Badges) != 1 || got.Badges[0].Verdict != "invalid" {
		t.Fatalf("%+v, %v", got.Badges, err)
	}
	// The hub reads its own status list from its database, because a copy on the web may be from before the revocation.
	web := h.DirectoryDocuments(ctx, old("an old copy"))
	list, err := web.Resolve("https://hub.lab.example/issuer/status/1")
	if _, served := b.do("GET", "/issuer/status/1", "", nil); err != nil || !bytes.Equal(list, served) {
		t.Errorf("the hub reads %.40q as its own status list, %v", list, err)
	}
	if other, err := web.Resolve("https://other.example/status/1"); err != nil || string(other) != "an old copy" {
		t.Errorf("%q, %v", other, err)
	}

	// Everybody reads the issuer's documents; the badge can be awarded again after its revocation.
	for _, path := range []string{"/issuer", "/issuer/jwks.json", "/.well-known/did.json", "/issuer/status/1"} {
		status, body := b.do("GET", path, "", nil)
		if status != 200 || !json.Valid(body) {
			t.Errorf("%s: %d %.100s", path, status, body)
		}
	}
	award("laser-user")

	// An erasure removes the badges from the hub's records of issued badges too.
	got, err = h.Directory().Members.Get(ctx, root, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Directory().Erasures.Erase(ctx, root, m.ID, got.Version); err != nil {
		t.Fatal(err)
	}
	var left int
	err = h.Rows().Site("biklab").Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT COUNT(*) FROM issue_badge WHERE site = $1 AND (member <> '' OR length(data) > 0)`).
			Scan(&left)
	})
	if err != nil || left != 0 {
		t.Errorf("%d badges of an erased member are left, %v", left, err)
	}
}

func TestIssuerOfTheConfigurationNeedsAKeyAndAnHTTPSAddress(t *testing.T) {
	const secure = "web: { listen: \"127.0.0.1:8040\", url: \"https://hub.lab\" }\n"
	const text = "portillon: 1\nsite: biklab\ndata: d\nkey: hub.key\ncard-key: c\nmqtt: { listen: \"127.0.0.1:1883\" }\n"
	for name, c := range map[string]struct{ more, want string }{
		"no address": {"web: { listen: \"127.0.0.1:8040\" }\nissuer: { key: issuer.key }\n", "must begin with https"},
		"no TLS": {"web: { listen: \"127.0.0.1:8040\", url: \"http://hub.lab\" }\nissuer: { key: k }\n",
			"must begin with https"},
		"no key":      {secure + "issuer: { id: x }\n", "is no id of an issuer"},
		"without web": {"machines: {}\nissuer: { key: issuer.key }\n", "issuer"},
		"unknown key": {secure + "issuer: { key: k, name: x }\n", "name"},
	} {
		if _, err := hub.ParseConfig("hub.yaml", []byte(text+c.more)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	c, err := hub.ParseConfig("/etc/hub.yaml", []byte(text+secure+
		"issuer: { key: issuer.key, id: \"did:web:hub.lab\" }\n"))
	if err != nil || c.Issuer.Key != "/etc/issuer.key" || c.Issuer.ID != "did:web:hub.lab" {
		t.Errorf("%+v, %v", c.Issuer, err)
	}
}
