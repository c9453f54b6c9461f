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

// differences is what policy diff --json prints.
type differences struct {
	Verdict  string             `json:"verdict"` // same, differs
	Reasons  []reason           `json:"reasons"`
	Changes  []analysis.Change  `json:"changes"`
	Settings []analysis.Setting `json:"settings,omitempty"` // what else differs
	Members  []affected         `json:"members,omitempty"`

	site bool // members were compared
}

// affected is a member of the site who gains or loses a role.
type affected struct {
	Member policy.MemberID `json:"member"`
	Name   string          `json:"name"`
	analysis.MemberChange
}

func policyDiff(_ context.Context, w stdio, args []string) error {
	var dir, at string
	var l *policy.Language
	var asJSON bool
	rest, err := flags(w, "policy diff", args, 2, func(fs *flag.FlagSet) {
		fs.StringVar(&dir, "site", "", "a site directory: each policy verifies its badges, and its members are named who gain or lose")
		fs.StringVar(&at, "at", "", "the year that is looked at begins here: a time at the site (2026-11-23) or with its offset; default: now")
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
	out := differences{Verdict: "same", Reasons: []reason{}, Changes: []analysis.Change{}, Settings: analysis.Uncompared(before, after), site: dir != ""}
	changes, err := analysis.Compare(before, after, when)
	if err != nil {
		return flawed(err, placesIn(rest[1]), *l)
	}
	out.Changes = append(out.Changes, changes...)
	if out.site {
		if out.Members, err = w.affected(dir, rest[0], rest[1], when); err != nil {
			return err
		}
	}
	if len(out.Changes)+len(out.Members)+len(out.Settings) > 0 {
		out.Verdict = "differs"
	}
	return w.differs(out, *l, asJSON)
}

// affected verifies the site's badges under either policy, and compares what members may.
func (w stdio) affected(dir, old, young string, at time.Time) ([]affected, error) {
	before, known, err1 := believed(dir, old, at)
	after, warnings, err2 := believed(dir, young, at)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	w.warn(slices.DeleteFunc(warnings, func(x string) bool { return slices.Contains(known, x) }))
	var all []analysis.Twin
	var names []string
	for p := range after.Everyone() {
		if same, ok := before.Person(p.Member.ID); ok { // one file says who they are
			all, names = append(all, analysis.Twin{Before: same.Member, After: p.Member}), append(names, p.Name)
		}
	}
	var out []affected
	for _, c := range analysis.CompareMembers(before.Policy, after.Policy, all, at) {
		out = append(out, affected{all[c.Member].After.ID, names[c.Member], c})
	}
	return out, nil
}

func (w stdio) differs(d differences, l policy.Language, asJSON bool) error {
	if asJSON {
		if err := printJSON(w.out, d); err != nil {
			return err
		}
	} else {
		w.tellDifferences(d, l)
	}
	if d.Verdict != "same" {
		return errNo
	}
	return nil
}

func (w stdio) tellDifferences(d differences, l policy.Language) {
	switch zoned := slices.ContainsFunc(d.Settings, func(s analysis.Setting) bool { return s.Path == "timezone" }); {
	case zoned: // hours of two zones have no times of day in common
		fmt.Fprintln(w.out, say(l, "les deux fichiers lisent leurs heures dans deux fuseaux : les cas ne sont pas comparés à la minute près", "the two files read their hours in two time zones: cases are not compared to the minute"))
	case d.Verdict == "same":
		fmt.Fprintln(w.out, say(l, "aucune différence pour personne", "no difference for anybody"))
	case len(d.Changes)+len(d.Members) == 0 && d.site:
		fmt.Fprintln(w.out, say(l, "aucun cas et aucun membre ne reçoit une autre réponse", "no case and no member is answered otherwise"))
	case len(d.Changes) == 0:
		fmt.Fprintln(w.out, say(l, "aucun cas ne reçoit une autre réponse, à badges égaux", "no case is answered otherwise, of the same badges"))
	}
	for _, c := range d.Changes {
		fmt.Fprintln(w.out, c.In(l))
	}
	for _, a := range d.Members {
		fmt.Fprintln(w.out, a.in(l))
	}
	for _, s := range d.Settings {
		intro := say(l, "aussi : ", "also: ")
		if s.Badges && !d.site {
			intro = say(l, "impossible à évaluer sans --site : ", "this cannot be weighed without --site: ")
		}
		fmt.Fprintln(w.out, intro+settingInWords(s, l))
	}
}

// in is a member's change in a line.
func (a affected) in(l policy.Language) string {
	role := a.Role.In(l)
	if !a.Alone {
		role += say(l, " avec un mentor", " with a mentor")
	}
	out := fmt.Sprintf(say(l, "%s %s (%s) : %s, %s", "%s %s (%s): %s, %s"), either(a.Gained, "+", "-"), a.Name, a.Member, a.Machine, role)
	if len(a.When)+len(a.Except) == 0 {
		return out + say(l, ", à toute heure", ", at any time")
	}
	return out + analysis.WhenInWords(a.When, a.Except, l) + fmt.Sprintf(say(l, " (%d des 168 heures de la semaine)", " (%d of the week's 168 hours)"), a.Hours)
}

func settingInWords(s analysis.Setting, l policy.Language) string {
	switch {
	case s.Before != "" && s.After != "" && len(s.Before)+len(s.After) < 300: // long ones are PEM keys
		return s.Path + say(l, " : ", ": ") + plain(s.Before) + " → " + plain(s.After)
	case s.Before == "" && s.After != "":
		return s.Path + say(l, " : nouveau", ": new")
	case s.Before != "" && s.After == "":
		return s.Path + say(l, " : retiré", ": gone")
	}
	return s.Path + say(l, " : modifié", ": changed")
}
