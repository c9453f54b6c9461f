package directory

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

func TestOwnRecordsHideOtherMembers(t *testing.T) {
	w := newWorld(t)
	lea, tom, gone := w.add("Léa"), w.add("Tom"), w.add("Zoé")
	if err := w.Erasures.Erase(t.Context(), owner, gone.ID, w.member(gone.ID).Version); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ body, want string }{
		"a mentor": {`{"supervisor":"TOM"}`, `{"supervisor":"another member"}`},
		"facts about a mentor": {`{"basis":{"member":{"id":"LEA"},"supervisor":{"id":"TOM"}}}`,
			`{"basis":{"member":{"id":"LEA"}}}`},
		"oneself":               {`{"from":"LEA","to":"TOM"}`, `{"from":"LEA","to":"another member"}`},
		"an erased member":      {`{"list":["ZOE",{"x":"ZOE"}]}`, `{"list":["another member",{"x":"another member"}]}`},
		"an id of no directory": {`{"endorser":"m-unknown"}`, `{"endorser":"another member"}`},
		"an unknown field":      {`{"friend":"TOM"}`, `{"friend":"another member"}`},
		"a badge's dates": {`{"badges":[{"from":"2026-01-02T03:04:05Z"}]}`,
			`{"badges":[{"from":"2026-01-02T03:04:05Z"}]}`},
		"a sealed number": {`{"sealed":"abc","what":"noise"}`, `{"what":"noise"}`},
		"no JSON":         {`{"supervisor":"TOM"`, ``},
	} {
		ids := strings.NewReplacer("LEA", string(lea.ID), "TOM", string(tom.ID), "ZOE", string(gone.ID))
		asked := policy.MemberID("")
		w.remake(func(o *Options) {
			o.RecordsOf = func(_ context.Context, id policy.MemberID) ([]OwnRecord, error) {
				asked = id
				return []OwnRecord{{Machine: "laser", Body: json.RawMessage(ids.Replace(c.body))}}, nil
			}
		})
		got := must[[]OwnRecord](t)(w.Own.Records(t.Context(), asMember(lea.ID)))
		if text := string(got[0].Body); text != ids.Replace(c.want) || asked != lea.ID {
			t.Errorf("%s: %s about %s, want %s", name, text, asked, ids.Replace(c.want))
		}
	}
	missing := (*fault.NotFound)(nil)
	if _, err := w.Own.Records(t.Context(), actor.Actor{Account: "boss", Site: actor.Owner}); !errors.As(err, &missing) {
		t.Errorf("an owner without a member reads records: %v", err)
	}
}

func FuzzOwnRecordsHideOtherMembers(f *testing.F) {
	f.Add([]byte(`{"supervisor":"m-tom","basis":{"supervisor":{"id":"m-tom"}},"list":["m-tom"]}`))
	f.Add([]byte(`[[[["m-tom"]]]]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		out := hideOthers(body, "m-lea", map[string]bool{"m-tom": true})
		var v any
		if len(out) > 0 && json.Unmarshal(out, &v) != nil {
			t.Errorf("%q is no JSON", out)
		}
		if hasValue(v, "m-tom") {
			t.Errorf("%q contains another member", out)
		}
	})
}

// hasValue reports whether a decoded JSON value contains a text as a value.
func hasValue(v any, text string) bool {
	switch v := v.(type) {
	case string:
		return v == text
	case []any:
		for _, x := range v {
			if hasValue(x, text) {
				return true
			}
		}
	case map[string]any:
		for _, x := range v {
			if hasValue(x, text) {
				return true
			}
		}
	}
	return false
}
