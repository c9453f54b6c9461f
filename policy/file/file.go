// Package file reads policy.yaml, which an administrator writes, into a policy.Policy.
//
// The package accepts one YAML document with the keys portillon, site, language, timezone, bindings, status-grace,
// membership, holidays, issuers, badges, roles, defaults, machines, tests, never, evidence and panel.
// site-example/policy.yaml shows all keys. Errors name file, line, column and field, show the line with a caret, and
// say what would be right. All errors of a file are reported at once.
//
// The package refuses unknown keys, keys without a value, empty entries of lists, unknown badges, issuers, machines and
// roles, duplicates, anchors and aliases, issuer keys that are not a point of their curve, rules that could never
// match, more than 1 MB, more entries than a policy of 10,000 lines has, and deep nesting.
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

// MaxBytes, MaxLines and MaxEntries limit a policy file, so that an invalid file of the largest size is refused within
// 100 ms. A policy of 10,000 lines has about 0.5 MB and 45,000 to 55,000 entries.
const (
	MaxBytes   = 1 << 20
	MaxLines   = 12_000
	MaxEntries = 65_000
)

// bounded returns an error for a file that is too large to be parsed.
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

// Parse reads a policy. Errors begin with name. The error of a file with faults is a yamlfile.Faults, which lists all
// faults.
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
		r.reportExplained()
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

// ParseTrust reads the issuers of any YAML file with the key issuers, and ignores its other keys. If an issuer has no
// status-issuers, the default depends on the file. In a policy (a file with the key portillon), only the issuer itself
// may sign its status lists. In any other file, every listed issuer may sign them, because the author of a list of two
// issuers trusts both issuers.
func ParseTrust(name string, data []byte) ([]policy.Issuer, error) {
	if err := bounded(name, data); err != nil {
		return nil, err
	}
	d := yamlfile.Parse(name, data)
	if err := d.Err(); err != nil {
		return nil, err
	}
	root := d.Root()
	root.Pairs() // Pairs reports a root that is not a mapping
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

// reader fills a model. reader first collects the ids of issuers, badges and machines, so that a grant may be written
// before the badge that it names.
type reader struct {
	tables       *tables
	root         yamlfile.Node
	m            policy.Model
	issuerIDs    names
	badgeIDs     names
	machineIDs   names
	roles        []string // words of the roles that the site uses; nil until siteRoles is called for the first time
	achievements map[string]string
	keys         int            // number of keys of all issuers so far
	bareTrust    bool           // true if the file is not a policy: see ParseTrust
	defaults     policy.Machine // the values under defaults:, for machines that do not set their own
	session      policy.Limits  // the session limits under defaults:, for grants that do not set their own

	// The following fields are the state of the machine that is being read.
	needs int   // number of needs read so far
	depth int   // nesting depth of the current need
	kinds names // the kinds of intervention of the machine
}

// newReader collects the ids that the file defines.
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

// checkVersion reports a version of the format that this program does not support.
func checkVersion(n yamlfile.Node) {
	if n.Str() != "1" && n.IsScalar() {
		n.Fault("this version reads 1", "%.80q is not a version of the file", n.Str())
	}
}

// kind is a section of the file whose keys are ids.
type kind struct {
	section string
	names   *names
}

// sections lists the sections whose ids other sections name.
func (r *reader) sections() []kind {
	return []kind{{"issuers", &r.issuerIDs}, {"badges", &r.badgeIDs}, {"machines", &r.machineIDs}}
}

// consequences finds missing sections, and entries at the top level that are not indented enough. Otherwise such a
// fault would also be reported as an unknown id wherever an id of the section is used.
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

// reportExplained reports unknown ids that were not reported because another fault seemed to explain them, if no such
// fault was found. The reader must never accept an unknown id.
func (r *reader) reportExplained() {
	for _, k := range r.sections() {
		if u := k.names.explained; u != nil {
			u.at.Fault("", "unknown %s %.80q", u.kind, u.id)
		}
	}
}

// zone reads the name of a time zone. The zero value is UTC.
func zone(_ *reader, n yamlfile.Node) *time.Location {
	s := n.Str()
	z, err := timezone.Load(s)
	if n.IsScalar() && (err != nil || s == "" || s == "Local") {
		n.Fault(`a name of the IANA list, as "Europe/Paris"`, "%.80q is not a time zone", s)
	}
	if err != nil {
		return time.UTC
	}
	return z
}

// issuers reads all issuers.
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

// everyIssuerSignsLists permits every issuer to sign the status lists of issuers without status-issuers: see
// ParseTrust.
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

// statusIssuers reads the list of other issuers that may sign the status lists of an issuer's badges.
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

// profile reads the id of an issuer, in the form in the issuer's credentials.
func profile(_ *reader, n yamlfile.Node) string {
	if s := n.Str(); strings.HasPrefix(s, "did:web:") && !isWebDID(s) {
		n.Fault(webDIDs, "%.80q is no did:web", s)
		return ""
	}
	return absolute(n)
}

// profileOfKey returns the id of an issuer that has no id in the file: the DID of its only key.
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

// badges reads all badges.
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

// siteRole reads a role that the site uses. If the reader has already reported a fault of this role, siteRole returns
// NoRole.
func (r *reader) siteRole(n yamlfile.Node) policy.Role {
	role, _ := policy.ParseRole(n.OneOf(r.siteRoles()...))
	return role
}

// siteRoles returns the words of the roles that the site uses. Without the key roles, it returns the words of all
// roles.
func (r *reader) siteRoles() []string {
	if r.roles == nil {
		r.roles = readRoles(r.root.Get("roles"))
	}
	return r.roles
}

// readRoles reads the key roles.
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

// roleWords returns the words of roles.
func roleWords(roles []policy.Role) []string {
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = r.String()
	}
	return out
}

// evidence reads the rules about the interventions that earn a badge.
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

// kinds reads the kinds of intervention that count. Each kind may be listed only once.
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
