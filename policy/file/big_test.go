package file

import (
	"fmt"
	"strings"
	"testing"
)

// bigPolicy returns a policy of about the given number of lines: machines with grants of one line each, and badges of
// four lines.
func bigPolicy(lines int) string {
	var badges, machines strings.Builder
	n := 0
	for i := 0; n < lines; i++ {
		for _, role := range []string{"first", "user", "mentor", "maintainer"} {
			fmt.Fprintf(
				&badges,
				"  %s-%d:\n    name: { fr: \"Machine %d - %s\", en: \"Machine %d - %s\" }\n    issuer: lab\n    achievement: "+
					"https://lab.example/a/%s-%d\n",
				role,
				i,
				i,
				role,
				i,
				role,
				role,
				i,
			)
		}
		fmt.Fprintf(
			&machines,
			"  m-%d:\n    name: { fr: Machine %d, en: Machine %d }\n    grants:\n      - { role: maintainer, needs: "+
				"maintainer-%d }\n      - { role: mentor, needs: mentor-%d }\n"+
				"      - { role: user, needs: { badge: user-%d, used-within: 180d }, hours: \"Mo-Fr 09:00-21:00; Sa "+
				"10:00-18:00\", session: { max: 2h } }\n      - { role: learner, needs: first-%d, supervisor: mentor-%d }\n",
			i,
			i,
			i,
			i,
			i,
			i,
			i,
			i,
		)
		n += 16 + 7
	}
	return "portillon: 1\nsite: lab\nlanguage: fr\ntimezone: Europe/Paris\nissuers:\n  lab: { name: Lab, keys: " +
		"[\"did:key:z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi\"] }\nbadges:\n" +
		badges.String() + "machines:\n" + machines.String()
}

// BenchmarkLoadTenThousandLines reads and compiles a policy of 10,000 lines. The target is 200 ms.
func BenchmarkLoadTenThousandLines(b *testing.B) {
	text := []byte(bigPolicy(10_000))
	b.ReportMetric(float64(strings.Count(string(text), "\n")), "lines")
	for b.Loop() {
		if _, err := Parse("policy.yaml", text); err != nil {
			b.Fatal(err)
		}
	}
}
