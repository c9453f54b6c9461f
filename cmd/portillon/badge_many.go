package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"portillon/daemon/roster"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/site"
)

// choice is one condition of --all-who. The zero choice is true for every member.
type choice struct {
	holds bool // true: choose members who have the badge; false: choose members who do not
	badge policy.BadgeID
}

// parseChoice parses a value of --all-who. For the value "all", parseChoice returns the zero choice, which is true for
// every member.
func (i *issuing) parseChoice(s string) error {
	verb, badge, _ := strings.Cut(s, ":")
	switch {
	case s == "all":
		i.who = append(i.who, choice{})
	case (verb == "hold" || verb == "lack") && badge != "":
		i.who = append(i.who, choice{verb == "hold", policy.BadgeID(badge)})
	default:
		return fmt.Errorf("--all-who %q is not a condition, want all, hold:BADGE or lack:BADGE", s)
	}
	return nil
}

// recipient is a member chosen by --all-who. If the field why is not empty, the command skips the member for this
// reason.
type recipient struct {
	member site.Member
	why    string
}

// issueToMany issues the badge to each chosen member, one file each, and prints a line for each. A member who already
// has the badge is skipped, so the command can be repeated after an interruption.
func (i *issuing) issueToMany(w stdio, k *openbadge.Key) error {
	all, err := i.recipients()
	if err != nil {
		return err
	}
	dir := i.out
	if dir == "" {
		dir = filepath.Join(i.members, "badges")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return wrong("%w", err)
	}
	// Stop the loop at the first error. The files of the badges that were issued before the error are complete.
	issued := 0
	for n, r := range all {
		at := fmt.Sprintf("%d/%d %s", n+1, len(all), plain(r.member.Name))
		if r.why != "" {
			fmt.Fprintf(w.out, "%s: passed over: %s\n", at, r.why)
			continue
		}
		path, err := i.issueTo(w, k, r.member, dir)
		if err != nil {
			return fmt.Errorf("badge of %s was not issued: %w (%d badges were issued before)", at, err, issued)
		}
		issued++
		fmt.Fprintf(w.out, "%s: %s\n", at, path)
	}
	fmt.Fprintf(w.out, "issued %d of %d; the machines know them after the next bundle build\n", issued, len(all))
	return nil
}

// issueTo issues the badge to one member, in a new file.
func (i *issuing) issueTo(w stdio, k *openbadge.Key, m site.Member, dir string) (path string, err error) {
	i.draft.Email, i.draft.Subject, i.place.index = "", "", -1
	if len(m.Emails) > 0 {
		i.draft.Email = m.Emails[0]
	}
	if len(m.Subjects) > 0 {
		i.draft.Subject = m.Subjects[0]
	}
	err = i.issueOne(k, w, func(b []byte) (err error) {
		path, err = writeUnused(dir, string(m.ID)+"-"+i.badge, i.form, b)
		return err
	})
	return path, err
}

// writeUnused writes a badge to a new file: name, or name-2 to name-999. writeUnused does not replace the file of an
// expired badge of the same member.
func writeUnused(dir, name, form string, b []byte) (string, error) {
	ending := ".json"
	if form == "jwt" {
		ending = ".jwt"
	}
	for n := 1; n < 1000; n++ {
		path := filepath.Join(dir, name+ending)
		if n > 1 {
			path = filepath.Join(dir, fmt.Sprintf("%s-%d%s", name, n, ending))
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return "", wrong("%w", err)
		}
		_, err = f.Write(b)
		return path, errors.Join(err, f.Close())
	}
	return "", wrong("%s has too many badges called %s", dir, name)
}

// recipients returns the chosen members in the order of the site. The members' badges are checked by the same rules as
// on a machine.
func (i *issuing) recipients() ([]recipient, error) {
	s, err := site.ReadUnder(i.members, i.policy)
	if err != nil {
		return nil, err
	}
	for _, c := range i.who {
		if _, ok := s.Policy.Badge(c.badge); c.badge != "" && !ok {
			return nil, wrong("--all-who: the policy has no badge %q", c.badge)
		}
	}
	at := time.Now()
	r, _, err := loadSite(i.members, i.policy, at)
	if err != nil {
		return nil, err
	}
	var out []recipient
	for _, m := range s.Members {
		if why, chosen := i.judge(r, m, at); chosen {
			out = append(out, recipient{m, why})
		}
	}
	if len(out) == 0 {
		return nil, no("--all-who chooses nobody among %d members", len(s.Members))
	}
	return out, nil
}

// judge reports whether a member is chosen, and returns the reason if a chosen member is skipped.
func (i *issuing) judge(r *roster.Roster, m site.Member, at time.Time) (why string, chosen bool) {
	p, ok := r.Person(m.ID)
	if !ok {
		return "", false
	}
	for _, c := range i.who {
		if c.badge != "" && holdsNow(p.Member, c.badge, at) != c.holds {
			return "", false
		}
	}
	switch {
	case m.Blocked:
		return "blocked", true
	case holdsNow(p.Member, policyBadge(i.badge), at):
		return "has it already", true
	case len(m.Emails)+len(m.Subjects) == 0:
		return "members.yaml has no address and no subject for this member", true
	}
	return "", true
}

// holdsNow reports whether a member has the badge itself, neither expired nor revoked. A badge of another issuer that
// the policy accepts instead is not enough.
func holdsNow(m *policy.Member, badge policy.BadgeID, at time.Time) bool {
	return slices.ContainsFunc(m.Holdings, func(h policy.Holding) bool {
		return h.Badge == badge && h.Other == nil && h.Standing != policy.Revoked && (h.Until.IsZero() || at.Before(h.Until))
	})
}
