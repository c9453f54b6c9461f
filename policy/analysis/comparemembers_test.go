package analysis

import (
	"fmt"
	"strings"
	"testing"

	"portillon/policy"
)

func TestCompareMembersUsesTheBadgesThatEachPolicyAccepts(t *testing.T) {
	both := func(m *policy.Member) Twin { return Twin{m, m} }
	old := bearer("user")
	old.Holdings[0].Checked = monday.AddDate(0, -6, 0)
	all := []Twin{
		both(bearer("user")),
		both(bearer("first")),
		{bearer("user"), bearer("first")},
		both(bearer()),
		both(old),
	}
	text := func(before, after func(*policy.Machine)) string {
		var out []string
		for _, c := range CompareMembers(ruled(t, before), ruled(t, after), all, monday) {
			out = append(
				out,
				fmt.Sprintf("%d %s %v %v %v %v %v %d", c.Member, c.Machine, c.Role, c.Alone, c.Gained, c.When, c.Except, c.Hours),
			)
		}
		return strings.Join(out, "; ")
	}
	plain := func(*policy.Machine) {}
	for name, c := range map[string]struct {
		after func(*policy.Machine)
		want  string
	}{
		"nothing but who holds what": {plain, "2 m learner false true [] [] 168; 2 m user true false [] [] 168"},
		"hours": {func(m *policy.Machine) { m.Grants[0].Hours = mustHours("Mo-Fr 09:00-21:00") },
			"0 m user true false [] [Mo-Fr 09:00-21:00] 108; 2 m learner false true [] [] 168; 2 m user true false [] [] 168; " +
				"4 m user true false [] [Mo-Fr 09:00-21:00] 108"},
		"a booking": {func(m *policy.Machine) { m.Bookings = december(t, "m-1"); m.Grants = m.Grants[:2] },
			"2 m learner false true [] [] 168; 2 m user true false [] [] 168"},
		"another's booking": {func(m *policy.Machine) {
			m.Bookings = []policy.Booking{{From: wall(t, "2026-11-24 00:00"), To: wall(t, "2026-11-25 12:00"), For: "m-9"}}
		},
			"0 m user true false [2026-11-24 00:00 – 2026-11-25 12:00] [] 36; 1 m learner false false [2026-11-24 00:00 – " +
				"2026-11-25 12:00] [] 36; " +
				"2 m learner false true [] [2026-11-24 00:00 – 2026-11-25 12:00] 132; 2 m user true false [] [] 168; 4 m user " +
				"true false [2026-11-24 00:00 – 2026-11-25 12:00] [] 36"},
		"another machine": {func(m *policy.Machine) { m.ID = "n" }, "0 m user true false [] [] 168; 1 m learner false " +
			"false [] [] 168; 2 m user true false [] [] 168; 4 m user true false [] [] 168; " +
			"0 n user true true [] [] 168; 1 n learner false true [] [] 168; 2 n learner false true [] [] 168; 4 n user true " +
			"true [] [] 168"},
	} {
		if got := text(plain, c.after); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}
