package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon/roster"
	"portillon/policy"
	"portillon/policy/analysis"
	"portillon/site"
	"portillon/wire"
)

// loadSite builds a bundle of the site with new keys, and loads the bundle as a daemon does, under the given policy.
// The result warnings names the files that loadSite ignored.
func loadSite(dir, policyFile string, at time.Time) (*roster.Roster, []string, error) {
	s, err := site.ReadUnder(dir, policyFile)
	if err != nil {
		return nil, nil, err
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, "portillon-who")
	if err != nil {
		return nil, nil, err
	}
	signer, err1 := note.NewSigner(skey)
	verifier, err2 := note.NewVerifier(vkey)
	card := make([]byte, 32)
	rand.Read(card) // never fails
	built, err3 := s.Build(site.Order{Version: 1, Issued: at, Expires: at.Add(time.Hour), Signer: signer, CardKey: card})
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, nil, err
	}
	tmp, err := os.MkdirTemp("", "portillon-who-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(tmp)
	store := wire.Store{Dir: tmp, Site: s.Policy.Site, Keys: note.VerifierList(verifier)}
	m, err := store.Install(built.Signed, built.Chunk, nil)
	if err != nil {
		return nil, nil, err
	}
	r, err := roster.Load(store, m, roster.Options{CardKey: card, Now: at})
	return r, append(built.Warnings, built.Errors...), err
}

// may contains the permissions of a member at a machine.
type may struct {
	Member  policy.MemberID  `json:"member"`
	Name    string           `json:"name"`
	Machine policy.MachineID `json:"machine"`
	Alone   []policy.Role    `json:"alone,omitempty"`           // roles that the member has now without a mentor
	With    []policy.Role    `json:"with_supervisor,omitempty"` // roles that the member has now with a mentor
	Missing []policy.Code    `json:"missing,omitempty"`         // reasons why the member has no role now
	When    []mayWhen        `json:"when,omitempty"`            // all roles that the member has at any time of the week
}

// mayWhen is one of the member's roles with its hours.
type mayWhen struct {
	Role   policy.Role `json:"role"`
	With   bool        `json:"with_supervisor,omitempty"` // true: only with a mentor
	Hours  string      `json:"hours,omitempty"`           // hours as in the policy; empty: at any time
	Booked bool        `json:"booked,omitempty"`          // true: only during the member's own booking
	Now    bool        `json:"now"`                       // true: the member has the role at the time of the query
}

// policyWho runs «policy who». policy who builds the site like «bundle build», and verifies the badges by the same
// rules as a machine. If no member may use the machines, the exit code is 1. Warnings about unusable badges are printed
// to standard error.
func policyWho(_ context.Context, w stdio, args []string) error {
	var machine, at string
	var asJSON bool
	var lang *policy.Language
	rest, err := parseFlags(w, "policy who", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&machine, "machine", "", "the machine; default: every one")
		fs.StringVar(&at, "at", "", "the time, at the site (2026-11-23T10:00) or with its offset; default: now")
		fs.BoolVar(&asJSON, "json", false, "print the answer as JSON")
		lang = langFlag(fs)
	})
	if err != nil {
		return err
	}
	zone := time.UTC
	// Ignore the error here, because loadSite reports the faults of the file.
	if p, err := readPolicy(filepath.Join(rest[0], "policy.yaml")); err == nil {
		zone = p.Zone
	}
	when, err := siteTime("--at", at, zone, time.Now())
	if err != nil {
		return err
	}
	r, warnings, err := loadSite(rest[0], filepath.Join(rest[0], "policy.yaml"), when)
	if err != nil {
		return err
	}
	w.warn(warnings)
	if _, ok := r.Policy.Machine(policy.MachineID(machine)); machine != "" && !ok {
		return wrong("--machine: the policy has no machine %q", machine).hinted("one of: %s", machineList(r.Policy))
	}
	all := permissions(r, policy.MachineID(machine), when)
	if asJSON {
		return printJSON(w.out, all)
	}
	return w.printTables(r.Policy, all, *lang)
}

// warn prints warnings about ignored files. The warnings are important, because an ignored file may be the reason why a
// member is missing from the list.
func (w stdio) warn(warnings []string) {
	for _, x := range warnings {
		fmt.Fprintf(w.err, "portillon: warning: %s\n", plainLines(x))
	}
}

// permissions returns the permissions of each member at each machine, or at one machine. Members are sorted by name.
func permissions(r *roster.Roster, only policy.MachineID, at time.Time) []may {
	all := []may{}
	var members []*policy.Member
	var names []string
	// Sort by name, because the bundle has its members in the order of hashes.
	for _, p := range slices.SortedFunc(r.Everyone(), func(a, b roster.Person) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Member.ID, b.Member.ID))
	}) {
		members, names = append(members, p.Member), append(names, p.Name)
	}
	for i := range r.Policy.Machines {
		m := &r.Policy.Machines[i]
		if only != "" && m.ID != only {
			continue
		}
		rights := analysis.Rights(r.Policy, m.ID, members, at)
		for i, s := range analysis.Who(r.Policy, m.ID, members, at) {
			x := may{Member: s.Member.ID, Name: names[i], Machine: m.ID, Alone: s.Alone.Roles(), With: s.Supervised.Roles()}
			if s.Alone|s.Supervised == 0 {
				x.Missing = r.Policy.Decide(policy.Question{
					At:      at,
					Clock:   policy.Trusted,
					Machine: m.ID,
					Member:  s.Member,
					Card:    policy.AES,
					Issued:  at,
				}).Codes()
			}
			for _, y := range rights[i] {
				w := mayWhen{Role: y.Role, With: y.Supervised, Booked: y.Booked, Now: y.Now}
				if y.Hours != nil {
					w.Hours = y.Hours.String()
				}
				x.When = append(x.When, w)
			}
			all = append(all, x)
		}
	}
	return all
}

// printTables prints a table for each machine, with the members who may use the machine and their hours. Below each
// table, printTables prints the number of the other members.
func (w stdio) printTables(p *policy.Policy, all []may, l policy.Language) error {
	found := false
	for _, m := range p.Machines {
		none := 0
		var lines []string
		for _, x := range all {
			switch {
			case x.Machine != m.ID:
			case len(x.When) == 0:
				none++
			default:
				lines = append(lines, fmt.Sprintf("  %-24s %-10s %s", x.Name, x.Member, roleWords(x, l)))
			}
		}
		if len(lines)+none == 0 {
			continue
		}
		found = found || len(lines) > 0
		fmt.Fprintf(w.out, "%s\n%s", m.ID, strings.Join(append(lines, ""), "\n"))
		fmt.Fprintf(w.out, say(l, "  et %d sans accès", "  and %d who may not"), none)
		if n := lapsedAmong(all, m.ID); n > 0 {
			fmt.Fprintf(w.out, say(l, ", dont %d à cause de l’adhésion", ", %d of them because of their membership"), n)
		}
		fmt.Fprintln(w.out)
	}
	if !found {
		return errNo
	}
	return nil
}

// roleWords lists a member's roles with their hours.
func roleWords(x may, l policy.Language) string {
	var out []string
	for _, r := range x.When {
		s := r.Role.In(l)
		if r.With {
			s += say(l, " avec un mentor", " with a mentor")
		}
		var when []string
		if r.Hours != "" {
			when = append(when, r.Hours)
		}
		if r.Booked {
			when = append(when, say(l, "sur réservation", "by booking"))
		}
		if !r.Now {
			when = append(when, say(l, "pas maintenant", "not now"))
		}
		if len(when) > 0 {
			s += " (" + strings.Join(when, ", ") + ")"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}
