package hub_test

import (
	"encoding/json"
	"strings"
	"testing"

	"portillon/hub/directory"
	"portillon/hub/search"
)

// The test searches a whole hub over the API, and checks what each reader finds.
func TestSearchOfAHubFindsEachKindForTheOwner(t *testing.T) {
	r := newRig(t)
	id := r.victim.member
	if _, err := r.h.Directory().Cards.AddCard(t.Context(), root, id, directory.Card{Number: "5EFEDCBA98",
		State: directory.Active}); err != nil {
		t.Fatal(err)
	}
	kinds := func(who, text string) string {
		t.Helper()
		got := r.ask(r.readers[who], request{method: "GET", path: "/api/v1/search?q=" + text})
		var out struct {
			Items []struct {
				Kind string
				Hits []struct{ ID, Name string }
				More bool
			}
		}
		if err := json.Unmarshal(got.body, &out); err != nil || got.status != 200 {
			t.Fatalf("%s for %s: %d %v %s", text, who, got.status, err, got.body)
		}
		var names []string
		for _, g := range out.Items {
			names = append(names, g.Kind)
			if g.More != (len(g.Hits) == search.Most) {
				t.Errorf("%s for %s: %d hits of %s, more: %v", text, who, len(g.Hits), g.Kind, g.More)
			}
			for _, h := range g.Hits {
				if h.ID == "" || h.Name == "" {
					t.Errorf("%s for %s: a hit of %s without id or name: %s", text, who, g.Kind, got.body)
				}
			}
		}
		return strings.Join(names, " ")
	}
	for _, c := range []struct{ who, text, want string }{
		{"owner", "victim", "members cards audit"},
		{"owner", "dcba98", "members cards"},
		{"owner", "laser", "machines badges audit"},
		{"owner", "DECOUPE+laser", "machines badges"},
		{"owner", "first", "badges policies audit"},
		{"mentor", "laser", "machines badges"},
		{"mentor", "victim", ""},
		{"member", "laser", "machines"},
		{"member", "first", ""},
	} {
		if got := kinds(c.who, c.text); got != c.want {
			t.Errorf("%q for %s: %q, want %q", c.text, c.who, got, c.want)
		}
	}
}
