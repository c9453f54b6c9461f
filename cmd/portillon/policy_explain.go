package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"portillon/policy"
)

// explained is the result of «policy explain» as JSON.
type explained struct {
	Verdict  policy.Verdict  `json:"verdict"`  // decision: allow, await or deny
	Reasons  []reason        `json:"reasons"`  // reason codes of the grant that comes closest to allowing access
	Decision policy.Decision `json:"decision"` // the whole decision
	Sentence policy.Sentence `json:"sentence"` // text that the member reads
}

// asked contains the flags of «policy explain», which are all settings of an example under tests:.
type asked struct {
	machine, member, holds, supervisor, at, card, clock, as, used, lastUsed string
	// age: age of the bundle; hours: number of logged hours
	age, logged time.Duration
	// number of people whom the mentor already supervises
	answering        int
	tagged, fault    bool
	until, cardState string // until: last day of the membership
}

// declare declares the flags.
func (a *asked) declare(fs *flag.FlagSet) {
	fs.StringVar(&a.machine, "machine", "", "the machine")
	fs.StringVar(&a.member, "member", "member",
		"the member's id, as bookings have it; of a site's folder: a member's name or id")
	fs.StringVar(&a.holds, "holds", "", "the member's badges, with commas; issued a year ago, unless it says otherwise: "+
		"laser-user/issued=2025-01-31/expires=2027-01-31/revoked; laser-user/issuer=ID is the badge of that issuer "+
		"that laser-user accepts")
	fs.StringVar(&a.supervisor, "supervisor-holds", "", "the badges of the mentor who taps, in the same form")
	fs.StringVar(&a.at, "at", "", "the time, at the site (2026-11-23T10:00) or with its offset; default: now")
	fs.StringVar(&a.clock, "clock", "trusted", "the machine's clock: trusted or untrusted")
	fs.StringVar(&a.card, "card", "number", "what the card has proven: number or aes")
	fs.StringVar(&a.as, "as", "", "the role that is asked for; default: the one to start in")
	fs.StringVar(&a.used, "used", "",
		"how long and how often the member has used the machine: day=2h, week=6h, sessions=2, or several with commas")
	fs.StringVar(&a.lastUsed, "last-used", "", "when the member last used the machine; default: never, or now with --used")
	spanFlag(fs, &a.logged, "logged", 0, "running time that the member has logged on the machine, as 10h")
	spanFlag(fs, &a.age, "bundle-age", 0, "how old the machine's bundle is, as 31d or 240h")
	fs.IntVar(&a.answering, "answering", 0, "how many people the mentor already supervises")
	fs.StringVar(&a.until, "until", "",
		"the last day of the member's membership, as 2026-09-30; default: it has no end, or what the site says")
	fs.StringVar(&a.cardState, "card-state", "active", "what the site says of the card: active, lost, blocked or replaced")
	fs.BoolVar(&a.tagged, "tagged", false, "the machine is tagged out")
	fs.BoolVar(&a.fault, "fault", false, "the machine's relay has a fault")
}

// policyExplain runs «policy explain» for invented badges, or for a member of a site. If the decision is not allow, the
// exit code is 1. The command has the same flags as an example under tests: has settings, so that a person can convert
// a decision to an example.
func policyExplain(_ context.Context, w stdio, args []string) error {
	var a asked
	var lang *policy.Language
	var asJSON bool
	rest, err := parseFlags(w, "policy explain", args, 1, func(fs *flag.FlagSet) {
		a.declare(fs)
		lang = langFlag(fs)
		fs.BoolVar(&asJSON, "json", false, "print the whole decision as JSON")
	})
	if err != nil {
		return err
	}
	if isSite(rest[0]) {
		return a.explainMember(w, rest[0], *lang, asJSON)
	}
	p, err := readPolicy(rest[0])
	if err != nil {
		return err
	}
	q, err := a.question(p)
	if err != nil {
		return err
	}
	return w.explain(p, q, *lang, asJSON)
}

// question builds the question that the flags describe.
func (a *asked) question(p *policy.Policy) (q policy.Question, err error) {
	q = policy.Question{
		Clock:     policy.Trusted,
		Machine:   policy.MachineID(a.machine),
		Tagged:    a.tagged,
		Fault:     a.fault,
		Answering: a.answering,
	}
	if _, ok := p.Machine(q.Machine); !ok {
		return q, wrong("--machine: the policy has no machine %q", a.machine).hinted("one of: %s", machineList(p))
	}
	if q.At, err = siteTime("--at", a.at, p.Zone, time.Now()); err != nil {
		return q, err
	}
	q.Issued = q.At.Add(-a.age)
	switch a.clock {
	case "trusted":
	case "untrusted":
		q.Clock = policy.Untrusted
	default:
		return q, wrong("--clock: %q is not trusted or untrusted", a.clock)
	}
	if q.Card, err = policy.ParseCardStrength(a.card); err != nil {
		return q, wrong("--card: %w", err)
	}
	if q.As, err = policy.ParseRole(a.as); err != nil {
		return q, wrong("--as: %w", err)
	}
	if q.Member, err = holder(p, "--holds", a.member, a.holds, q.At); err != nil {
		return q, err
	}
	if err = a.addMembership(&q); err != nil {
		return q, err
	}
	if a.supervisor != "" {
		if q.Supervisor, err = holder(p, "--supervisor-holds", "supervisor", a.supervisor, q.At); err != nil {
			return q, err
		}
	}
	here, err := a.practice(p, q)
	q.Member.Practice = []policy.Practice{here}
	return q, err
}

