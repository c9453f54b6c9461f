package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"portillon/daemon/roster"
	"portillon/policy"
)

// isSite reports whether the path is a site's directory and not a policy file.
func isSite(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.IsDir()
}

// explainMember explains the decision for a member of a site, and lists the member's badges.
func (a *asked) explainMember(w stdio, dir string, l policy.Language, asJSON bool) error {
	if a.holds != "" {
		return wrong("--holds needs a policy file; a site's directory already has its members' badges").
			hinted("portillon policy explain SITE --member NAME --machine M")
	}
	file := filepath.Join(dir, "policy.yaml")
	p, err := readPolicy(file)
	if err != nil {
		return err
	}
	at, err := siteTime("--at", a.at, p.Zone, time.Now())
	if err != nil {
		return err
	}
	r, warnings, err := loadSite(dir, file, at)
	if err != nil {
		return err
	}
	who, err := findMember(r, a.member)
	if err != nil {
		return err
	}
	q, err := a.question(r.Policy)
	if err != nil {
		return err
	}
	// Let the flags replace the member's practice and the end of the membership.
	member := *who.Member
	member.Practice = q.Member.Practice
	if q.Member.Until != (policy.Date{}) {
		member.Until = q.Member.Until
		who.Member = &member
	}
	q.Member = &member
	if !asJSON {
		w.holdings(r.Policy, who, warnings, at, l)
	}
	return w.explain(r.Policy, q, l, asJSON)
}

// findMember finds a member by id or by name. Case is ignored. A part of the name is enough if only one member's name
// contains it.
func findMember(r *roster.Roster, given string) (roster.Person, error) {
	if p, ok := r.Person(policy.MemberID(given)); ok {
		return p, nil
	}
	var exact, partly []roster.Person
	want := strings.ToLower(strings.TrimSpace(given))
	for p := range r.Everyone() {
		switch name := strings.ToLower(p.Name); {
		case name == want:
			exact = append(exact, p)
		case want != "" && strings.Contains(name, want):
			partly = append(partly, p)
		}
	}
	found := exact
	if len(found) == 0 {
		found = partly
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return roster.Person{}, wrong("--member: the site has no member %q", given).hinted("an id or a name of members.yaml")
	}
	var names []string
	for _, p := range found[:min(len(found), 8)] {
		names = append(names, fmt.Sprintf("%s (%s)", plain(p.Name), p.Member.ID))
	}
	return roster.Person{}, wrong("--member: %q matches %d members", given, len(found)).
		hinted("one of: %s", strings.Join(names, ", "))
}

// holdings prints the badges that a member has, and the site's warnings about this member.
func (w stdio) holdings(p *policy.Policy, who roster.Person, warnings []string, at time.Time, l policy.Language) {
	fmt.Fprintf(w.out, "%s (%s)", plain(who.Name), who.Member.ID)
	if who.Member.Blocked {
		fmt.Fprint(w.out, say(l, " : bloqué·e", ": blocked"))
	}
	fmt.Fprintln(w.out)
	if line := membershipLine(p, who, at, l); line != "" {
		fmt.Fprintf(w.out, "  %s\n", line)
	}
	for _, h := range who.Member.Holdings {
		name := ""
		if b, ok := p.Badge(h.Badge); ok {
			name = b.Name.In(l)
		}
		if h.Other != nil {
			name = say(l, "accepté : ", "accepted: ") + h.Other.Achievement + " (" + string(h.Other.Issuer) + ")"
		}
		fmt.Fprintf(w.out, "  badge %-20s %s, %s\n", h.Badge, verdictWords(h, l), plain(name))
	}
	if len(who.Member.Holdings) == 0 {
		fmt.Fprintln(w.out, say(l, "  aucun badge qui compte", "  no badge that counts"))
	}
	for _, x := range warnings {
		if strings.Contains(x, string(who.Member.ID)) || strings.Contains(x, who.Name) {
			fmt.Fprintf(w.out, "  ! %s\n", plain(x))
		}
	}
	fmt.Fprintln(
		w.out,
		say(l, "  utilisation inconnue ici : la donner par --last-used, --logged et --used",
			"  practice is unknown here: give it with --last-used, --logged and --used"),
	)
}

// verdictWords returns a badge's verdict and dates in words.
func verdictWords(h policy.Holding, l policy.Language) string {
	out := [...]string{
		say(l, "non vérifié", "unverified"),
		say(l, "vérifié", "verified"),
		say(l, "retiré", "revoked"),
	}[min(h.Standing, policy.Revoked)]
	if !h.From.IsZero() {
		out += say(l, ", depuis le ", ", since ") + day(l, h.From)
	}
	if !h.Until.IsZero() {
		out += say(l, ", jusqu’au ", ", until ") + day(l, h.Until)
	}
	return out
}
