package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon/roster"
	"portillon/policy"
	"portillon/site"
	"portillon/wire"
)

// believed is a site as a machine believes it: built into a bundle, with keys of the moment, and loaded as a daemon loads it.
func believed(dir string, at time.Time) (*roster.Roster, error) {
	s, err := site.Read(dir)
	if err != nil {
		return nil, err
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, "portillon-who")
	if err != nil {
		return nil, err
	}
	signer, err1 := note.NewSigner(skey)
	verifier, err2 := note.NewVerifier(vkey)
	card := make([]byte, 32)
	rand.Read(card) // never fails
	built, err3 := s.Build(site.Order{Version: 1, Issued: at, Expires: at.Add(time.Hour), Signer: signer, CardKey: card})
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	tmp, err := os.MkdirTemp("", "portillon-who-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	store := wire.Store{Dir: tmp, Site: s.Policy.Site, Keys: note.VerifierList(verifier)}
	m, err := store.Install(built.Signed, built.Chunk, nil)
	if err != nil {
		return nil, err
	}
	return roster.Load(store, m, roster.Options{CardKey: card, Now: at})
}

// may is what a member may do at a machine.
type may struct {
	Member  policy.MemberID  `json:"member"`
	Name    string           `json:"name"`
	Machine policy.MachineID `json:"machine"`
	Alone   []policy.Role    `json:"alone,omitempty"`
	With    []policy.Role    `json:"with_supervisor,omitempty"`
	Missing []policy.Code    `json:"missing,omitempty"` // where there is no role
}

func policyWho(_ context.Context, w stdio, args []string) error {
	var machine, at string
	var asJSON bool
	var lang *policy.Language
	rest, err := flags(w, "policy who", args, 1, func(fs *flag.FlagSet) {
		fs.StringVar(&machine, "machine", "", "the machine; default: every one")
		fs.StringVar(&at, "at", "", "the time (RFC 3339); default: now")
		fs.BoolVar(&asJSON, "json", false, "print the answer as JSON")
		lang = langFlag(fs)
	})
	if err != nil {
		return err
	}
	zone := time.UTC
	if p, err := readPolicy(filepath.Join(rest[0], "policy.yaml")); err == nil { // what is wrong with it is said below
		zone = p.Zone
	}
	when, err := siteTime("--at", at, zone, time.Now())
	if err != nil {
		return err
	}
	r, err := believed(rest[0], when)
	if err != nil {
		return err
	}
	if _, ok := r.Policy.Machine(policy.MachineID(machine)); machine != "" && !ok {
		return wrong("--machine: the policy has no machine %q", machine).hinted("one of: %s", machineList(r.Policy))
	}
	all := who(r, policy.MachineID(machine), when)
	if asJSON {
		return printJSON(w.out, all)
	}
	return w.who(r.Policy, all, *lang)
}

// who answers for every member at the machine, or at all.
func who(r *roster.Roster, only policy.MachineID, at time.Time) []may {
	all := []may{}
	var members []*policy.Member
	var names []string
	for p := range r.Everyone() {
		members, names = append(members, p.Member), append(names, p.Name)
	}
	for i := range r.Policy.Machines {
		m := &r.Policy.Machines[i]
		if only != "" && m.ID != only {
			continue
		}
		for i, s := range r.Policy.Who(m.ID, members, at) {
			x := may{Member: s.Member.ID, Name: names[i], Machine: m.ID, Alone: s.Alone.Roles(), With: s.Supervised.Roles()}
			if s.Alone|s.Supervised == 0 {
				x.Missing = r.Policy.Decide(policy.Question{At: at, Clock: policy.Trusted, Machine: m.ID, Member: s.Member, Card: policy.AES, Issued: at}).Codes()
			}
			all = append(all, x)
		}
	}
	return all
}

// who prints a table: those who may, by machine; the others are counted.
func (w stdio) who(p *policy.Policy, all []may, l policy.Language) error {
	found := false
	for _, m := range p.Machines {
		none := 0
		var lines []string
		for _, x := range all {
			switch {
			case x.Machine != m.ID:
			case len(x.Alone)+len(x.With) == 0:
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
		fmt.Fprintf(w.out, say(l, "  et %d sans accès\n", "  and %d who may not\n"), none)
	}
	if !found {
		return errNo
	}
	return nil
}

func roleWords(x may, l policy.Language) string {
	var out []string
	for _, r := range x.Alone {
		out = append(out, r.String())
	}
	for _, r := range x.With {
		out = append(out, r.String()+say(l, " avec un superviseur", " with a supervisor"))
	}
	return strings.Join(out, ", ")
}

// differences is what policy diff --json prints.
type differences struct {
	Verdict string          `json:"verdict"` // same, differs
	Reasons []reason        `json:"reasons"`
	Changes []policy.Change `json:"changes"`
	Members []affected      `json:"members,omitempty"`
}

// affected is a member of the site who gains or loses a role.
type affected struct {
	Member  policy.MemberID  `json:"member"`
	Name    string           `json:"name"`
	Machine policy.MachineID `json:"machine"`
	Role    policy.Role      `json:"role"`
	Gained  bool             `json:"gained"`
	When    string           `json:"when"`
}

func policyDiff(_ context.Context, w stdio, args []string) error {
	var dir, at string
	var l *policy.Language
	var asJSON bool
	rest, err := flags(w, "policy diff", args, 2, func(fs *flag.FlagSet) {
		fs.StringVar(&dir, "site", "", "a site directory: its members are named who gain or lose")
		fs.StringVar(&at, "at", "", "the year that is looked at begins here (RFC 3339); default: now")
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
	out := differences{Verdict: "same", Reasons: []reason{}, Changes: []policy.Change{}}
	changes, err := policy.Compare(before, after, when)
	if err != nil {
		return &failure{code: 3, err: err, hint: "compare the machines in files of their own"}
	}
	out.Changes = append(out.Changes, changes...)
	if dir != "" {
		r, err := believed(dir, when)
		if err != nil {
			return err
		}
		out.Members = affectedOf(r, before, after, when)
	}
	if len(changes) > 0 {
		out.Verdict = "differs"
	}
	return w.differs(out, *l, asJSON)
}

func (w stdio) differs(d differences, l policy.Language, asJSON bool) error {
	switch {
	case asJSON:
		if err := printJSON(w.out, d); err != nil {
			return err
		}
	case len(d.Changes) == 0:
		fmt.Fprintln(w.out, policy.Text{FR: "aucune différence pour personne", EN: "no difference for anybody"}.In(l))
	default:
		for _, c := range d.Changes {
			fmt.Fprintln(w.out, c.In(l))
		}
		for _, a := range d.Members {
			fmt.Fprintf(w.out, "%s %s (%s): %s, %s %s\n", map[bool]string{true: "+", false: "-"}[a.Gained], a.Name, a.Member, a.Machine, a.Role, a.When)
		}
	}
	if len(d.Changes) > 0 {
		return errNo
	}
	return nil
}

// affectedOf looks at every hour of the week that follows, for every member: with a supervisor where one is asked for.
func affectedOf(r *roster.Roster, before, after *policy.Policy, from time.Time) []affected {
	var out []affected
	for _, id := range machinesOf(before, after) {
		for p := range r.Everyone() {
			gained, lost := map[policy.Role]int{}, map[policy.Role]int{}
			for h := range 7 * 24 {
				at := from.Truncate(time.Hour).Add(time.Duration(h) * time.Hour)
				a, b := rolesAt(before, id, p, at, r.Issued), rolesAt(after, id, p, at, r.Issued)
				for role := range b {
					if !a[role] {
						gained[role]++
					}
				}
				for role := range a {
					if !b[role] {
						lost[role]++
					}
				}
			}
			for _, role := range policy.Roles() {
				for _, x := range []struct {
					n      int
					gained bool
				}{{gained[role], true}, {lost[role], false}} {
					if x.n > 0 {
						out = append(out, affected{p.Member.ID, p.Name, id, role, x.gained, fmt.Sprintf("(%d h / 168)", x.n)})
					}
				}
			}
		}
	}
	return out
}

// rolesAt are the roles that the member may have, alone or with a supervisor.
func rolesAt(p *policy.Policy, id policy.MachineID, who roster.Person, at, issued time.Time) map[policy.Role]bool {
	out := map[policy.Role]bool{}
	d := p.Decide(policy.Question{At: at, Clock: policy.Trusted, Machine: id, Member: who.Member, Card: policy.AES, Issued: issued.Add(at.Sub(issued))})
	for _, o := range d.Outcomes {
		if o.Verdict != policy.Deny {
			out[o.Role] = true
		}
	}
	if d.Verdict != policy.Deny {
		out[d.Role] = true
	}
	return out
}

func machinesOf(policies ...*policy.Policy) []policy.MachineID {
	var out []policy.MachineID
	seen := map[policy.MachineID]bool{}
	for _, p := range policies {
		for _, m := range p.Machines {
			if !seen[m.ID] {
				seen[m.ID] = true
				out = append(out, m.ID)
			}
		}
	}
	return out
}
