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
	_ "time/tzdata" // a minimal image may come without time zones, and hours cannot be judged without

	"portillon/policy"
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
	}{
		{len(data), MaxBytes, "%d bytes"},
		{bytes.Count(data, []byte("\n")), MaxLines, "%d lines"},
		{yamlfile.Entries(data[:min(len(data), MaxBytes)]), MaxEntries, "about %d entries"},
	} {
		if b.n > b.most {
			problem := "the file has " + fmt.Sprintf(b.of, b.n)
			return yamlfile.Faults{{File: name, Problem: problem, Hint: fmt.Sprintf("at most %d", b.most)}}
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
	r := newReader(d.Root())
	r.file()
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
	r := newReader(root)
	r.bareTrust = !root.Get("portillon").Present()
	issuers := root.Get("issuers").Required()
	r.issuerIDs.collect(issuers)
	r.m.Issuers = r.issuers(issuers)
	r.issuerIDs.report()
	if err := d.Err(); err != nil {
		return nil, err
	}
	return r.m.Issuers, nil
}

// reader fills a model. The ids of issuers, badges and machines are collected first, so that a grant may stand before
// the badge that it names.
type reader struct {
	tables       *tables
	root         yamlfile.Node
	m            policy.Model
	issuerIDs    names
	badgeIDs     names
	machineIDs   names
	roles        []string // that grants may give; read by siteRoles where it is first asked for
	achievements map[string]string
	keys         int            // of all issuers
	bareTrust    bool           // the file is no policy: see ParseTrust
	defaults     policy.Machine // what holds where a machine says nothing
	session      policy.Limits  // likewise, where a grant says nothing

	// Of the machine that is being read:
	needs int   // that have been read so far
	depth int   // of the need that is being read, in other needs
	kinds names // of intervention
}

func newReader(root yamlfile.Node) *reader {
	return &reader{tables: newTables(), root: root,
		m: policy.Model{Zone: time.UTC, Evidence: map[policy.BadgeID]policy.EvidenceRule{}}}
}

// file reads the whole file.
func (r *reader) file() {
	r.consequences(r.root)
	for _, k := range r.sections() {
		k.names.collect(r.root.Get(k.section))
	}
	fill(r, r.root, r.tables.policy, &r.m)
	for _, k := range r.sections() {
		k.names.report()
	}
}

func checkVersion(n yamlfile.Node) {
	if n.Str() != "1" && n.IsScalar() {
		n.Fault("this version reads 1", "%.80q is not a version of the file", n.Str())
	}
}

// kind is a section that defines names.
type kind struct {
	section string
	names   *names
}

func (r *reader) sections() []kind {
	return []kind{{"issuers", &r.issuerIDs}, {"badges", &r.badgeIDs}, {"machines", &r.machineIDs}}
}

// consequences are told from faults: where a section is missing, or an entry stands at the top since it is not far
// enough in, each id that is named elsewhere would be unknown.
func (r *reader) consequences(root yamlfile.Node) {
	pairs := root.Pairs()
	for _, k := range r.sections() {
		k.names.absent = !root.Get(k.section).IsMap()
		for _, p := range pairs {
			if p.Value.IsMap() && !slices.Contains(r.tables.policy.names, p.Key) {
				k.names.strays(p.Key)
			}
		}
	}
}

// unhush makes sure that nothing unknown passes: what would have been told of a file in which nothing else is wrong.
func (r *reader) unhush() {
	for _, k := range r.sections() {
		if u := k.names.hushed; u != nil {
			u.at.Fault("", "unknown %s %.80q", u.kind, u.id)
		}
	}
}

func zone(_ *reader, n yamlfile.Node) *time.Location {
	s := n.Str()
	z, err := time.LoadLocation(s)
	if n.IsScalar() && (err != nil || s == "" || s == "Local") {
		n.Fault(`a name of the IANA list, as "Europe/Paris"`, "%.80q is not a time zone", s)
	}
	if err != nil {
		return time.UTC
	}
	return z
}

func (r *reader) issuers(n yamlfile.Node) (out []policy.Issuer) {
	profiles := map[string]string{}
	for _, e := range n.Pairs() {
		x := policy.Issuer{ID: policy.IssuerID(r.issuerIDs.known(e))}
		fill(r, e.Value, r.tables.issuer, &x)
		if !e.Value.Get("id").Present() {
			x.Profile = profileOfKey(e.Value.Get("keys"), x.Keys)
		}
		if twin, twice := profiles[x.Profile]; twice && x.Profile != "" {
			e.KeyNode.Fault("list all keys at one issuer", "the issuer %.80q has the same id", twin)
		}
		profiles[x.Profile] = e.Key
		out = append(out, x)
	}
	if r.bareTrust {
		everyIssuerSignsLists(n, out)
	}
	return out
}

// issuerKeys reads an issuer's list of keys.
func (r *reader) issuerKeys(n yamlfile.Node) (out []string) {
	for _, k := range r.keyList(n) {
		if checkKey(k) {
			out = append(out, k.Str())
		}
	}
	if n.IsList() && len(n.List()) == 0 {
		n.Fault("list the keys that the issuer signs with", "no key: nothing that this issuer signs could count")
	}
	return out
}

// everyIssuerSignsLists lets every issuer sign the status lists of those that do not say who may: see ParseTrust.
func everyIssuerSignsLists(n yamlfile.Node, all []policy.Issuer) {
	for i, e := range n.Pairs() {
		if e.Value.Get("status-issuers").Present() {
			continue
		}
		for _, other := range all {
			if other.ID != all[i].ID {
				all[i].StatusIssuers = append(all[i].StatusIssuers, other.ID)
			}
		}
	}
}

// statusIssuers reads who may sign the status lists of an issuer's badges, besides itself.
func (r *reader) statusIssuers(n yamlfile.Node, own *policy.Issuer) {
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

// profile reads the issuer's id in its credentials.
func profile(_ *reader, n yamlfile.Node) string {
	if s := n.Str(); strings.HasPrefix(s, "did:web:") && !isWebDID(s) {
		n.Fault(webDIDs, "%.80q is no did:web", s)
		return ""
	}
	return absolute(n)
}

// profileOfKey is the issuer's id where the file does not give it: the DID of the issuer's one key.
func profileOfKey(n yamlfile.Node, keys []string) string {
	if n.IsList() && len(n.List()) > 1 {
		n.Fault("add id:, the issuer.id that stands in the badges",
			"several keys, and no id: it is not clear which badges are this issuer's")
	}
	if len(keys) == 0 {
		return ""
	}
	id := issuerOf(keys[0])
	if id == "" {
		n.Fault("add id:, the issuer.id that stands in the badges", "a bare public key does not say whose badges it is for")
	}
	return id
}

func (r *reader) badges(n yamlfile.Node, m *policy.Model) {
	r.achievements = map[string]string{}
	for _, e := range n.Pairs() {
		b := policy.Badge{ID: policy.BadgeID(r.badgeIDs.known(e))}
		fill(r, e.Value, r.tables.badge, &b)
		key := string(b.Issuer) + " " + withoutQuery(b.Achievement)
		if twin, twice := r.achievements[key]; twice && b.Achievement != "" {
			e.Value.Get("achievement").Fault("the query does not count", "the badge %.80q has the same achievement", twin)
		}
		r.achievements[key] = e.Key
		m.Badges = append(m.Badges, b)
	}
}

// siteRole is a role that the site uses, or NoRole, which has been reported.
func (r *reader) siteRole(n yamlfile.Node) policy.Role {
	role, _ := policy.ParseRole(n.OneOf(r.siteRoles()...))
	return role
}

// siteRoles are the roles that the site uses; without the key roles, all of them.
func (r *reader) siteRoles() []string {
	if r.roles == nil {
		r.roles = readRoles(r.root.Get("roles"))
	}
	return r.roles
}

func readRoles(n yamlfile.Node) (out []string) {
	all := roleWords(policy.Roles())
	if !n.Present() {
		return all
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
		out = append(out, s)
	}
	if n.IsList() && len(n.List()) == 0 {
		n.Fault(fmt.Sprintf("some of %v", all), "no role")
	}
	if len(out) == 0 {
		return all
	}
	return out
}

func roleWords(roles []policy.Role) []string {
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = r.String()
	}
	return out
}

func (r *reader) evidence(n yamlfile.Node, m *policy.Model) {
	for _, e := range n.Pairs() {
		id := policy.BadgeID(r.badgeIDs.key(e, "badge"))
		var rule policy.EvidenceRule
		fill(r, e.Value, r.tables.evidence, &rule)
		if n := e.Value.Get("spread"); rule.Interventions > 0 && rule.Spread > rule.Interventions {
			n.Fault(fmt.Sprintf("at most %d", rule.Interventions), "%d interventions cannot lie on %d different days",
				rule.Interventions, rule.Spread)
		}
		if n := e.Value.Get("endorsed"); n.Present() && !e.Value.Get("endorsed-by").Present() {
			n.Fault("add endorsed-by: and the badge of whoever endorses the work", "nobody is named who could endorse it")
		}
		m.Evidence[id] = rule
	}
}

// kinds are the interventions that count.
func kinds(_ *reader, n yamlfile.Node) []string {
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
