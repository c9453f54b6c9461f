// Package file reads policy.yaml, what an administrator writes, into a policy.Policy.
//
// It accepts one YAML document with the keys portillon, site, language, timezone, bindings, status-grace, membership,
// holidays, issuers, badges, roles, defaults, machines, tests, never, evidence and panel; site-example/policy.yaml
// shows them all. Errors name file, line, column and field, show the line with a caret, and say what would do; all are
// reported at once.
//
// It refuses unknown keys, keys without a value, empty entries of lists, unknown badges, issuers, machines and roles,
// duplicates, anchors and aliases, keys that are no point of their curve, rules that could never find anything, more
// than 1 MB, more entries than a policy of 10,000 lines has, and deep nesting.
package file

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/policy"
	"portillon/timezone"
	"portillon/yamlfile"
)

// MaxBytes, MaxLines and MaxEntries bound a policy file: what is longer would take longer than 100 ms to refuse. 10,000
// lines are about 0.5 MB and 45,000 to 55,000 entries.
const (
	MaxBytes   = 1 << 20
	MaxLines   = 12_000
	MaxEntries = 65_000
)

func bounded(name string, data []byte) error {
	for _, b := range []struct {
		n, most int
		of      string
	}{{len(data), MaxBytes, "%d bytes"}, {bytes.Count(data, []byte("\n")), MaxLines, "%d lines"}, {yamlfile.Entries(data[:min(len(data), MaxBytes)]), MaxEntries, "about %d entries"}} {
		if b.n > b.most {
			return yamlfile.Faults{{File: name, Problem: "the file has " + fmt.Sprintf(b.of, b.n), Hint: fmt.Sprintf("at most %d", b.most)}}
		}
	}
	return nil
}