// practice returns the member's practice at the machine. If --used is given, the member has just used the machine.
func (a *asked) practice(p *policy.Policy, q policy.Question) (policy.Practice, error) {
	here := policy.Practice{Machine: q.Machine, Logged: a.logged}
	var last time.Time
	if a.used != "" {
		last = q.At
	}
	var err error
	if here.Last, err = siteTime("--last-used", a.lastUsed, p.Zone, last); err != nil {
		return here, err
	}
	for _, part := range strings.Split(a.used, ",") {
		of, text, named := strings.Cut(strings.TrimSpace(part), "=")
		into := map[string]*time.Duration{"day": &here.Day, "week": &here.Week}[of]
		switch {
		case part == "":
		case named && of == "sessions":
			if here.Sessions, err = strconv.Atoi(text); err != nil || here.Sessions < 0 {
				return here, wrong("--used: %q is no number of sessions", text).hinted("--used sessions=2")
			}
		case !named || into == nil:
			return here, wrong("--used: %q is not the use of a day or a week, or a number of sessions", part).
				hinted("--used day=2h,week=6h,sessions=2")
		default:
			if *into, err = span(text); err != nil {
				return here, wrong("--used: %w", err)
			}
		}
	}
	return here, nil
}

// explain evaluates the policy, and prints the decision.
func (w stdio) explain(p *policy.Policy, q policy.Question, l policy.Language, asJSON bool) error {
	d := p.Decide(q)
	said := policy.Explain(p, q, d)
	if asJSON {
		out := explained{d.Verdict, []reason{}, d, said}
		for _, c := range d.Codes() {
			out.Reasons = append(out.Reasons, reason{Code: string(c)})
		}
		if err := printJSON(w.out, out); err != nil {
			return err
		}
	} else {
		w.trace(p, d, said.In(l), l)
	}
	if d.Verdict != policy.Allow {
		return errNo
	}
	return nil
}

// trace prints the sentence that the member reads, and then the result of every grant. In English, codes and roles are
// printed as in the policy file.
func (w stdio) trace(p *policy.Policy, d policy.Decision, said string, l policy.Language) {
	verdict := func(v policy.Verdict) string {
		return say(l, [...]string{"refusé", "en attente", "autorisé"}[v], v.String())
	}
	fmt.Fprint(w.out, verdict(d.Verdict))
	if d.Role != policy.NoRole {
		fmt.Fprintf(w.out, say(l, " comme %s", " as %s"), d.Role.In(l))
	}
	if d.Would != d.Verdict {
		fmt.Fprintf(w.out, say(l, " (mode: warn ; sinon : %s)", " (mode: warn; else: %s)"), verdict(d.Would))
	}
	fmt.Fprintf(w.out, "\n  %s\n", said)
	for _, a := range d.Accepted {
		fmt.Fprintf(w.out, "  %s\n", plain(a.In(p, l)))
	}
	width := len("maintainer")
	if l == policy.French {
		width = len("Apprentissage")
	}
	for _, o := range d.Outcomes {
		fmt.Fprintf(w.out, "  %-*s %s", width, o.Role.In(l), verdict(o.Verdict))
		if all := lacking(p, o.Missing(), l); len(all) > 0 {
			fmt.Fprint(w.out, say(l, " : ", ": "), strings.Join(all, ", "))
		}
		fmt.Fprintln(w.out)
	}
}

// lacking lists each pair of a reason code and a badge once, followed by the rules that produced this code.
func lacking(p *policy.Policy, missing []policy.Reason, l policy.Language) []string {
	var heads []string
	codes, rules := map[string]policy.Code{}, map[string][]string{}
	for _, r := range missing {
		head := strings.TrimSpace(string(r.Code) + " " + string(r.Badge))
		if !slices.Contains(heads, head) {
			heads = append(heads, head)
		}
		codes[head] = r.Code
		rules[head] = append(rules[head], ruleOf(p, r, l))
	}
	for i, head := range heads {
		all := slices.DeleteFunc(rules[head], func(s string) bool { return s == "" })
		if len(rules[head]) > 1 && head == string(policy.OutsideHours) && len(all) == 1 {
			all = append([]string{say(l, "fermé", "closed")}, all...)
		}
		heads[i] = codes[head].In(l) + strings.TrimPrefix(head, string(codes[head]))
		if len(all) > 0 {
			heads[i] += " (" + strings.Join(slices.Compact(all), say(l, " ; ", "; ")) + ")"
		}
	}
	return heads
}

