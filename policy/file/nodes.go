package file

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"portillon/policy"
	"portillon/yamlfile"
)

// onlyKeys reports all other keys, and keys without a value, because an empty "hours:" must not mean "at any hour".
// onlyKeys returns false if it reported a key. The caller must then not report a missing key, because the key may only
// be misspelt.
func onlyKeys(n yamlfile.Node, keys ...string) bool {
	n.Only(keys...)
	sound := true
	for _, p := range n.Pairs() {
		if !p.Value.Present() {
			p.KeyNode.Fault("give one or remove the key", "%.80q has no value", p.Key)
		}
		sound = sound && p.Value.Present() && slices.Contains(keys, p.Key)
	}
	return sound
}

// refuseEmpty reports an empty entry of a list. For empty values of keys, onlyKeys reports the fault.
func refuseEmpty(n yamlfile.Node) {
	if !n.Present() && strings.HasSuffix(n.Path(), "]") {
		n.Fault("", "an empty entry")
	}
}

// These limits on the entries of lists are higher than any real policy needs, and low enough that a hostile file costs
// little.
const (
	maxHolidays = 1000
	maxHolds    = 200
	maxKinds    = 100
	maxUpkeep   = 100
	maxNamed    = 1000 // most badges or machines that one rule may name
)

// These limits on numbers apply to the reader and the schema.
const (
	maxLearners = 100 // most people whom one mentor supervises
	// most sessions of a member in a day; a restored machine knows a member's last 48 sessions (hub: recentMost)
	maxSessions      = 48
	maxNeedHours     = 10_000
	maxRunning       = 100_000 // hours
	maxDays          = 10_000
	maxInterventions = 1000
	maxLine          = 200 // most bytes of a name
)

// entries returns the entries of a list that are not empty, and reports the empty ones. A list of more than most
// entries is reported, and read as empty.
func entries(n yamlfile.Node, most int) []yamlfile.Node {
	all := n.List()
	if len(all) > most {
		n.Fault(fmt.Sprintf("at most %d", most), "%d entries stand here", len(all))
		return nil
	}
	var out []yamlfile.Node
	for _, x := range all {
		if refuseEmpty(x); x.Present() {
			out = append(out, x)
		}
	}
	return out
}

// listOrOne returns the entries of a list, or the single value in place of a list. listOrOne reports an empty list.
func listOrOne(n yamlfile.Node, most int, hint, problem string) []yamlfile.Node {
	if !n.IsList() {
		if !n.Present() {
			return nil
		}
		return []yamlfile.Node{n}
	}
	if len(n.List()) == 0 {
		n.Fault(hint, "%s", problem)
	}
	return entries(n, most)
}

// names contains the ids of one kind that the file defines.
type names struct {
	set       map[string]bool
	order     []string
	stray     map[string]bool // ids in lower case that are defined in the wrong place; this fault was already reported
	absent    bool            // true if the section is missing; this fault was already reported
	unknown   []*unknown
	asked     map[string]*unknown
	explained *unknown // the last unknown id that was not reported, because another fault explains it
}

// unknown is an id that the file does not define, with every position of a use.
type unknown struct {
	at    yamlfile.Node // the first use
	id    string
	kind  string
	lines []string // the lines of the other uses
}

// These constants limit the cost of hints, because a hostile file can have thousands of faults.
const (
	maxHints     = 20
	maxHintWords = 1000
	maxUnknown   = 100
)

// collect records the keys of a section as ids.
func (s *names) collect(section yamlfile.Node) {
	for _, e := range section.Pairs() {
		s.add(e)
	}
}

// add records the key of an entry as an id.
func (s *names) add(e yamlfile.Pair) string {
	if s.set == nil {
		s.set = map[string]bool{}
	}
	id := e.KeyNode.Slug()
	if id == "" {
		if e.KeyNode.Present() { // the fault was already reported
			s.strays(e.Key)
		}
		return ""
	}
	s.set[id] = true
	s.order = append(s.order, id)
	return id
}

