package site

import (
	"slices"
	"strings"
	"unicode"

	"portillon/openbadge"
)

// recipients is an index by which the recipient of a badge can be found among the members.
type recipients struct {
	members   []Member
	lines     map[string][]int // indexes of members by the file names in their badges: lines
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
			at := foldKey(e)
			x.addresses[at] = append(x.addresses[at], i)
		}
	}
	return x
}

// foldKey returns a key for a text. Two texts have the same key if and only if strings.EqualFold considers them equal.
func foldKey(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, s)
}

// candidates returns the sorted indexes of the members who may be the recipient of badge b. For all members that
// candidates leaves out, b.IsFor returns false.
func (x *recipients) candidates(b *openbadge.Badge) []int {
	return x.appendCandidates(nil, b, addressesOf(b))
}

// addressesOf returns the folded addresses in a badge.
func addressesOf(b *openbadge.Badge) (out []string) {
	if address, ok := strings.CutPrefix(b.Subject, "mailto:"); ok {
		out = append(out, foldKey(address))
	}
	for _, id := range b.Identifiers {
		if !id.Hashed {
			out = append(out, foldKey(id.Hash))
		}
	}
	return out
}

// appendCandidates returns the same candidates for a badge whose folded addresses the caller has already determined.
// appendCandidates appends the indexes to out.
func (x *recipients) appendCandidates(out []int, b *openbadge.Badge, addresses []string) []int {
	for _, id := range b.Identifiers {
		if id.Hashed { // return all members, because a hash does not reveal the recipient's address
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

// byLine returns the index of the only member whose badges: line names the file. byLine returns -1 if there is no
// such member, or if the badge was not issued to that member.
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