// Parse reads a policy. name stands in the errors, of which there is one for each fault: errors.As finds
// yamlfile.Faults.
func Parse(name string, data []byte) (*policy.Policy, error) {
	if err := bounded(name, data); err != nil {
		return nil, err
	}
	d := yamlfile.Parse(name, data)
	if err := d.Err(); err != nil {
		return nil, err
	}
	r := &reader{m: policy.Model{Evidence: map[policy.BadgeID]policy.EvidenceRule{}}}
	r.top(d.Root())
	if d.Err() == nil {
		r.unhush()
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	p, err := policy.New(r.m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// ParseTrust reads the issuers of any YAML file that has the key issuers; its other keys are not looked at. In a file
// that is no policy, since it has no key portillon, an issuer that does not say who may sign its status lists
// (status-issuers) lets every issuer of the file: whoever names two issuers to verify one badge means both. In a policy
// nobody but the issuer itself may.
func ParseTrust(name string, data []byte) ([]policy.Issuer, error) {
	if err := bounded(name, data); err != nil {
		return nil, err
	}
	d := yamlfile.Parse(name, data)
	if err := d.Err(); err != nil {
		return nil, err
	}
	root := d.Root()
	root.Pairs() // reports a root that is no mapping
	r := &reader{bareTrust: !root.Get("portillon").Present()}
	r.issuers(root.Get("issuers").Required())
	r.issuerIDs.report()
	if err := d.Err(); err != nil {
		return nil, err
	}
	return r.m.Issuers, nil
}

// reader fills a model. Names are collected first, so that a grant may stand before the badge that it names.
type reader struct {
	m            policy.Model
	issuerIDs    names
	badgeIDs     names
	machineIDs   names
	roles        []string // what grants may give
	achievements map[string]string
	keys         int            // of all issuers
	bareTrust    bool           // the file is no policy: see ParseTrust
	named        int            // needs of the machine that is read
	defaults     policy.Machine // what holds where a machine says nothing
	session      policy.Limits  // likewise, where a grant says nothing
}

func (r *reader) top(root yamlfile.Node) {
	only(root, sections...)
	if v := root.Get("portillon").Required(); v.Str() != "1" && v.IsScalar() {
		v.Fault("this version reads 1", "%.80q is not a version of the file", v.Str())
	}
	r.consequences(root)
	r.m.Site = policy.SiteID(root.Get("site").Required().Slug())
	if root.Get("language").OneOf("fr", "en") == "en" {
		r.m.Language = policy.English
	}
	r.m.Zone = zone(root.Get("timezone").Required())
	r.m.SignedBindings = root.Get("bindings").OneOf("signed", "unsigned") == "signed"
	r.m.StatusGrace = positive(root.Get("status-grace"))
	r.issuers(root.Get("issuers").Required())
	r.badges(root.Get("badges").Required())
	r.role(root.Get("roles"))
	r.membership(root.Get("membership"))
	r.accepts(root.Get("badges"))
	r.m.Holidays = holidays(root.Get("holidays"))
	r.panel(root.Get("panel"))
	r.usual(root.Get("defaults"))
	r.machines(root.Get("machines").Required())
	r.evidence(root.Get("evidence"))
	r.tests(root.Get("tests"))
	r.never(root.Get("never"))
	for _, k := range r.kinds() {
		k.names.report()
	}
}

// sections are the keys of a policy file.
var sections = []string{"portillon", "site", "language", "timezone", "bindings", "status-grace", "membership", "issuers", "badges", "roles", "machines", "tests", "evidence", "never", "holidays", "defaults", "panel"}

// kind is a section that defines names.
type kind struct {
	section string
	names   *names
}

func (r *reader) kinds() []kind {
	return []kind{{"issuers", &r.issuerIDs}, {"badges", &r.badgeIDs}, {"machines", &r.machineIDs}}
}

// consequences are told from faults: where a section is missing, or an entry stands at the top since it is not far
// enough in, each id that is named elsewhere would be unknown.
func (r *reader) consequences(root yamlfile.Node) {
	pairs := root.Pairs()
	for _, k := range r.kinds() {
		k.names.absent = !root.Get(k.section).IsMap()
		for _, p := range pairs {
			if p.Value.IsMap() && !slices.Contains(sections, p.Key) {
				k.names.strays(p.Key)
			}
		}
	}
}

// unhush makes sure that nothing unknown passes: what would have been told of a file in which nothing else is wrong.
func (r *reader) unhush() {
	for _, k := range r.kinds() {
		if u := k.names.hushed; u != nil {
			u.at.Fault("", "unknown %s %.80q", u.kind, u.id)
		}
	}
}

func zone(n yamlfile.Node) *time.Location {
	s := n.Str()
	if s == "" && !n.Present() {
		return time.UTC
	}
	z, err := timezone.Load(s)
	if n.IsScalar() && (err != nil || s == "" || s == "Local") {
		n.Fault(`a name of the IANA list, as "Europe/Paris"`, "%.80q is not a time zone", s)
	}
	if err != nil {
		return time.UTC
	}
	return z
}

func (r *reader) issuers(n yamlfile.Node) {
	profiles := map[string]string{}
	for _, e := range n.Pairs() {
		only(e.Value, "name", "id", "keys", "status-issuers")
		x := policy.Issuer{ID: policy.IssuerID(r.issuerIDs.add(e)), Name: line(e.Value.Get("name"))}
		keys := e.Value.Get("keys").Required()
		for _, k := range r.keyList(keys) {
			if checkKey(k) {
				x.Keys = append(x.Keys, k.Str())
			}
		}
		if keys.IsList() && len(keys.List()) == 0 {
			keys.Fault("list the keys that the issuer signs with", "no key: nothing that this issuer signs could count")
		}
		x.Profile = profile(e.Value, x.Keys)
		if twin, twice := profiles[x.Profile]; twice && x.Profile != "" {
			e.KeyNode.Fault("list all keys at one issuer", "the issuer %.80q has the same id", twin)
		}
		profiles[x.Profile] = e.Key
		r.m.Issuers = append(r.m.Issuers, x)
	}
	for i, e := range n.Pairs() {
		r.statusIssuers(i, e.Value.Get("status-issuers"))
	}
}

// statusIssuers are those who may sign the status lists of an issuer's badges, once all issuers are known.
func (r *reader) statusIssuers(at int, n yamlfile.Node) {
	own := &r.m.Issuers[at]
	if !n.Present() && r.bareTrust {
		for _, other := range r.m.Issuers {
			if other.ID != own.ID {
				own.StatusIssuers = append(own.StatusIssuers, other.ID)
			}
		}
	}
	if !n.Present() {
		return
	}
	for _, x := range entries(n, maxNamed) {
		id := policy.IssuerID(r.issuerIDs.ref(x, "issuer"))
		switch {
		case id == "":
		case id == own.ID:
			x.Fault("leave it out", "an issuer may always sign the lists of its own badges")
		case slices.Contains(own.StatusIssuers, id):
			x.Fault("once is enough", "the issuer %q stands twice", id)
		default:
			own.StatusIssuers = append(own.StatusIssuers, id)
		}
	}
}

// profile is the issuer's id in its credentials. Where the file does not give it, it is the DID of the issuer's one
// key.
func profile(issuer yamlfile.Node, keys []string) string {
	if id := issuer.Get("id"); id.Present() {
		if s := id.Str(); strings.HasPrefix(s, "did:web:") && !isWebDID(s) {
			id.Fault(webDIDs, "%.80q is no did:web", s)
			return ""
		}
		return absolute(id)
	}
	if n := issuer.Get("keys"); n.IsList() && len(n.List()) > 1 {
		n.Fault("add id:, the issuer.id that stands in the badges", "several keys, and no id: it is not clear which badges are this issuer's")
	}
	if len(keys) == 0 {
		return ""
	}
	id := issuerOf(keys[0])
	if id == "" {
		issuer.Get("keys").Fault("add id:, the issuer.id that stands in the badges", "a bare public key does not say whose badges it is for")
	}
	return id
}

func (r *reader) badges(n yamlfile.Node) {
	r.achievements = map[string]string{}
	for _, e := range n.Pairs() {
		only(e.Value, "name", "issuer", "achievement", "accepts")
		b := policy.Badge{ID: policy.BadgeID(r.badgeIDs.add(e)), Name: words(e.Value.Get("name").Required())}
		b.Issuer = policy.IssuerID(r.issuerIDs.ref(e.Value.Get("issuer").Required(), "issuer"))
		a := e.Value.Get("achievement").Required()
		b.Achievement = absolute(a)
		key := string(b.Issuer) + " " + withoutQuery(b.Achievement)
		if twin, twice := r.achievements[key]; twice && b.Achievement != "" {
			a.Fault("the query does not count", "the badge %.80q has the same achievement", twin)
		}
		r.achievements[key] = e.Key
		r.m.Badges = append(r.m.Badges, b)
	}
}

// role reads the roles that the site uses; without the key it is all of them.
func (r *reader) role(n yamlfile.Node) {
	all := roleWords(policy.Roles())
	if !n.Present() {
		r.roles = all
		return
	}
	last := policy.NoRole
	for _, x := range entries(n, len(all)) {
		s := x.OneOf(all...)
		if s == "" {
			continue
		}
		role, _ := policy.ParseRole(s)
		if role <= last {
			x.Fault(fmt.Sprintf("the order is fixed: %v", all), "%q stands after a role of equal or greater power", s)
		}
		last = max(last, role)
		r.roles = append(r.roles, s)
	}
	if n.IsList() && len(n.List()) == 0 {
		n.Fault(fmt.Sprintf("some of %v", all), "no role")
	}
	if len(r.roles) == 0 {
		r.roles = all
	}
}

func roleWords(roles []policy.Role) []string {
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = r.String()
	}
	return out
}

func (r *reader) evidence(n yamlfile.Node) {
	for _, e := range n.Pairs() {
		only(e.Value, "interventions", "kinds", "within", "endorsed-by", "endorsed", "spread")
		id := policy.BadgeID(r.badgeIDs.key(e, "badge"))
		rule := policy.EvidenceRule{
			Interventions: e.Value.Get("interventions").Required().Int(1, maxInterventions),
			Within:        positive(e.Value.Get("within")),
			EndorsedBy:    policy.BadgeID(r.badgeIDs.ref(e.Value.Get("endorsed-by"), "badge")),
			Kinds:         kinds(e.Value.Get("kinds").Required()),
			Spread:        e.Value.Get("spread").Int(1, maxInterventions),
		}
		if n := e.Value.Get("spread"); rule.Interventions > 0 && rule.Spread > rule.Interventions {
			n.Fault(fmt.Sprintf("at most %d", rule.Interventions), "%d interventions cannot lie on %d different days", rule.Interventions, rule.Spread)
		}
		if n := e.Value.Get("endorsed"); n.Present() {
			rule.Endorsed, _ = policy.ParseEndorsed(n.OneOf("at-the-time")) // OneOf reports what is none
			if !e.Value.Get("endorsed-by").Present() {
				n.Fault("add endorsed-by: and the badge of whoever endorses the work", "nobody is named who could endorse it")
			}
		}
		r.m.Evidence[id] = rule
	}
}

// kinds are the interventions that count.
func kinds(n yamlfile.Node) []string {
	var out []string
	seen := map[string]bool{}
	for _, k := range entries(n, maxKinds) {
		s := k.Slug()
		if s == "" {
			continue
		}
		if seen[s] {
			k.Fault("once is enough", "the kind %q stands twice", s)
		}
		seen[s] = true
		out = append(out, s)
	}
	if n.IsList() && len(n.List()) == 0 {
		n.Fault("list the interventions that count, as [lens-cleaning]", "no kind: no intervention could count")
	}
	return out
}