// known returns the id of an entry that collect has recorded, or "" for a key whose fault was reported.
func (s *names) known(e yamlfile.Pair) string {
	if !s.set[e.Key] {
		return ""
	}
	return e.Key
}

// strays reports whether an id is defined in the wrong place.
func (s *names) strays(id string) {
	if s.stray == nil {
		s.stray = map[string]bool{}
	}
	s.stray[strings.ToLower(id)] = true
}

// ref reads an id that is a value.
func (s *names) ref(n yamlfile.Node, kind string) string {
	id := n.Str()
	if !n.IsScalar() || s.set[id] {
		return id
	}
	s.miss(n, id, kind)
	return ""
}

// key reads an id that is a key.
func (s *names) key(e yamlfile.Pair, kind string) string {
	if !s.set[e.Key] {
		s.miss(e.KeyNode, e.Key, kind)
		return ""
	}
	return e.Key
}

// miss records an id that the file does not define. The reader reports all uses of one unknown id as one fault.
func (s *names) miss(n yamlfile.Node, id, kind string) {
	if s.absent || s.stray[strings.ToLower(id)] {
		s.explained = &unknown{at: n, id: id, kind: kind}
		return
	}
	if u := s.asked[id]; u != nil {
		u.lines = append(u.lines, strconv.Itoa(n.Line()))
		return
	}
	if len(s.unknown) > maxUnknown {
		s.report() // too many faults: stop reading
		return
	}
	if s.asked == nil {
		s.asked = map[string]*unknown{}
	}
	s.asked[id] = &unknown{at: n, id: id, kind: kind}
	s.unknown = append(s.unknown, s.asked[id])
}

// report reports the unknown ids, after the whole file has been read.
func (s *names) report() {
	for i, u := range s.unknown {
		also := ""
		if n := len(u.lines); n > 0 {
			also = ", also on line " + strings.Join(slices.Compact(u.lines[:min(n, 8)]), ", ")
		}
		u.at.Fault(s.hint(i, u), "unknown %s %.80q%s", u.kind, u.id, also)
	}
}

// hint suggests the nearest known id, for the first few unknown ids.
func (s *names) hint(i int, u *unknown) string {
	if i >= maxHints {
		return ""
	}
	if h := u.at.DidYouMean(u.id, s.order[:min(len(s.order), maxHintWords)]); h != "" {
		return h
	}
	return "name it under " + u.kind + "s:"
}

// positive reads a duration above zero. Zero is refused, because zero means "no limit" in the model.
func positive(n yamlfile.Node) time.Duration {
	d := n.Duration()
	if !n.IsScalar() || d > 0 {
		return d
	}
	if _, err := yamlfile.ParseDuration(n.Str()); err == nil {
		n.Fault("more than nothing, or remove the key", "%.80q does not do", n.Str())
	}
	return 0
}

// line reads a name: one line of at most maxLine bytes.
func line(n yamlfile.Node) string {
	s := n.Str()
	if n.IsScalar() && (strings.TrimSpace(s) == "" || strings.ContainsAny(s, "\n\r\t") || len(s) > maxLine) {
		n.Fault(fmt.Sprintf("one line of at most %d bytes", maxLine), "%.80q is not a name", s)
		return ""
	}
	return s
}

// words reads a name in one or two languages.
func (r *reader) words(n yamlfile.Node) (t policy.Text) {
	if !n.IsMap() {
		return policy.Text{FR: line(n)}
	}
	fill(r, n, r.tables.name, &t)
	if len(n.Pairs()) == 0 {
		n.Fault("{ fr: …, en: … }", "no name")
	}
	return t
}

// absolute reads an id in the form of credentials: a URL, a DID or a URN.
func absolute(n yamlfile.Node) string {
	s := n.Str()
	if !n.IsScalar() {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host+u.Opaque == "" || strings.ContainsAny(s, " \n\t") || withoutQuery(s) == "" {
		n.Fault("as it stands in the badge: https://… or did:…", "%.80q is not an absolute URL", s)
		return ""
	}
	return s
}

// withoutQuery removes the query and the fragment of a URL.
func withoutQuery(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		return s[:i]
	}
	return s
}
