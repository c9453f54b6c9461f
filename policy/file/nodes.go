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

// only refuses other keys, and keys without a value: "hours:" left empty must not mean "at any hour". It says whether
// it refused none: what is missing may be what was misspelt.
func only(n yamlfile.Node, keys ...string) bool {
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

// bare refuses an entry of a list that is empty; as a key's value, only has refused it.
func bare(n yamlfile.Node) {
	if !n.Present() && strings.HasSuffix(n.Path(), "]") {
		n.Fault("", "an empty entry")
	}
}

// How many entries a list of a policy may have. No policy needs as many, and a hostile file has more.
const (
	maxHolidays = 1000
	maxHolds    = 200
	maxKinds    = 100
	maxUpkeep   = 100
	maxNamed    = 1000 // badges or machines of a rule
)

// How large a number of a policy may be: the reader and the schema say the same.
const (
	maxLearners      = 100 // that one supervisor answers for
	maxNeedHours     = 10_000
	maxRunning       = 100_000 // hours
	maxDays          = 10_000
	maxInterventions = 1000
	maxLine          = 200 // bytes of a name
)

// entries are those of a list, without the empty ones, which are reported; none where there are more than most.
func entries(n yamlfile.Node, most int) []yamlfile.Node {
	all := n.List()
	if len(all) > most {
		n.Fault(fmt.Sprintf("at most %d", most), "%d entries stand here", len(all))
		return nil
	}
	var out []yamlfile.Node
	for _, x := range all {
		if bare(x); x.Present() {
			out = append(out, x)
		}
	}
	return out
}

// some are the entries of a list that must not be empty, or one value that stands alone.
func some(n yamlfile.Node, most int, hint, problem string) []yamlfile.Node {
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

// names are the ids of one kind that the file defines.
type names struct {
	set     map[string]bool
	order   []string
	stray   map[string]bool // ids that stand where they name nothing, in small letters: that has been reported
	absent  bool            // nothing defines ids: that has been reported
	unknown []*unknown
	asked   map[string]*unknown
	hushed  *unknown // one that is not told, since a fault elsewhere explains it
}

// unknown is an id that nothing defines, wherever it stands.
type unknown struct {
	at    yamlfile.Node // first
	id    string
	kind  string
	lines []string // the others
}

// What a hint may cost is bounded: a hostile file is wrong in thousands of places.
const (
	maxHints     = 20
	maxHintWords = 1000
	maxUnknown   = 100
)

// collect takes the keys of a section as ids.
func (s *names) collect(section yamlfile.Node) {
	for _, e := range section.Pairs() {
		s.add(e)
	}
}

// add takes the key of an entry as an id.
func (s *names) add(e yamlfile.Pair) string {
	if s.set == nil {
		s.set = map[string]bool{}
	}
	id := e.KeyNode.Slug()
	if id == "" {
		if e.KeyNode.Present() { // and refused
			s.strays(e.Key)
		}
		return ""
	}
	s.set[id] = true
	s.order = append(s.order, id)
	return id
}

// known is the id of an entry that collect has seen; "" where its key is none, which has been reported.
func (s *names) known(e yamlfile.Pair) string {
	if !s.set[e.Key] {
		return ""
	}
	return e.Key
}

func (s *names) strays(id string) {
	if s.stray == nil {
		s.stray = map[string]bool{}
	}
	s.stray[strings.ToLower(id)] = true
}

// ref is an id that stands as a value.
func (s *names) ref(n yamlfile.Node, kind string) string {
	id := n.Str()
	if !n.IsScalar() || s.set[id] {
		return id
	}
	s.miss(n, id, kind)
	return ""
}

// key is an id that stands as a key.
func (s *names) key(e yamlfile.Pair, kind string) string {
	if !s.set[e.Key] {
		s.miss(e.KeyNode, e.Key, kind)
		return ""
	}
	return e.Key
}

// miss remembers an id that nothing defines. It is one fault, wherever else it stands.
func (s *names) miss(n yamlfile.Node, id, kind string) {
	if s.absent || s.stray[strings.ToLower(id)] {
		s.hushed = &unknown{at: n, id: id, kind: kind}
		return
	}
	if u := s.asked[id]; u != nil {
		u.lines = append(u.lines, strconv.Itoa(n.Line()))
		return
	}
	if len(s.unknown) > maxUnknown {
		s.report() // more than are told: nothing more is read
		return
	}
	if s.asked == nil {
		s.asked = map[string]*unknown{}
	}
	s.asked[id] = &unknown{at: n, id: id, kind: kind}
	s.unknown = append(s.unknown, s.asked[id])
}

// report tells what is unknown, once all has been read.
func (s *names) report() {
	for i, u := range s.unknown {
		also := ""
		if n := len(u.lines); n > 0 {
			also = ", also on line " + strings.Join(slices.Compact(u.lines[:min(n, 8)]), ", ")
		}
		u.at.Fault(s.hint(i, u), "unknown %s %.80q%s", u.kind, u.id, also)
	}
}

func (s *names) hint(i int, u *unknown) string {
	if i >= maxHints {
		return ""
	}
	if h := u.at.DidYouMean(u.id, s.order[:min(len(s.order), maxHintWords)]); h != "" {
		return h
	}
	return "name it under " + u.kind + "s:"
}

// positive is a length of time above zero: zero would read as "no limit".
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

// line is a name, on one line.
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

// absolute is a URL, a DID or a URN as credentials name things.
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

func withoutQuery(s string) string {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		return s[:i]
	}
	return s
}
