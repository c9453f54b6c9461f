package daemon

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"portillon/daemon/panel"
	"portillon/policy"
)

// openForms returns the tokens of the open forms.
func openForms(f *forms) (tokens []string) {
	for _, x := range f.open {
		tokens = append(tokens, x.Token)
	}
	return tokens
}

// A fifth form of one member replaces the member's oldest form, and no form of another member. Once all forms together
// reach their limit, a member's next form replaces the member's own oldest form, and a member without a form gets none.
func TestNewFormReplacesOnlyTheSameMembersOldestForm(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	f := &forms{cfg: &Config{Now: func() time.Time { return now }}}
	add := func(opener, token string) bool {
		return f.add(form{Form: panel.Form{Token: token, Ends: now.Add(time.Minute)}, opener: policy.MemberID(opener)})
	}
	for _, token := range []string{"l1", "l2", "z1", "l3", "l4"} {
		if !add("m-"+token[:1], token) {
			t.Errorf("form %s found no room", token)
		}
	}
	if got, want := openForms(f), []string{"l1", "l2", "z1", "l3", "l4"}; !slices.Equal(got, want) {
		t.Errorf("open after four forms of one member: %q, want %q", got, want)
	}
	add("m-l", "l5")
	if got, want := openForms(f), []string{"l2", "z1", "l3", "l4", "l5"}; !slices.Equal(got, want) {
		t.Errorf("open after the fifth: %q, want %q", got, want)
	}
	for n := len(f.open); n < formsMost; n++ {
		add(fmt.Sprintf("m-%d", n), fmt.Sprintf("x%d", n))
	}
	if add("m-new", "n1") {
		t.Error("a member without a form got one although the limit of all forms was reached")
	}
	if !add("m-z", "z2") || slices.Contains(openForms(f), "z1") {
		t.Errorf("open after a second form of a member at the limit: %q, want z2 in place of z1", openForms(f))
	}
}
