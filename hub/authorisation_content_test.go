package hub_test

import (
	"bytes"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"portillon/hub/actor"
	"portillon/hub/directory"
)

// The tests of the authorisation tables check the status of each answer. This test checks the content: which fields
// an answer leaves out, and which fields a request does not change, if the sender lacks a permission.
func TestAnswersOmitFieldsThatTheReaderMayNotSee(t *testing.T) {
	r := newRig(t)
	const note, number = "a note for administrators", "5EFEDCBA98"
	id := r.victim.member
	r.change(id, func(m *directory.Member) { m.Note = note })
	_, err := r.h.Directory().Cards.AddCard(t.Context(), root, id, directory.Card{Number: number, State: directory.Active,
		Note: "found in the tram"})
	if err != nil {
		t.Fatal(err)
	}
	r.badgeOf(id)
	member := "/api/v1/members/" + string(id)
	get := func(path string) request { return request{method: "GET", path: path} }
	form := func(path string, pairs ...string) request {
		v := url.Values{}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return request{method: "POST", path: path, kind: "application/x-www-form-urlencoded", body: []byte(v.Encode())}
	}
	list := func(columns, row string) request {
		return request{method: "POST", path: "/api/v1/imports?name=a.csv", kind: "text/csv",
			body: []byte(columns + "\r\n" + row + "\r\n")}
	}
	for _, c := range []struct {
		name   string
		scopes string // scopes of the owner's token that sends the request, or the name of a reader of the tables
		ask    request
		status int
		has    string
		lacks  string
	}{
		{"note without its right", "members.read", get(member), 200, number[6:], note},
		{"note with its right", "members.read members.notes", get(member), 200, note, number},
		{"number without its right", "members.read members.notes", get(member), 200, note, number},
		{"number with its right", "members.read cards.write", get(member), 200, number, note},
		{"numbers of a list", "members.read", get("/api/v1/members"), 200, number[6:], number},
		{"numbers of an export", "members.read", get("/api/v1/export?format=csv"), 200, "Person victim", number},
		{"numbers of an export with their right", "members.read cards.write", get("/api/v1/export?format=csv"), 200, number,
			note},
		{"members.yaml without numbers", "members.read", get("/api/v1/export?format=yaml"), 403, "", "Person victim"},
		{"members.yaml", "members.read cards.write", get("/api/v1/export?format=yaml"), 200, number, note},
		{"members.yaml on a page", "members.read cards.write", get("/members/export?format=yaml"), 200, number, note},
		{"own record", "own.read", get("/api/v1/me/record"), 200, "Person owner", note},
		{"a new member's note", "members.write members.read", form("/members", "name", "N", "note", "x"), 403, "", ""},
		{"a new member's note with its right", "members.write members.read members.notes",
			form("/members", "name", "N", "note", "x"), 303, "", ""},
		{"a list with notes", "members.write members.read cards.write", list("name,note", "N,x"), 403, "", ""},
		{"a list with cards", "members.write members.read members.notes", list("name,card", "N,5E00112233"), 403, "", ""},
		{"a list with both", "members.write members.read members.notes cards.write",
			list("name,note,card", "N,x,5E00112233"), 201, "", ""},
		{"a list on a page", "members.read", r.pageRequest("POST", "/members/import", r.readers["owner"], "-"), 403, "", ""},
	} {
		who := r.readers[c.scopes]
		if who == nil {
			var scopes []actor.Act
			for _, s := range strings.Fields(c.scopes) {
				scopes = append(scopes, actor.Act(s))
			}
			who = r.ownersToken(scopes...)
		}
		got := r.ask(who, c.ask)
		has, lacks := bytes.Contains(got.body, []byte(c.has)), c.lacks == "" || !bytes.Contains(got.body, []byte(c.lacks))
		if got.status != c.status || !has || !lacks {
			t.Errorf("%s: %d, has %t, lacks %t: %.400s", c.name, got.status, has, lacks, got.body)
		}
	}
	got := r.ask(r.victim, get("/me/record.json"))
	if got.status != 200 || !bytes.Contains(got.body, []byte(`"last": "`+number[6:])) ||
		bytes.Contains(got.body, []byte(note)) || bytes.Contains(got.body, []byte(number)) {
		t.Errorf("the own record as a file: %d %.400s", got.status, got.body)
	}
	r.keepsWhatIsNotSeen(t, note)
}

// keepsWhatIsNotSeen changes a member as a reader who may not read the member's note, and checks that the note is
// unchanged.
func (r *rig) keepsWhatIsNotSeen(t *testing.T, note string) {
	t.Helper()
	id := r.victim.member
	cards := r.ownersToken(actor.WriteCards)
	got := r.ask(cards, request{method: "PUT", path: fmt.Sprintf("/api/v1/members/%s/cards/%s", id, r.cardOf(id)),
		kind: "application/json", body: mustJSON(map[string]string{"state": "lost"})})
	m, err := r.h.Directory().Members.Get(t.Context(), root, id)
	if err != nil || got.status != 204 || m.Cards[0].Note != "found in the tram" {
		t.Errorf("a card's note after a change of its state: %d, %+v, %v", got.status, m.Cards, err)
	}
	members := r.ownersToken(actor.ReadMembers, actor.WriteMembers)
	q := request{method: "POST", path: "/members/" + string(id), kind: "application/x-www-form-urlencoded",
		body: []byte(url.Values{"version": {r.version(id)}, "note": {"replaced"}}.Encode())}
	got = r.ask(members, q)
	if m, err = r.h.Directory().Members.Get(t.Context(), root, id); err != nil || m.Note != note {
		t.Errorf("a member's note after a change without its right: %d, %q, %v", got.status, m.Note, err)
	}
}
