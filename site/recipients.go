package site

import (
	"slices"
	"strings"
	"unicode"

	"portillon/openbadge"
)

// recipients is an index of the members by the identities that badges name as their recipient.
type recipients struct {
	members   []Member
	lines     map[string][]int // indexes of members, by file names in their badges: lines
	subjects  map[string][]int
	addresses map[string][]int // indexes of members, by folded address
}

func newRecipients(members []Member) *recipients {
	x := &recipients{members: members, lines: map[string][]int{}, subjects: map[string][]int{},
		addresses: make(map[string][]int, len(members))}
	for i, m := range members {
		for _, f := range m.Badges {
			x.lines[f] = append(x.lines[f], i)
		}
		for _, s := range m.Subjects {
			x.subjects[s] = append(x.subjects[s], i)
		}
		for _, e := range m.Emails {
			at := folded(e)
			x.addresses[at] = append(x.addresses[at], i)
		}
	}
	return x
}

// folded maps two texts to the same key if and only if strings.EqualFold considers them equal.
func folded(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, s)
}

// among returns the indexes of the members for whom b.IsFor may be true, sorted. For all other members b.IsFor is
// false.
func (x *recipients) among(b *openbadge.Badge) []int { return x.at(nil, b, addressesOf(b)) }

// addressesOf returns the addresses in a badge, folded.
func addressesOf(b *openbadge.Badge) (out []string) {
	if address, ok := strings.CutPrefix(b.Subject, "mailto:"); ok {
		out = append(out, folded(address))
	}
	for _, id := range b.Identifiers {
		if !id.Hashed {
			out = append(out, folded(id.Hash))
		}
	}
	return out
}

// at is among for a badge whose addresses are known. It appends the indexes to out.
func (x *recipients) at(out []int, b *openbadge.Badge, addresses []string) []int {
	for _, id := range b.Identifiers {
		if id.Hashed { // the address cannot be read from a hash: every member is a candidate
			return x.everybody()
		}
	}
	out = append(out, x.subjects[b.Subject]...)
	for _, a := range addresses {
		out = append(out, x.addresses[a]...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (x *recipients) everybody() []int {
	out := make([]int, len(x.members))
	for i := range out {
		out[i] = i
	}
	return out
}

// byLine returns the index of the only member whose badges: line names the file, if the badge was issued to that
// member; otherwise -1.
func (x *recipients) byLine(name string, b *openbadge.Badge) int {
	found := -1
	for _, i := range x.lines[name] {
		m := x.members[i]
		if i == found || !b.IsFor(openbadge.Recipient{Emails: m.Emails, Subjects: m.Subjects}) {
			continue
		}
		if found >= 0 {
			return -1
		}
		found = i
	}
	return found
}
