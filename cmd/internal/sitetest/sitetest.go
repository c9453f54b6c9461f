// Package sitetest creates sites of any size, for tests and benchmarks.
package sitetest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"portillon/openbadge"
)

// Card returns the number of a member's card in hexadecimal. The number contains a letter, because ten digits alone
// would be ambiguous (rfid.ParseCard).
func Card(member int) string { return fmt.Sprintf("6A%08X", member) }

// ID returns a member's pseudonym.
func ID(member int) string { return fmt.Sprintf("m-%06d", member) }

// badges are the 15 badges of the site. badges lists the 15 badges of the site; each member has three of them.
var badges = []string{"laser-first-steps", "laser-user", "laser-host", "laser-mentor", "laser-maintainer",
	"vinyl-first-steps", "vinyl-user", "vinyl-host", "vinyl-mentor", "vinyl-maintainer", "fdm-first-steps", "fdm-user",
	"fdm-host", "fdm-mentor", "fdm-maintainer"}

// Make creates a site's directory with 15 badges, 20 machines, and members with three signed badges each. Every member
// may use the laser alone. The argument at is the time at which the badges are issued.
func Make(dir string, members int, at time.Time) error {
	k, err := openbadge.GenerateKey("a benchmark's")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "badges"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(policyText(k.DID())), 0o644); err != nil {
		return err
	}
	var m strings.Builder
	m.WriteString("portillon: 1\nmembers:\n")
	for i := range members {
		fmt.Fprintf(&m, "  - { id: %s, name: \"Member %d\", email: member%d@example.org, cards: [%q] }\n", ID(i), i, i,
			Card(i))
		for j, b := range []string{"laser-user", badges[i%len(badges)], badges[(i+7)%len(badges)]} {
			c, err := openbadge.IssueJSON(
				openbadge.Draft{IssuerName: "Lab", Email: fmt.Sprintf("member%d@example.org", i), ValidFrom: at.AddDate(-1, 0, 0),
					Achievement: openbadge.Achievement{ID: "https://lab.example/achievements/" + b, Name: b,
						Description: strings.Repeat("what it stands for ", 20), Criteria: strings.Repeat("what was done ", 20)}}, k, at)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, "badges", fmt.Sprintf("%d-%d.json", i, j)), c, 0o644); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(filepath.Join(dir, "members.yaml"), []byte(m.String()), 0o644)
}

// policyText returns the content of policy.yaml. The argument did is the issuer's key.
func policyText(did string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "portillon: 1\nsite: big\nlanguage: fr\ntimezone: Europe/Paris\nissuers:\n  lab: { name: Lab, keys: "+
		"[%q] }\nbadges:\n", did)
	for _, x := range badges {
		fmt.Fprintf(&b, "  %s: { name: { fr: %q, en: %q }, issuer: lab, achievement: "+
			"\"https://lab.example/achievements/%s\" }\n", x, x, x, x)
	}
	b.WriteString("roles: [learner, user, host, mentor, maintainer]\nmachines:\n")
	for i := range 20 {
		name := "laser"
		if i > 0 {
			name = fmt.Sprintf("machine-%d", i)
		}
		fmt.Fprintf(&b, `  %s:
    name: { fr: %s, en: %s }
    grants:
      - { role: maintainer, needs: laser-maintainer }
      - { role: mentor, needs: laser-mentor }
      - { role: host, needs: laser-host, session: { max: 4h } }
      - { role: user, needs: laser-user, session: { max: 2h, idle: 10m, warn: 2m } }
      - { role: learner, needs: laser-first-steps, supervisor: laser-mentor, session: { max: 1h } }
`, name, name, name)
	}
	return b.String()
}