// ruleOf returns the rule that produced the reason, or "" if only one rule produces this code.
func ruleOf(p *policy.Policy, r policy.Reason, l policy.Language) string {
	if s := ofMembership(p, r, l); s != "" {
		return s
	}
	switch r.Kind {
	case policy.OfAge:
		return say(l, "âge du badge", "the badge's age")
	case policy.OfPractice:
		return say(l, "dernière utilisation", "last use")
	case policy.NotYet:
		return say(l, "pas encore valable", "not valid yet")
	case policy.OldStatus:
		return say(l, "statut trop ancien", "status too old")
	case policy.WeakAssurance:
		return say(l, "vérification trop faible", "assurance too weak")
	case policy.WeakCard:
		return say(l, "carte : un numéro seul", "card: a number only")
	case policy.OfDay:
		return say(l, "jour", "day")
	case policy.OfWeek:
		return say(l, "semaine", "week")
	case policy.OfSessions:
		return say(l, "utilisations", "sessions")
	case policy.Booked:
		return say(l, "réservée par quelqu’un d’autre jusqu’au ", "booked by somebody else until ") +
			r.At.In(p.Zone).Format("2006-01-02 15:04")
	case policy.NotBooked:
		return say(l, "sans réservation à son nom", "no booking of their own")
	case policy.Besides:
		return say(l, "demandé avec un badge accepté", "asked for with an accepted badge")
	case policy.BusySupervisor:
		return say(l, "encadre déjà le maximum de personnes", "already supervises as many people as allowed")
	}
	return ""
}

// holder returns an invented member who has these badges. The badges are verified, do not expire and are a year old,
// unless a flag says otherwise.
func holder(p *policy.Policy, flag, id, badges string, at time.Time) (*policy.Member, error) {
	m := &policy.Member{ID: policy.MemberID(id)}
	for _, text := range strings.Split(badges, ",") {
		parts := strings.Split(strings.TrimSpace(text), "/")
		if parts[0] == "" {
			continue
		}
		h := policy.Holding{Badge: policy.BadgeID(parts[0]), Standing: policy.Verified, From: at.AddDate(-1, 0, 0)}
		if _, ok := p.Badge(h.Badge); !ok {
			return nil, wrong("%s: the policy has no badge %q", flag, h.Badge)
		}
		var other *policy.OtherBadge
		for _, x := range parts[1:] {
			var err error
			switch key, value, _ := strings.Cut(x, "="); key {
			case "issued":
				h.From, err = siteTime(flag+": issued", value, p.Zone, time.Time{})
			case "expires":
				h.Until, err = siteTime(flag+": expires", value, p.Zone, time.Time{})
			case "revoked":
				h.Standing = policy.Revoked
			case "issuer":
				other, err = acceptedOf(p, flag, h.Badge, policy.IssuerID(value))
			default:
				err = wrong("%s: %q is not a property of a badge", flag, x).
					hinted("%s/issued=2025-01-31/expires=2027-01-31/revoked/issuer=ID", h.Badge)
			}
			if err != nil {
				return nil, err
			}
		}
		if other == nil {
			m.Holdings = append(m.Holdings, h)
			continue
		}
		for _, x := range p.MatchesOf(*other) {
			h.Badge, h.Other = x.Badge, x.Other
			m.Holdings = append(m.Holdings, h)
		}
	}
	return m, nil
}

// machineList lists the policy's machines.
func machineList(p *policy.Policy) string {
	var out []string
	for _, m := range p.Machines {
		out = append(out, string(m.ID))
	}
	return strings.Join(out, ", ")
}

// acceptedOf returns the first of the issuers' badges that the policy accepts in place of this badge.
func acceptedOf(
	p *policy.Policy,
	flag string,
	badge policy.BadgeID,
	issuer policy.IssuerID,
) (*policy.OtherBadge, error) {
	b, _ := p.Badge(badge)
	var known []string
	for i := range b.Accepts {
		if b.Accepts[i].Issuer == issuer {
			return &b.Accepts[i].OtherBadge, nil
		}
		known = append(known, string(b.Accepts[i].Issuer))
	}
	if len(known) == 0 {
		return nil, wrong("%s: %s accepts no badge of another issuer", flag, badge).
			hinted("accepts: under the badge in the policy")
	}
	return nil, wrong("%s: %s accepts no badge of the issuer %q", flag, badge, issuer).
		hinted("one of: %s", strings.Join(known, ", "))
}
