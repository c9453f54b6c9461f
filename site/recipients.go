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
	ids       map[policy.MemberID]int
}

func newRecipients(members []Member) *recipients {
	x := &recipients{members: members, lines: map[string][]int{}, subjects: map[string][]int{},
		addresses: make(map[string][]int, len(members)), ids: make(map[policy.MemberID]int, len(members))}
	for i, m := range members {
		x.ids[m.ID] = i
		for _, f := range m.Badges {
			x.lines[f] = append(x.lines[f], i)
		}
		for _, s := range m.Subjects {
			x.subjects[s] = append(x.subjects[s], i)
		}
		for _, e := range m.Emails {
			for _, at := range spellings(e) {
				x.addresses[at] = append(x.addresses[at], i)
			}
		}
	}
	return x
}

// spellings are an address and the same in lower case, of which a hash may have been made (openbadge.Badge.IsFor), folded.
func spellings(address string) []string {
	return slices.Compact([]string{folded(address), folded(strings.ToLower(address))})
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
func (x *recipients) among(b *openbadge.Badge) []int { return x.at(nil, b, addressesOf(b), "") }

// addressesOf are the addresses that a badge names, folded.
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

// at is among, for a badge whose addresses are known, appended to out. held is the member who is known to hold the badge;
// empty: nobody is.
func (x *recipients) at(out []int, b *openbadge.Badge, addresses []string, held policy.MemberID) []int {
	if slices.ContainsFunc(b.Identifiers, func(id openbadge.Identity) bool { return id.Hashed }) {
		shared, ok := x.sharing(b, held)
		if !ok { // a hash tells nothing of its address: each is tried
			return x.everybody()
		}
		addresses = append(slices.Clone(addresses), shared...)
	}
	out = append(out, x.subjects[b.Subject]...)
	for _, a := range addresses {
		out = append(out, x.addresses[a]...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// sharing are the addresses of a member whose address is the one hashed one that the badge names: whoever else that hash
// is of has one of them too. At 10,000 members with five badges each this spares 500 million hashes.
func (x *recipients) sharing(b *openbadge.Badge, held policy.MemberID) (addresses []string, ok bool) {
	i, known := x.ids[held]
	if !known {
		return nil, false
	}
	var one openbadge.Badge
	for _, id := range b.Identifiers {
		if id.Hashed {
			one.Identifiers = append(one.Identifiers, id)
		}
	}
	if len(one.Identifiers) != 1 || !one.IsFor(openbadge.Recipient{Emails: x.members[i].Emails}) {
		return nil, false
	}
	for _, e := range x.members[i].Emails {
		addresses = append(addresses, spellings(e)...)
	}
	return addresses, true
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
