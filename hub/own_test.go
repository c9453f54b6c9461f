package hub_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/directory"
	"portillon/policy"
	"portillon/wire"
)

// served returns the version of the bundle that the hub serves, and the bundle's entry of a member.
func (r *rig) served(id policy.MemberID) (version uint64, out wire.Member) {
	r.t.Helper()
	public, err := r.h.config.PublicKey()
	if err != nil {
		r.t.Fatal(err)
	}
	key, err := note.NewVerifier(public)
	if err != nil {
		r.t.Fatal(err)
	}
	signed, _ := r.h.Manifest()
	m, err := wire.OpenManifest(signed, note.VerifierList(key))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range m.Chunks {
		if !strings.HasPrefix(c.Name, "roster/") {
			continue
		}
		w := httptest.NewRecorder()
		r.h.Handler().ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/chunks/"+c.SHA256, nil))
		var roster struct{ Members []wire.Member }
		if err := json.Unmarshal(w.Body.Bytes(), &roster); err != nil {
			r.t.Fatalf("chunk %s: %d, %v", c.Name, w.Code, err)
		}
		for _, x := range roster.Members {
			if x.ID == string(id) {
				out = x
			}
		}
	}
	return m.Version, out
}

// A member reports a card as lost on the page, and the hub publishes exactly one new bundle, in which machines find the
// card as lost. A second report of the same card publishes nothing: the next change has the next version.
func TestCardThatItsMemberReportsAsLostIsInTheNextBundle(t *testing.T) {
	r := newRig(t)
	jules := r.readers["member"]
	card := r.cardOf(jules.member)
	eventually(t, func() bool { _, m := r.served(jules.member); return len(m.Cards) > 0 })
	before, was := r.served(jules.member)
	report := request{method: "POST", path: "/me/cards/" + card + "/lost", kind: "application/x-www-form-urlencoded",
		body: []byte("x=1")}
	for range 2 {
		if got := r.ask(jules, report); got.status != 303 {
			t.Fatalf("the report: %d %.300s", got.status, got.body)
		}
	}
	eventually(t, func() bool { version, _ := r.served(jules.member); return version > before })
	version, m := r.served(jules.member)
	if version != before+1 || len(m.Cards) != 0 || len(m.CardStates) != len(was.Cards) {
		t.Errorf("version %d after %d, member %+v", version, before, m)
	}
	for i, c := range m.CardStates { // a card has one entry for each form in which a reader may report its number
		if c.State != "lost" || c.Card != was.Cards[i] {
			t.Errorf("the bundle has %+v for the card %s", c, was.Cards[i])
		}
	}
	r.change(jules.member, func(m *directory.Member) { m.Language = "en" })
	eventually(t, func() bool { _, m := r.served(jules.member); return m.Language == "en" })
	if version, _ := r.served(jules.member); version != before+2 {
		t.Errorf("version %d after one further change, want %d", version, before+2)
	}
}

// The requests name another member's card in each way that the page permits.
func TestMemberCannotReportOtherMembersCards(t *testing.T) {
	r := newRig(t)
	jules, card := r.readers["member"], r.cardOf(r.victim.member)
	victim := string(r.victim.member)
	for _, body := range []string{"", "member=" + victim, "id=" + victim + "&state=lost"} {
		for _, path := range []string{"/me/cards/" + card + "/lost", "/me/cards/" + card + "/lost?member=" + victim} {
			got := r.ask(jules, request{method: "POST", path: path, kind: "application/x-www-form-urlencoded",
				body: []byte(body)})
			if got.status != 404 {
				t.Errorf("%s with %q: %d, want 404", path, body, got.status)
			}
		}
	}
	m, err := r.h.Directory().Members.Get(t.Context(), root, r.victim.member)
	if err != nil || m.Cards[0].State != directory.Active {
		t.Errorf("the card is %+v, %v", m.Cards, err)
	}
}

// Each member's pages and file contain the member's own data from the machines' records, and no id, name or session of
// another member.
func TestOwnPagesContainNoDataOfOtherMembers(t *testing.T) {
	r := newRig(t)
	jules, victim := r.readers["member"], r.victim
	r.badgeOf(jules.member)
	r.badgeOf(victim.member)
	r.cardOf(victim.member)
	r.post(victim, "/me/erasure", nil)
	for _, path := range []string{"/me", "/me/machines", "/me/path", "/me/hours", "/me/cards", "/me/data",
		"/me/record.json", "/today"} {
		for _, query := range []string{"", "?member=" + string(victim.member) + "&id=" + string(victim.member)} {
			got := r.ask(jules, request{method: "GET", path: path + query})
			body := strings.ReplaceAll(string(got.body), query, "")
			if got.status != 200 || strings.Contains(body, "Person victim") || strings.Contains(body, "lea@example.org") {
				t.Errorf("%s%s: %d, names another member: %.300s", path, query, got.status, body)
			}
		}
	}
	got := r.ask(jules, request{method: "GET", path: "/me/machines?lang=en"})
	if body := string(got.body); !strings.Contains(body, "Laser cutter") || !strings.Contains(body, "Next step: ") {
		t.Errorf("the machines of a member: %.2000s", body)
	}
	if got := r.ask(r.readers["administrator"], request{method: "GET", path: "/today?lang=en"}); !strings.Contains(
		string(got.body), "/members/"+string(victim.member)+"/erase") {
		t.Error("the administrators' page of today lacks the request for erasure")
	}
}
