package analysis

import (
	"fmt"
	"slices"

	"portillon/policy"
)

// acceptsWarnings finds entries of accepts: whose effect differs from their text.
func acceptsWarnings(p *policy.Policy) (out []Warning) {
	for i := range p.Badges {
		b := &p.Badges[i]
		for k := range b.Accepts {
			for _, t := range entryWarnings(p, b, &b.Accepts[k]) {
				out = append(out, Warning{Grant: -1, Badge: b.ID, Entry: k, Text: t})
			}
		}
	}
	return out
}

// entryWarnings returns the warnings about one entry a of the badge b.
func entryWarnings(p *policy.Policy, b *policy.Badge, a *policy.Accept) (out []policy.Text) {
	if same, ok := p.BadgeByAchievement(a.Issuer, a.Achievement); ok {
		out = append(out, acceptsOurs(p, b, same))
	}
	if w, ok := p.Badge(a.With); ok && len(w.Accepts) > 0 {
		out = append(
			out,
			policy.Text{
				FR: fmt.Sprintf(
					"with: %s ne se satisfait que par ce badge : "+
						"ceux qu’il accepte ne comptent pas ici (accepts: n’est pas transitif)",
					w.ID,
				),
				EN: fmt.Sprintf(
					"with: %s is met by that badge alone: those that it accepts do not count here (accepts: is not transitive)",
					w.ID,
				),
			},
		)
	}
	if !acceptCounts(p, b, a) {
		out = append(
			out,
			policy.Text{
				FR: fmt.Sprintf(
					"cette entrée ne compte nulle part : aucune règle ne demande %s pour %s (roles: dit où elle compte ; encadrer "+
						"est le rôle mentor)",
					b.ID,
					rolesInWords(a, " ou "),
				),
				EN: fmt.Sprintf(
					"this entry counts nowhere: no grant asks for %s as %s "+
						"(roles: says where it counts; supervising is the role mentor)",
					b.ID,
					rolesInWords(a, " or "),
				),
			},
		)
	}
	for i := range p.Badges {
		if twin := &p.Badges[i]; twin.ID < b.ID { // report each pair only once
			out = append(out, acceptedOtherwise(a, b, twin)...)
		}
	}
	return out
}

// acceptsOurs returns the warning about an entry under accepts: that names a badge of this policy itself.
func acceptsOurs(p *policy.Policy, b *policy.Badge, same policy.BadgeID) policy.Text {
	t := policy.Text{
		FR: fmt.Sprintf("ce badge est %s de ce fichier : écrire plutôt needs: { any: [%s, %s] } à chaque règle",
			same, b.ID, same),
		EN: fmt.Sprintf("this badge is %s of this file: write needs: { any: [%s, %s] } at each grant instead",
			same, b.ID, same),
	}
	if twin, _ := p.Badge(same); len(twin.Accepts) > 0 {
		t.FR += fmt.Sprintf(
			" ; les badges que %s accepte ne comptent pas comme %s (accepts: n’est pas transitif)",
			same,
			b.ID,
		)
		t.EN += fmt.Sprintf("; badges that %s accepts do not count as %s (accepts: is not transitive)", same, b.ID)
	}
	return t
}

// acceptedOtherwise returns a warning if the badge twin accepts the same foreign badge with a different «with:» than
// the entry a of b.
func acceptedOtherwise(a *policy.Accept, b, twin *policy.Badge) (out []policy.Text) {
	for i := range twin.Accepts {
		x := &twin.Accepts[i]
		if !x.Same(a.OtherBadge) || x.With == a.With {
			continue
		}
		say := func(w policy.BadgeID, with, none string) string {
			if w == "" {
				return none
			}
			return with + string(w)
		}
		out = append(
			out,
			policy.Text{
				FR: fmt.Sprintf(
					"le même badge compte comme %s %s et comme %s %s",
					b.ID,
					say(a.With, "avec ", "seul"),
					twin.ID,
					say(x.With, "avec ", "seul"),
				),
				EN: fmt.Sprintf(
					"the same badge counts as %s %s and as %s %s",
					b.ID,
					say(a.With, "with ", "alone"),
					twin.ID,
					say(x.With, "with ", "alone"),
				),
			},
		)
	}
	return out
}

// acceptCounts reports whether a grant for one of the roles of the entry a requires the badge b.
func acceptCounts(p *policy.Policy, b *policy.Badge, a *policy.Accept) bool {
	for i := range p.Machines {
		for _, g := range p.Machines[i].Grants {
			if a.For(g.Role) && g.Needs.Names(b.ID) || a.For(policy.Mentor) && g.Supervisor != nil && g.Supervisor.Names(b.ID) {
				return true
			}
		}
	}
	return false
}

// rolesInWords lists the roles to which the entry applies, in the words of the policy file.
func rolesInWords(a *policy.Accept, or string) string {
	out := ""
	for _, r := range slices.DeleteFunc(policy.Roles(), func(r policy.Role) bool { return !a.For(r) }) {
		if out != "" {
			out += or
		}
		out += r.String()
	}
	return out
}
