package publish_test

import (
	"errors"
	"slices"
	"testing"

	"portillon/hub/actor"
	"portillon/hub/publish"
	"portillon/hub/store"
	"portillon/policy"
)

// actors returns one actor for each role, by the name of the role.
func actors() map[string]actor.Actor {
	of := func(m policy.MachineID, r actor.Role) map[policy.MachineID]actor.Role {
		return map[policy.MachineID]actor.Role{m: r}
	}
	return map[string]actor.Actor{
		"nobody":        {},
		"no role":       {Account: "0"},
		"owner":         {Account: "1", Site: actor.Owner},
		"administrator": {Account: "2", Site: actor.Administrator},
		"maintainer":    {Account: "3", Machines: of("laser", actor.Maintainer)},
		"mentor":        {Account: "4", Machines: of("laser", actor.Mentor)},
		"member":        {Account: "5", Site: actor.Member, Member: "lea"},
		"reading token": {Account: "1", Site: actor.Owner, Scopes: []actor.Act{actor.ReadPolicy}},
		"empty token":   {Account: "1", Site: actor.Owner, Scopes: []actor.Act{}},
	}
}

// A person wrote the table of expected results by hand. The test fails for a new method or role until the table
// contains it.
func TestRightsOfActorsMatchTheTable(t *testing.T) {
	if testing.Short() {
		t.Skip("short: compiles and compares whole policies")
	}
	may := map[string][]string{
		"Current":  {"owner", "administrator", "maintainer", "mentor", "reading token"},
		"Version":  {"owner", "administrator", "maintainer", "mentor", "reading token"},
		"Versions": {"owner", "administrator", "maintainer", "mentor", "reading token"},
		"Draft":    {"owner", "administrator", "maintainer", "mentor", "reading token"},
		"Publish":  {"owner", "administrator"},
		"Back":     {"owner", "administrator"},
		"Bundle":   {"owner", "administrator", "maintainer", "mentor", "member"},
		"Forget":   {"owner", "administrator"},
	}
	b := newBench(t)
	b.publish(b.text, 0)
	b.publish(b.editedPolicy("status-grace: 7d", "status-grace: 8d"), 1)
	calls := map[string]func(a actor.Actor) error{
		"Current":  func(a actor.Actor) error { _, err := b.s.Policies.Current(b.ctx, a); return err },
		"Version":  func(a actor.Actor) error { _, err := b.s.Policies.Version(b.ctx, a, 1); return err },
		"Versions": func(a actor.Actor) error { _, _, err := b.s.Policies.Versions(b.ctx, a, publish.Page{}); return err },
		"Draft":    func(a actor.Actor) error { _, err := b.s.Drafts.Check(b.ctx, a, "portillon: 1"); return err },
		"Publish": func(a actor.Actor) error {
			of, err := b.s.Policies.Current(b.ctx, owner)
			if err != nil {
				t.Fatal(err)
			}
			_, err = b.s.Policies.Publish(b.ctx, a, b.text, "", of.Number, nil)
			return err
		},
		"Back":   func(a actor.Actor) error { _, err := b.s.Policies.Back(b.ctx, a, ""); return err },
		"Bundle": func(a actor.Actor) error { _, err := b.s.Bundles.Current(b.ctx, a); return err },
		"Forget": func(a actor.Actor) error {
			return b.site.Write(b.ctx, func(tx *store.Tx) error { return b.s.Bundles.Forget(b.ctx, tx, a) })
		},
	}
	for method, call := range calls {
		for name, a := range actors() {
			want := slices.Contains(may[method], name)
			err := call(a)
			var denied *actor.Denied
			if want && err != nil || !want && !errors.As(err, &denied) {
				t.Errorf("%s by %s: %v, want allowed: %v", method, name, err, want)
			}
		}
	}
}

// For a token that may publish but not read policies, Back must not return the policy text.
func TestBackReturnsTheTextOnlyWithTheRightToReadPolicies(t *testing.T) {
	if testing.Short() {
		t.Skip("short: compiles and compares whole policies")
	}
	for acts, shown := range map[actor.Act]bool{"": false, actor.ReadPolicy: true} {
		b := newBench(t)
		b.publish(b.text, 0)
		b.publish(b.editedPolicy("status-grace: 7d", "status-grace: 8d"), 1)
		a := actor.Actor{Account: "1", Site: actor.Owner, Scopes: []actor.Act{actor.PublishPolicy, acts}}
		got, err := b.s.Policies.Back(b.ctx, a, "")
		if err != nil || got.Number != 3 || (got.Text == b.text) != shown || (got.Text == "") == shown {
			t.Errorf("with %q: version %d with a text of %d bytes, %v", acts, got.Number, len(got.Text), err)
		}
	}
}
