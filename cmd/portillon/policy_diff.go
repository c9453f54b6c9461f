package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"

	"portillon/policy"
	"portillon/policy/analysis"
)

// differences is the result of «policy diff» as JSON.
type differences struct {
	Verdict  string             `json:"verdict"` // same, differs
	Reasons  []reason           `json:"reasons"`
	Changes  []analysis.Change  `json:"changes"`            // differences by machine and role
	Settings []analysis.Setting `json:"settings,omitempty"` // differences in settings that Compare does not compare
	Members  []affected         `json:"members,omitempty"`  // members who gain or lose a role, with --site

	site bool // true: --site was given, so members were compared
}

// affected is a member of the site who gains or loses a role.
type affected struct {
	Member policy.MemberID `json:"member"`
	Name   string          `json:"name"`
	analysis.MemberChange
}

// policyDiff runs «policy diff». If the policies differ, the exit code is 1. Without --site, the policies are compared
// for every possible member. With --site, the site's badges are also verified under each policy, and the result names
// the members who gain or lose a role in the following year.
func policyDiff(_ context.Context, w stdio, args []string) error {
	var dir, at string
	var l *policy.Language
	var asJSON bool
	rest, err := parseFlags(w, "policy diff", args, 2, func(fs *flag.FlagSet) {
		fs.StringVar(&dir, "site", "",
			"a site directory: each policy verifies its badges, and its members are named who gain or lose")
		fs.StringVar(&at, "at", "",
			"the year that is looked at begins here: a time at the site (2026-11-23) or with its offset; default: now")
		l = langFlag(fs)
		fs.BoolVar(&asJSON, "json", false, "print the answer as JSON")
	})
	if err != nil {
		return err
	}
	before, err1 := readPolicy(rest[0])
	after, err2 := readPolicy(rest[1])
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	when, err := siteTime("--at", at, after.Zone, time.Now())
	if err != nil {
		return err
	}
	out := differences{Verdict: "same", Reasons: []reason{}, Changes: []analysis.Change{}, site: dir != ""}
	out.Settings = analysis.Uncompared(before, after)
	changes, err := analysis.Compare(before, after, when)
	if err != nil {
		return withPosition(err, placesIn(rest[1]), *l)
	}
	out.Changes = append(out.Changes, changes...)
	if out.site {
		if out.Members, err = w.affectedMembers(dir, rest[0], rest[1], when); err != nil {
			return err
		}
	}
	if len(out.Changes)+len(out.Members)+len(out.Settings) > 0 {
		out.Verdict = "differs"
	}
	return w.print(out, *l, asJSON)
}

// affectedMembers verifies the site's badges under both policies, and compares the roles of the members.
func (w stdio) affectedMembers(dir, old, young string, at time.Time) ([]affected, error) {
	before, known, err1 := loadSite(dir, old, at)
	after, warnings, err2 := loadSite(dir, young, at)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	w.warn(slices.DeleteFunc(warnings, func(x string) bool { return slices.Contains(known, x) }))
	var all []analysis.Twin
	var names []string
	for p := range after.Everyone() {
		// The names under both policies are equal, because both sites have the same members.yaml.
		if same, ok := before.Person(p.Member.ID); ok {
			all, names = append(all, analysis.Twin{Before: same.Member, After: p.Member}), append(names, p.Name)
		}
	}
	var out []affected
	for _, c := range analysis.CompareMembers(before.Policy, after.Policy, all, at) {
		out = append(out, affected{all[c.Member].After.ID, names[c.Member], c})
	}
	return out, nil
}

// print prints the differences, and returns errNo if the policies differ.
func (w stdio) print(d differences, l policy.Language, asJSON bool) error {
	if asJSON {
		if err := printJSON(w.out, d); err != nil {
			return err
		}
	} else {
		w.printDifferences(d, l)
	}
	if d.Verdict != "same" {
		return errNo
	}
	return nil
}

// printDifferences prints the result for a person.
func (w stdio) printDifferences(d differences, l policy.Language) {
	switch zoned := slices.ContainsFunc(d.Settings, func(s analysis.Setting) bool { return s.Path == "timezone" }); {
	case zoned: // if the time zones differ, print no hours, because the same hour of the day is another time
		fmt.Fprintln(w.out, say(l,
			"les deux fichiers ont des fuseaux horaires différents : les accès ne sont pas comparés à la minute près",
			"the two files have different time zones: access is not compared to the minute"))
	case d.Verdict == "same":
		fmt.Fprintln(w.out, say(l, "aucune différence pour personne", "no difference for anybody"))
	case len(d.Changes)+len(d.Members) == 0 && d.site:
		fmt.Fprintln(w.out, say(l, "aucun accès ne change", "no access changes"))
	case len(d.Changes) == 0:
		fmt.Fprintln(w.out, say(l, "à badges égaux, aucun accès ne change", "with the same badges, no access changes"))
	}
	for _, c := range d.Changes {
		fmt.Fprintln(w.out, c.In(l))
	}
	for _, a := range d.Members {
		fmt.Fprintln(w.out, a.lineIn(l))
	}
	for _, s := range d.Settings {
		intro := say(l, "aussi : ", "also: ")
		if s.Badges && !d.site {
			intro = say(l, "impossible à évaluer sans --site : ", "cannot be evaluated without --site: ")
		}
		fmt.Fprintln(w.out, intro+settingInWords(s, l))
	}
}

// lineIn returns a line about a member's change, in the given language.
func (a affected) lineIn(l policy.Language) string {
	role := a.Role.In(l)
	if !a.Alone {
		role += say(l, " avec un mentor", " with a mentor")
	}
	out := fmt.Sprintf(say(l, "%s %s (%s) : %s, %s", "%s %s (%s): %s, %s"),
		either(a.Gained, "+", "-"), a.Name, a.Member, a.Machine, role)
	if len(a.When)+len(a.Except) == 0 {
		return out + say(l, ", à toute heure", ", at any time")
	}
	hours := say(l, " (%d des 168 heures de la semaine)", " (%d of the week's 168 hours)")
	return out + analysis.WhenInWords(a.When, a.Except, l) + fmt.Sprintf(hours, a.Hours)
}

// settingInWords returns a line about a setting that differs.
func settingInWords(s analysis.Setting, l policy.Language) string {
	switch {
	// settingInWords shortens long values, which are PEM keys.
	case s.Before != "" && s.After != "" && len(s.Before)+len(s.After) < 300:
		return s.Path + say(l, " : ", ": ") + plain(s.Before) + " → " + plain(s.After)
	case s.Before == "" && s.After != "":
		return s.Path + say(l, " : nouveau", ": new")
	case s.Before != "" && s.After == "":
		return s.Path + say(l, " : retiré", ": gone")
	}
	return s.Path + say(l, " : modifié", ": changed")
}
