package directory

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/policy"
	"portillon/policy/file"
)

// practisedPolicy returns a policy that requires three hours of practice at the laser before a member may use it alone.
func (w *world) practisedPolicy() *policy.Policy {
	w.t.Helper()
	text := strings.Replace(string(w.text), "{ role: user, needs: laser-user, hours:",
		"{ role: user, needs: { badge: laser-user, hours: 3 }, hours:", 1)
	if text == string(w.text) {
		w.t.Fatal("the example's grant is another one")
	}
	p, err := file.Parse("policy.yaml", []byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// A preview counts practice as a machine does: if an import ends a badge, only a member with enough hours of practice
// loses the right.
func TestPreviewsCountPractice(t *testing.T) {
	w := newWorld(t)
	w.importSite(example)
	w.policy = w.practisedPolicy()
	data := must[[]byte](t)(os.ReadFile(example + "/members.yaml"))
	text := strings.Replace(string(data), "email: lea@example.org", "email: other@example.org", 1)
	lea := must2(w.Members.List(t.Context(), owner, Filter{Text: "lea@example.org"}, Page{}))[0].ID
	logged, known := time.Duration(0), true
	w.remake(func(o *Options) {
		o.Practice = func(_ context.Context, machines []policy.MachineID) (Practised, error) {
			if !slices.Equal(machines, []policy.MachineID{"laser"}) {
				t.Errorf("practice at %v is asked for", machines)
			}
			return Practised{Of: map[policy.MemberID][]policy.Practice{lea: {{Machine: "laser", Logged: logged}}},
				Known: map[policy.MachineID]bool{"laser": known}}, nil
		}
	})
	for _, c := range []struct {
		logged time.Duration
		known  bool
		loses  bool
	}{{2 * time.Hour, true, false}, {3 * time.Hour, true, true}, {0, false, false}} {
		logged, known = c.logged, c.known
		p := must[Preview](t)(w.Imports.Preview(t.Context(), owner, Import{Name: "members.yaml", Data: []byte(text)}))
		loses := slices.ContainsFunc(p.Loses, func(r Right) bool {
			return r.Member == lea && r.Machine == "laser" && r.Role == "user"
		})
		said := slices.ContainsFunc(p.Warnings, func(s string) bool { return strings.HasPrefix(s, "laser: no record") })
		if loses != c.loses || said == c.known {
			t.Errorf("%+v: %+v, warnings %q", c, p.Loses, p.Warnings)
		}
		all, unknown, err := w.Lookup.Holders(t.Context(), w.policy, w.policy)
		if err != nil || (len(unknown) > 0) == c.known {
			t.Fatalf("%+v: %q %v", c, unknown, err)
		}
		at := slices.IndexFunc(all, func(h Held) bool { return h.After.ID == lea })
		if got := fmt.Sprint(all[at].Before.Practice, all[at].After.Practice); strings.Count(got, "laser") != 2 {
			t.Errorf("%s", got)
		}
	}
	w.policy = must[*policy.Policy](t)(file.Parse("policy.yaml", w.text))
	w.remake(func(o *Options) {
		o.Practice = func(context.Context, []policy.MachineID) (Practised, error) {
			t.Error("practice is asked for, and no grant rests on it")
			return Practised{}, nil
		}
	})
	w.Imports.Preview(t.Context(), owner, Import{Name: "members.yaml", Data: []byte(text)})
}

func must2[A, B any](a A, _ B, err error) A {
	if err != nil {
		panic(err)
	}
	return a
}
