package site

import (
	"slices"
	"strings"
	"unicode"

	"portillon/openbadge"
	"portillon/policy"
)

// recipients finds the members that a badge may be for, without asking each of them.
type recipients struct {
	members   []Member
	lines     map[string][]int // places in members, by the files of their badges: lines
	subjects  map[string][]int
	addresses map[string][]int // by folded
	spellings map[string][]int // by address, as it is written and in lower case
	places    map[policy.MemberID]int
}

func newRecipients(members []Member) *recipients {
	x := &recipients{members: members, lines: map[string][]int{}, subjects: map[string][]int{},
		addresses: map[string][]int{}, spellings: map[string][]int{}, places: make(map[policy.MemberID]int, len(members))}
	for i, m := range members {
		x.places[m.ID] = i
		for _, f := range m.Badges {
			x.lines[f] = append(x.lines[f], i)
		}
		for _, s := range m.Subjects {
			x.subjects[s] = append(x.subjects[s], i)
		}
		for _, e := range m.Emails {
			x.addresses[folded(e)] = append(x.addresses[folded(e)], i)
			x.spellings[e] = append(x.spellings[e], i)
			if lower := strings.ToLower(e); lower != e {
				x.spellings[lower] = append(x.spellings[lower], i)
			}
		}
	}
	return x
}

// folded is the same of two texts exactly where strings.EqualFold says that they are.
func folded(s string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, s)
}

// among are the places of members of whom b.IsFor may be true, in order. Every other member is none of its recipients.
// likely is a member whose it probably is; one that is not there, or whose it is not, costs time alone.
func (x *recipients) among(b *openbadge.Badge, likely policy.MemberID) []int {
	out := slices.Clone(x.subjects[b.Subject])
	if address, ok := strings.CutPrefix(b.Subject, "mailto:"); ok {
		out = append(out, x.addresses[folded(address)]...)
	}
	for _, id := range b.Identifiers {
		if !id.Hashed {
			out = append(out, x.addresses[folded(id.Hash)]...)
			continue
		}
		same, ok := x.sameHash(id, likely)
		if !ok { // a hash tells nothing of its address: each is tried
			return x.everybody()
		}
		out = append(out, same...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// sameHash are the places of all members who may have the address of a hash, where it is an address of the likely one.
// A hash is of an address as it is written or in lower case (openbadge.Badge.IsFor): whoever else has it has an address
// of the same spelling.
func (x *recipients) sameHash(id openbadge.Identity, likely policy.MemberID) (out []int, ok bool) {
	i, known := x.places[likely]
	if !known {
		return nil, false
	}
	for _, e := range x.members[i].Emails {
		one := openbadge.Badge{Identifiers: []openbadge.Identity{id}}
		if !one.IsFor(openbadge.Recipient{Emails: []string{e}}) {
			continue
		}
		out, ok = append(append(out, x.spellings[e]...), x.spellings[strings.ToLower(e)]...), true
	}
	return out, ok
}

func (x *recipients) everybody() []int {
	out := make([]int, len(x.members))
	for i := range out {
		out[i] = i
	}
	return out
}

// byLine is the one member whose badges: line names the file, if it is their badge; -1: there is none, or several.
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
